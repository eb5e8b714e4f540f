// Applies a changed configuration file to the running gateway, whole or not at all.
//
//   read and check the file → every part prepares → every part takes over, in the order of add()
//
// An error in the file, or of a part that prepares, changes nothing. Keys that only a restart can
// change are named; until then they have the values of the start, here and for every part.
//
// Thread: the loop's; the file is read and the last good copy written in a thread of its own. One
// reload or check at a time, the others wait; more than 16 are refused.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/app/certificates.h"
#include "daemon/base/clock.h"
#include "daemon/base/post.h"
#include "daemon/base/result.h"
#include "daemon/config/effective.h"
#include "daemon/config/load.h"

namespace tg::app {

// Where the running configuration comes from.
struct ConfigOrigin {
  std::filesystem::path file;  // what the daemon was started with
  config::LoadResult loaded;   // has a config
  // Not empty: `file` is invalid, for this reason, and the last good one runs.
  std::string problem;
};

class Reloader {
 public:
  // What takes over; runs `done` when it has (at once or later). It cannot fail.
  using TakeOver = std::function<void(Task done)>;
  // Makes ready all that can fail and changes nothing that is in use. A take-over that is dropped
  // instead of run undoes the preparation.
  using Prepare = std::function<Result<TakeOver>(const config::Config& next)>;

  struct Outcome {
    bool is_valid = false;
    bool is_applied = false;
    std::vector<config::Problem> errors;
    std::vector<config::Problem> warnings;
    std::vector<config::Change> changes;
  };
  using Done = std::function<void(Outcome)>;

  Reloader(ConfigOrigin origin, const Clock& clock, Post post);
  // Waits for its thread.
  ~Reloader();
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  void add(std::string part, Prepare prepare);

  void reload(Done done);
  // What a reload would say; changes nothing.
  void check(Done done);
  // Runs the task when what is under way has ended; nothing begins after that.
  void after_current(Task task);
  // Keeps the running configuration for a start that finds the file invalid.
  void save_last_good();

  [[nodiscard]] const config::Config& config() const { return *origin_.loaded.config; }
  [[nodiscard]] const config::Value& tree() const { return origin_.loaded.tree; }
  [[nodiscard]] const std::filesystem::path& file() const { return origin_.file; }
  // Not empty: the last good configuration runs, or the last reload was refused.
  [[nodiscard]] const std::string& problem() const { return origin_.problem; }
  [[nodiscard]] bool runs_last_good() const { return runs_last_good_; }
  [[nodiscard]] std::int64_t loaded_wall_ms() const { return loaded_wall_ms_; }
  // As they were when the running configuration was read.
  [[nodiscard]] const std::vector<CertificateStatus>& certificates() const { return certificates_; }
  // Keys that differ from those of the start and count from the next one on.
  [[nodiscard]] const std::vector<std::string>& restart_keys() const { return restart_keys_; }

 private:
  struct Part {
    std::string name;
    Prepare prepare;
  };
  struct Run;  // one reload on its way

  // Runs it now, or when what is under way has ended.
  void when_idle(Task task, const Done& done);
  void set_idle();
  void in_thread(Task job);
  void read(const std::function<void(std::shared_ptr<Run>)>& then, Done done);
  void prepare(const std::shared_ptr<Run>& run);
  [[nodiscard]] config::Place place_of(const std::string& part, const Run& run) const;
  void take_over(const std::shared_ptr<Run>& run, std::size_t part);
  void finish(const std::shared_ptr<Run>& run);
  void refuse(const std::shared_ptr<Run>& run);

  ConfigOrigin origin_;
  const Clock& clock_;
  const Post post_;
  const config::Value started_tree_;
  bool runs_last_good_;
  std::int64_t loaded_wall_ms_;
  std::vector<CertificateStatus> certificates_;
  std::vector<std::string> restart_keys_;
  std::vector<Part> parts_;
  bool busy_ = false;
  bool closed_ = false;
  std::deque<Task> waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::thread thread_;
};

}  // namespace tg::app
