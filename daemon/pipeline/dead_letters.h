// The dead-letter queue (TEL-9): records that cannot be handled, each with its original bytes and
// why. A stream of its own in the store, named kDeadLetterStream, with limits of its own; a letter
// enters it in the transaction in which the reader that gave up passes the record.
//
// A letter is the record as it was, with one more TLV in its tail:
//   kDeadLetter := stream:str reader:str epoch:str seq:varint reason:str
//                  first_ms:varint last_ms:varint attempts:varint
// Letters are taken out one by one: what is gone above the reader's position is kept as ranges in
// the store's state {owner kDeadLetterStream, key "gone"}, at most kMaxHoles of them.
//
// Error action (TEL-12): where a route of the record's topic names one, the letter goes to that
//   stream instead. Replay appends the record to the stream it came from, with a new key; the order
//   is that of the queue.
// Thread: the loop's. Answers come on the loop, later, and not after the end of the queue.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/metrics.h"
#include "daemon/base/range_set.h"
#include "daemon/base/result.h"
#include "daemon/store/store.h"

namespace tg::pipeline {

inline constexpr const char* kDeadLetterStream = "$dead-letters";
inline constexpr const char* kDeadLetterReader = "operator";

// Why a record could not be handled.
struct Cause {
  std::string stream;
  std::string reader;  // the export or processor that gave up
  std::string epoch;
  store::Seq seq = 0;
  std::string reason;
  std::int64_t first_ms = 0;  // of the first and the last attempt, wall clock
  std::int64_t last_ms = 0;
  std::uint64_t attempts = 1;
};

// A letter in the queue; the views of `record` live as long as the chunk it came from.
struct Letter {
  store::Seq id = 0;
  Cause cause;
  store::Record record;
};

// Takes a record that cannot be handled; false = no room for now, to be asked again.
using Letters = std::function<bool(const Cause&, const store::Record&)>;

class DeadLetters {
 public:
  // The streams that a record of `stream` with this topic goes to instead.
  using OnError =
      std::function<std::vector<store::StreamId>(std::string_view topic, store::StreamId stream)>;
  using Visit = std::function<void(const Letter&)>;

  static constexpr std::size_t kMaxHoles = 1000;

  // The store has the stream and the reader; it outlives the queue.
  DeadLetters(store::Store& store, Metrics& metrics, OnError on_error);

  // False when there is no room for now: the caller keeps the record and tries again later.
  [[nodiscard]] bool add(const Cause& cause, const store::Record& record);

  // Visits up to `limit` letters with an id of at least `from`; done gets the id to go on at, 0 at
  // the end.
  void list(store::Seq from, std::size_t limit, Visit visit,
            std::function<void(Result<store::Seq>)> done);
  // These letters, or all that are there now with no ids: back into their streams. done gets their
  // number; one whose stream does not exist any more stays.
  void replay(std::vector<store::Seq> ids, std::function<void(Result<std::uint64_t>)> done);
  // Deletes these, or all there are now; their number.
  [[nodiscard]] Result<std::uint64_t> purge(std::span<const store::Seq> ids);

  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct Replay;

  void append(store::StreamId stream, const Cause& cause, const store::Record& record);
  [[nodiscard]] bool is_there(store::Seq id) const;
  void take_out(store::Seq id);
  void save();
  void replay_chunk(const std::shared_ptr<Replay>& replay);
  // False: no room; the replay ends there.
  [[nodiscard]] bool replay_one(const Letter& letter);

  store::Store& store_;
  const OnError on_error_;
  const store::StreamId stream_;
  const store::ReaderId reader_;
  Counter added_;
  Counter replayed_;
  bool is_loaded_ = false;
  RangeSet gone_;  // above the reader's position
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

// The letter's cause; nothing when the tail holds none.
[[nodiscard]] std::optional<Cause> read_cause(const store::Record& record);
// The tail without its cause.
[[nodiscard]] std::string tail_without_cause(std::string_view tail);

}  // namespace tg::pipeline
