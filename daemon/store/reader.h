// The reader thread: short reads of committed segments through a read-only connection of its own.
// No statement stays open between requests, so that checkpoints are not held up.
//
// Thread: read() and get_state() are the loop's; their callbacks run on the loop. Bounded queue.
// Clock: a record that came before the clock of its boot was synchronised gets the time that it had
//   by that clock, if the boot's offset has become known.
// Damage: a segment whose crc is wrong, or that does not decode, is skipped and becomes a gap with
// the
//   reason "corrupt"; the rest is served. Two reads in a row that fail because the database itself
//   is damaged are told to on_damage, on the loop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/base/bounded_queue.h"
#include "daemon/base/metrics.h"
#include "daemon/base/post.h"
#include "daemon/store/segment_codec.h"
#include "daemon/store/sqlite.h"
#include "daemon/store/store.h"

namespace tg::store {

using StateEntries = std::vector<std::pair<std::string, std::string>>;

class Reader {
 public:
  // stream_ids: of the database, by StreamId.
  Reader(std::filesystem::path file, std::vector<std::uint64_t> stream_ids, std::vector<Key> keys,
         Post post, Counter corrupt, std::function<void()> on_damage);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void read(StreamId stream, Seq from, std::size_t max_bytes,
            std::function<void(Result<Chunk>)> done);
  void get_state(std::string_view owner, std::function<void(Result<StateEntries>)> done);
  // Streams have been added: for the reads after this call.
  void set_streams(std::vector<std::uint64_t> stream_ids);

 private:
  using Request = std::function<void()>;

  void run();
  void push(Request request, const std::function<void()>& refused);
  Result<void> connect();
  void close();
  Result<Chunk> read_now(StreamId stream, Seq from, std::size_t max_bytes);
  Result<Chunk> read_rows(StreamId stream, Seq from, std::size_t max_bytes);
  Result<void> correct_times(Chunk& chunk);
  Result<StateEntries> get_state_now(const std::string& owner);

  const std::filesystem::path file_;
  const Post post_;
  BoundedQueue<Request> queue_;

  // The reader thread's alone.
  std::vector<std::uint64_t> stream_ids_;
  const std::function<void()> on_damage_;
  int corrupt_in_a_row_ = 0;
  SegmentCodec codec_;
  Counter corrupt_;
  std::unique_ptr<Database> database_;
  struct Statements {
    Statement at_or_before;
    Statement after;
  };
  std::vector<Statements> statements_;
  Statement boot_offset_;

  std::thread thread_;
};

}  // namespace tg::store
