// The loop's part of a salvage: takes what the thread has read (salvage.h) into the streams under
// new sequence numbers, a segment a commit, and keeps how far it came beside the records, so that a
// crash in between neither loses nor doubles one. (Where that was is lost if the new database is
// damaged at a start, too: then what had come back comes twice.) A stream that is full is waited
// for, the others go on; one that has gone from the configuration is passed over.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/store/salvage.h"
#include "daemon/store/store.h"

namespace tg::store {

class Restore {
 public:
  struct Target {
    std::function<std::optional<StreamId>(const std::string& name)> find_stream;
    std::function<Admission(StreamId stream, std::size_t bytes)> admit;
    std::function<void(StreamId stream, const Record& record)> append;
    std::function<void(const std::string& key, const std::string& value)> put_state;
    std::function<void(Task task)> after_commit;
    std::function<void()> finished;  // begin() may be called again, for another set
  };

  Restore(Target target, Timers& timers, Metrics& metrics);
  ~Restore();
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

  // state: what put_state() was given in an earlier run of this set.
  void begin(std::filesystem::path set,
             const std::vector<std::pair<std::string, std::string>>& state, std::vector<Key> keys,
             const Post& post);

  // The database with the state so far has been put aside: a new one gets it.
  void note_again();

  [[nodiscard]] bool is_running() const { return salvage_ != nullptr; }

  static constexpr const char* kOwner = "tidegate/salvage";  // of the state

 private:
  void next();
  void go_on();
  void take(SalvageBatch batch);
  bool try_store(const SalvageBatch& batch);
  void store(const SalvageBatch& batch, StreamId stream);
  void try_waiting();
  void finish(const SalvageBatch& last);

  const Target target_;
  Timers& timers_;
  Counter restored_;
  Counter damaged_;
  std::uint64_t records_ = 0;
  std::uint64_t segments_damaged_ = 0;
  std::map<std::string, std::string> state_;  // by stream; what it was given of other sets, too
  std::vector<SalvageBatch> waiting_;         // for room, at most one of a stream
  bool is_reading_ = false;
  int storing_ = 0;
  TimerId timer_ = 0;
  std::shared_ptr<bool> alive_;
  std::unique_ptr<Salvage> salvage_;
};

}  // namespace tg::store
