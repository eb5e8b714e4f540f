// A copy of the database that is made while commits go on: some pages at a time, between commits,
// on the connection that commits. So SQLite carries every commit that comes meanwhile over into the
// copy; the copy is the database as it is when the last page has been copied. Nothing keeps a read
// transaction open: checkpoints go on and the WAL does not grow, however long it takes.
//
// What holds up a commit is one step: kPages pages, written and synced. The copy is one file
// without a WAL; segments in it are encrypted as they are in the store.
//
// Thread: the store thread. Ends before the database is closed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"
#include "daemon/store/sqlite.h"

namespace tg::store {

class Backup {
 public:
  static constexpr int kPages = 64;

  // The file lies in DIR; what is left of an earlier one goes.
  static Result<std::unique_ptr<Backup>> begin(Database& database, const std::filesystem::path& to);
  // Removes the file unless it is complete.
  ~Backup();
  Backup(const Backup&) = delete;
  Backup& operator=(const Backup&) = delete;

  // True when the copy is complete and durable.
  Result<bool> step();
  [[nodiscard]] std::uint64_t copied_pages() const { return copy_.copied_pages(); }
  [[nodiscard]] std::uint64_t pages() const { return copy_.pages(); }

 private:
  Backup(std::filesystem::path file, UniqueFd fd, DatabaseCopy copy)
      : file_(std::move(file)), fd_(std::move(fd)), copy_(std::move(copy)) {}

  const std::filesystem::path file_;
  UniqueFd fd_;
  DatabaseCopy copy_;
  bool is_complete_ = false;
};

}  // namespace tg::store
