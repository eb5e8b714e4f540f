// The files of one archive: NAME-NUMBER-TIME.jsonl.zst in one directory. The one with the highest
// number is written to, the others are finished; a number, not a time, tells which is older, as
// clocks may step.
//
// Errors: std::system_error, with what failed and where. Nothing of that call counts then, and it
//   may be made again; what is in the files is as before.
// After a crash: the file that was written to is gone on with, without its torn tail.
// Limits: one open file; the names of the finished ones in memory.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>

namespace archive {

struct Limits {
  std::uint64_t max_file_size = 0;
  std::int64_t max_file_age_ms = 0;
  std::uint64_t max_total_size = 0;
};

class Files {
 public:
  // Touches nothing yet: the directory may be there only later.
  Files(std::filesystem::path directory, std::string name, Limits limits);
  ~Files();
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  // On return the frame is on the disk. Makes a new file when this one would be too large or is too
  // old, and room by deleting the oldest finished ones.
  void append(std::string_view frame, std::int64_t now_ms);
  // The next frame goes into a new file if this one is too old.
  void finish_if_old(std::int64_t now_ms);
  // When the current file is too old; 0 = there is none.
  [[nodiscard]] std::int64_t due_ms() const;

 private:
  struct File {
    std::uint64_t number = 0;
    std::filesystem::path path;
    std::uint64_t size = 0;
    std::int64_t started_ms = 0;
  };

  void look();
  void resume();
  void create(std::int64_t now_ms);
  void finish();
  void make_room(std::uint64_t size);
  void write(std::string_view frame);
  [[nodiscard]] bool is_gone() const;
  [[nodiscard]] bool is_old(std::int64_t now_ms) const;
  void close();

  const std::filesystem::path directory_;
  const std::string name_;
  const Limits limits_;
  bool has_looked_ = false;
  std::deque<File> finished_;  // the oldest first
  std::uint64_t last_number_ = 0;
  File current_;
  int fd_ = -1;  // of the current file; -1 = there is none
};

}  // namespace archive
