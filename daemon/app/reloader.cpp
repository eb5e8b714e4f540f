#include "daemon/app/reloader.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/app/check_files.h"
#include "daemon/base/assert.h"
#include "daemon/base/log.h"
#include "daemon/config/last_good.h"

namespace tg::app {
namespace {

const log::Component kLog{"config"};

constexpr std::size_t kMaxWaiting = 16;

}  // namespace

struct Reloader::Run {
  config::LoadResult loaded;  // the file as it is
  config::LoadResult next;    // what of it counts before a restart
  std::vector<CertificateStatus> certificates;
  Outcome outcome;
  std::vector<TakeOver> take_overs;
  Done done;
};

Reloader::Reloader(ConfigOrigin origin, const Clock& clock, Post post)
    : origin_(std::move(origin)),
      clock_(clock),
      post_(std::move(post)),
      started_tree_(origin_.loaded.tree),
      runs_last_good_(!origin_.problem.empty()),
      loaded_wall_ms_(clock.now().wall_ms) {
  TG_ASSERT(origin_.loaded.config);
  origin_.loaded.written = {};
  certificates_ = app::certificates(*origin_.loaded.config);
}

Reloader::~Reloader() {
  *alive_ = false;
  if (thread_.joinable()) thread_.join();
}

void Reloader::add(std::string part, Prepare prepare) {
  parts_.push_back({std::move(part), std::move(prepare)});
}

void Reloader::after_current(Task task) {
  closed_ = true;
  waiting_.clear();
  if (!busy_) return task();
  waiting_.push_back(std::move(task));
}

void Reloader::when_idle(Task task, const Done& done) {
  if (!busy_ && !closed_) return task();
  if (!closed_ && waiting_.size() < kMaxWaiting) return waiting_.push_back(std::move(task));
  Outcome outcome;
  outcome.errors.push_back({{origin_.file.string(), 0},
                            "",
                            closed_ ? "the daemon is stopping" : "too many reloads at once"});
  done(std::move(outcome));
}

void Reloader::set_idle() {
  busy_ = false;
  if (waiting_.empty()) return;
  const Task next = std::move(waiting_.front());
  waiting_.pop_front();
  next();
}

// The one before has posted its end, so it is not waited for.
void Reloader::in_thread(Task job) {
  if (thread_.joinable()) thread_.join();
  thread_ = std::thread(std::move(job));
}

void Reloader::read(const std::function<void(std::shared_ptr<Run>)>& then, Done done) {
  busy_ = true;
  auto run = std::make_shared<Run>();
  run->done = std::move(done);
  in_thread([this, run, then, alive = alive_, file = origin_.file, post = post_] {
    run->loaded = config::load(file);
    run->next =
        run->loaded.config ? config::as_running(run->loaded, started_tree_, file) : run->loaded;
    check_files(run->next);
    check_components(run->next);
    if (run->next.config) run->certificates = app::certificates(*run->next.config);
    post([this, run, then, alive] {
      if (!*alive) return;
      auto& outcome = run->outcome;
      outcome.errors = run->next.errors;
      outcome.warnings = run->next.warnings;
      outcome.is_valid = run->next.config.has_value();
      if (outcome.is_valid) outcome.changes = config::differences(tree(), run->loaded.tree);
      then(run);
    });
  });
}

void Reloader::check(Done done) {
  const auto answer = [this](const std::shared_ptr<Run>& run) {
    run->done(std::move(run->outcome));
    set_idle();
  };
  when_idle([this, answer, done] { read(answer, done); }, done);
}

void Reloader::reload(Done done) {
  const auto go_on = [this](const std::shared_ptr<Run>& run) { prepare(run); };
  when_idle([this, go_on, done] { read(go_on, done); }, done);
}

void Reloader::prepare(const std::shared_ptr<Run>& run) {
  if (!run->outcome.is_valid) return refuse(run);
  for (const auto& part : parts_) {
    auto take_over = part.prepare(*run->next.config);
    if (!take_over) {
      run->outcome.errors.push_back(
          {place_of(part.name, *run), part.name, take_over.error().message});
    } else {
      run->take_overs.push_back(std::move(*take_over));
    }
  }
  if (!run->outcome.errors.empty()) return refuse(run);
  take_over(run, 0);
}

// Of the section that a part is named after.
config::Place Reloader::place_of(const std::string& part, const Run& run) const {
  const config::Value* section = config::find_path(run.loaded.tree, part);
  return section != nullptr ? section->place : config::Place{origin_.file.string(), 0};
}

void Reloader::take_over(const std::shared_ptr<Run>& run, std::size_t part) {
  if (part == run->take_overs.size()) return finish(run);
  run->take_overs[part]([this, run, part, alive = alive_] {
    if (*alive) take_over(run, part + 1);
  });
}

void Reloader::refuse(const std::shared_ptr<Run>& run) {
  run->take_overs.clear();
  for (const auto& error : run->outcome.errors) log::error(kLog, "{}", error.text());
  log::error(kLog, "{} is not applied: {} error(s); nothing has changed", origin_.file.string(),
             run->outcome.errors.size());
  if (!runs_last_good_) origin_.problem = run->outcome.errors.front().text();
  run->done(std::move(run->outcome));
  set_idle();
}

void Reloader::finish(const std::shared_ptr<Run>& run) {
  auto& outcome = run->outcome;
  for (const auto& warning : outcome.warnings) log::warning(kLog, "{}", warning.text());
  origin_.loaded = std::move(run->next);
  origin_.loaded.written = {};
  certificates_ = std::move(run->certificates);
  origin_.problem.clear();
  runs_last_good_ = false;
  loaded_wall_ms_ = clock_.now().wall_ms;
  restart_keys_.clear();
  for (const auto& change : config::differences(started_tree_, run->loaded.tree)) {
    if (change.reload == config::Reload::kRestart) restart_keys_.push_back(change.path);
  }
  for (const auto& key : restart_keys_) log::warning(kLog, "{} counts after a restart", key);
  log::info(kLog, "{} is applied: {} change(s), {} of them wait for a restart",
            origin_.file.string(), outcome.changes.size(), restart_keys_.size());
  outcome.is_applied = true;
  run->done(std::move(outcome));
  save_last_good();
}

void Reloader::save_last_good() {
  busy_ = true;
  in_thread([this, loaded = origin_.loaded, file = origin_.file, post = post_, alive = alive_] {
    const auto saved = config::save_last_good(file, loaded, loaded.config->data_dir);
    if (!saved) {
      log::warning(kLog, "the last good configuration is not kept: {}", saved.error().message);
    }
    post([this, alive] {
      if (*alive) set_idle();
    });
  });
}

}  // namespace tg::app
