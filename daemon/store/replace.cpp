#include "daemon/store/replace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "daemon/base/directory_lock.h"
#include "daemon/base/unique_fd.h"
#include "daemon/store/migrations.h"
#include "daemon/store/quarantine.h"
#include "daemon/store/schema.h"
#include "daemon/store/sqlite.h"

namespace tg::store {
namespace {

namespace fs = std::filesystem;

Error io_error(const fs::path& path, const std::string& what) {
  return {ErrorCode::kIo, fmt::format("{}: {}", path.string(), what)};
}

Result<void> sync(const fs::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.is_open() && ::fsync(fd.get()) == 0) return {};
  return tl::unexpected(io_error(path, std::strerror(errno)));
}

// The copy in the data directory; gone again unless it is kept.
class Staged {
 public:
  explicit Staged(const fs::path& data_dir) : file_(data_dir / "streams.db.restored") { clear(); }
  ~Staged() { clear(); }
  Staged(const Staged&) = delete;
  Staged& operator=(const Staged&) = delete;

  Result<void> copy(const fs::path& backup) const {
    std::error_code error;
    fs::copy_file(backup, file_, error);
    if (error) return tl::unexpected(io_error(backup, error.message()));
    return {};
  }
  // Checks it; it begins the epoch that comes back.
  Result<std::string> prepare(const fs::path& backup) const;
  Result<void> move_to(const fs::path& file) const {
    std::error_code error;
    fs::rename(file_, file, error);
    if (error) return tl::unexpected(io_error(file, error.message()));
    return sync(file.parent_path());
  }

 private:
  void clear() const {
    std::error_code error;
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
      fs::remove(file_.string() + suffix, error);
    }
  }

  const fs::path file_;
};

Result<void> check(Database& database) {
  const auto tables = database.query_integer(
      "SELECT count(*) FROM sqlite_master WHERE name IN ('meta', 'stream', 'reader')");
  if (!tables) return tl::unexpected(tables.error());
  if (*tables != 3) return fail(ErrorCode::kInvalid, "it is not a store of Tidegate");
  auto pragma = database.prepare("PRAGMA integrity_check(1)");
  if (!pragma) return tl::unexpected(pragma.error());
  const auto row = pragma->step();
  if (!row) return tl::unexpected(row.error());
  if (pragma->text(0) == "ok") return {};
  return fail(ErrorCode::kCorrupt, fmt::format("it is damaged: {}", std::string(pragma->text(0))));
}

Result<std::string> begin_epoch(Database& database) {
  // Without the note the next opening would look for a WAL, and miss it.
  if (auto done = database.exec("BEGIN IMMEDIATE; DELETE FROM meta WHERE key = 'wal'"); !done) {
    return tl::unexpected(done.error());
  }
  auto epoch = renew_epoch(database);
  if (!epoch) return epoch;
  if (auto done = database.exec("COMMIT"); !done) return tl::unexpected(done.error());
  return epoch;
}

Result<std::string> open_and_check(const fs::path& file) {
  // One file, also if the backup came with the mark of a WAL.
  auto database = Database::open(file, Database::Mode::kSingleFile);
  if (!database) return tl::unexpected(database.error());
  if (auto done = database->exec("PRAGMA journal_mode=DELETE"); !done) {
    return tl::unexpected(done.error());
  }
  if (auto done = check(*database); !done) return tl::unexpected(done.error());
  if (auto done = check_version(file); !done) return tl::unexpected(done.error());
  return begin_epoch(*database);
}

Result<std::string> Staged::prepare(const fs::path& backup) const {
  auto epoch = open_and_check(file_);
  if (!epoch) {
    return fail(epoch.error().code, fmt::format("{}: {}", backup.string(), epoch.error().message));
  }
  if (auto done = sync(file_); !done) return tl::unexpected(done.error());
  return epoch;
}

// To whom the data directory belongs: the daemon need not be who runs this.
void hand_over(const fs::path& path, const fs::path& data_dir) {
  struct stat owner {};
  if (::stat(data_dir.c_str(), &owner) != 0) return;
  if (owner.st_uid != ::geteuid()) (void)!::lchown(path.c_str(), owner.st_uid, owner.st_gid);
}

Result<fs::path> put_aside(const fs::path& file, std::int64_t wall_ms) {
  std::error_code error;
  if (!fs::exists(file, error)) return fs::path();
  auto set = quarantine(file, wall_ms);
  if (!set) return set;
  hand_over(set->parent_path(), file.parent_path());
  hand_over(*set, file.parent_path());
  return set;
}

}  // namespace

Result<Replaced> replace_database(const fs::path& data_dir, const fs::path& backup,
                                  std::int64_t wall_ms) {
  std::error_code error;
  if (!fs::is_directory(data_dir, error)) {
    return fail(ErrorCode::kNotFound, fmt::format("{} is no directory", data_dir.string()));
  }
  const fs::path file = data_dir / "streams.db";
  const auto held = DirectoryLock::take(data_dir);
  if (!held) return tl::unexpected(held.error());
  if (const auto set = unsalvaged_set(data_dir)) {
    return fail(ErrorCode::kBusy,
                fmt::format("{} holds records of a damaged database: start the daemon, until the "
                            "status says salvaging: false",
                            set->string()));
  }
  const Staged staged(data_dir);
  if (auto done = staged.copy(backup); !done) return tl::unexpected(done.error());
  auto epoch = staged.prepare(backup);
  if (!epoch) return tl::unexpected(epoch.error());
  auto old = put_aside(file, wall_ms);
  if (!old) return tl::unexpected(old.error());
  if (auto done = staged.move_to(file); !done) return tl::unexpected(done.error());
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write, error);
  hand_over(file, data_dir);
  if (!old->empty()) {
    mark_salvaged(*old, "replaced by a backup");
    hand_over(*old / "salvaged", data_dir);
  }
  return Replaced{std::move(*epoch), std::move(*old)};
}

}  // namespace tg::store
