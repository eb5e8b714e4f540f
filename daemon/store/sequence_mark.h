// How far the sequence numbers had come, kept outside of the database: after a WAL has been damaged
// SQLite opens what is left of it without a word, and the numbers of the lost commits would be
// given out again.
//
//   DIR/streams.db-mark := "epoch " EPOCH LF ("next " STREAM_ID " " SEQ LF)* "crc32c " HEX LF
//
// Written after each commit and not synced: a kill leaves it exact, a power cut at most as old as
// the kernel's write-back (30 s). It is never ahead of a commit that was synced.
//
// Thread: the store's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "daemon/base/unique_fd.h"
#include "daemon/store/schema.h"

namespace tg::store {

class SequenceMark {
 public:
  explicit SequenceMark(std::filesystem::path file) : file_(std::move(file)) {}

  // True when the numbers had come further than the database of this epoch says.
  [[nodiscard]] bool is_ahead_of(const Opened& opened) const;
  // A mark that cannot be written is older than it might be, and no error. ids, next: by stream.
  void write(std::string_view epoch, std::span<const std::uint64_t> ids, std::span<const Seq> next);

 private:
  const std::filesystem::path file_;
  UniqueFd descriptor_;
  std::string text_;  // as it was written last
};

}  // namespace tg::store
