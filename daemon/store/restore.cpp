#include "daemon/store/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/store/quarantine.h"

namespace tg::store {
namespace {

const log::Component kLog{"store"};

constexpr std::int64_t kWaitForRoomMs = 1000;

}  // namespace

Restore::Restore(Target target, Timers& timers, Metrics& metrics)
    : target_(std::move(target)),
      timers_(timers),
      restored_(metrics.counter("tidegate_store_salvaged_records_total",
                                "Records taken back from a damaged database")),
      damaged_(metrics.counter("tidegate_store_salvage_damaged_segments_total",
                               "Segments of a damaged database that cannot be read")),
      alive_(std::make_shared<bool>(true)) {}

Restore::~Restore() {
  *alive_ = false;
  timers_.cancel(timer_);
}

// A value of the state is `SET END`: of another set it does not count.
void Restore::begin(std::filesystem::path set,
                    const std::vector<std::pair<std::string, std::string>>& state,
                    std::vector<Key> keys, const Post& post) {
  timers_.cancel(timer_);
  std::map<std::string, Seq> done;
  const std::string name = set.filename().string();
  for (const auto& [stream, value] : state) {
    touched_.push_back(stream);
    if (!value.starts_with(name + " ")) continue;
    Seq end = 0;
    std::from_chars(value.data() + name.size() + 1, value.data() + value.size(), end);
    done.emplace(stream, end);
  }
  records_ = 0;
  segments_damaged_ = 0;
  salvage_ = std::make_unique<Salvage>(
      std::move(set), std::move(done), std::move(keys),
      [post, alive = alive_](Task task) {
        post([alive, task = std::move(task)] {
          if (*alive) task();
        });
      },
      [this](SalvageBatch batch) { take(std::move(batch)); });
  salvage_->next();
}

void Restore::take(SalvageBatch batch) {
  damaged_.add(batch.damaged_segments - std::min(batch.damaged_segments, segments_damaged_));
  segments_damaged_ = batch.damaged_segments;
  if (batch.stream.empty()) return finish(batch);
  const auto stream = target_.find_stream(batch.stream);
  if (!stream) return salvage_->next();
  if (target_.admit(*stream, batch.records.size()) != Admission::kYes) {
    timer_ = timers_.after(kWaitForRoomMs, [this, batch = std::move(batch)] { take(batch); });
    return;
  }
  store(batch, *stream);
}

void Restore::store(const SalvageBatch& batch, StreamId stream) {
  RecordCursor cursor(batch.records);
  Record record;
  for (std::uint64_t index = 0; cursor.next(record); ++index) {
    if (index < batch.skip) continue;
    target_.append(stream, record);
    ++records_;
    restored_.add();
  }
  target_.put_state(batch.stream,
                    fmt::format("{} {}", salvage_->set().filename().string(), batch.end));
  if (std::find(touched_.begin(), touched_.end(), batch.stream) == touched_.end()) {
    touched_.push_back(batch.stream);
  }
  target_.after_commit([this, alive = alive_, salvage = salvage_.get()] {
    if (*alive && salvage_.get() == salvage) salvage_->next();
  });
}

void Restore::finish(const SalvageBatch& last) {
  const auto text = fmt::format("{} records were taken back, {} segments cannot be read", records_,
                                last.damaged_segments);
  log::info(kLog, "salvage of {} has ended: {}", salvage_->set().string(), text);
  mark_salvaged(salvage_->set(), text);
  for (const auto& key : touched_) target_.put_state(key, {});
  touched_.clear();
  salvage_.reset();
}

}  // namespace tg::store
