#include "daemon/store/wal_vfs.h"

#include <sqlite3.h>

#include <cstring>

namespace tg::store {
namespace {

constexpr int kCapacity = 128 << 10;

// Lies in memory of SQLite's, in front of the platform's own file. The buffer does not: SQLite
// clears room for several files with each connection.
struct WalFile {
  sqlite3_file base;
  char* buffer;
  sqlite3_int64 offset;  // where in the file the buffer begins
  int size;

  sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  const sqlite3_io_methods& own() { return *file()->pMethods; }

  int flush() {
    if (size == 0) return SQLITE_OK;
    const int gathered = size;
    size = 0;  // also when it fails: the transaction fails with it
    return own().xWrite(file(), buffer, gathered, offset);
  }
};

WalFile& wal(sqlite3_file* file) { return *reinterpret_cast<WalFile*>(file); }

template <class Call>
int flushed(sqlite3_file* file, Call call) {
  WalFile& self = wal(file);
  const int rc = self.flush();
  return rc == SQLITE_OK ? call(self) : rc;
}

int close_file(sqlite3_file* file) {
  WalFile& self = wal(file);
  const int written = self.flush();
  sqlite3_free(self.buffer);
  const int closed = self.own().xClose(self.file());
  return written == SQLITE_OK ? closed : written;
}

int read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  return flushed(file,
                 [&](WalFile& self) { return self.own().xRead(self.file(), to, size, offset); });
}

int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  WalFile& self = wal(file);
  if (offset != self.offset + self.size || size > kCapacity - self.size) {
    if (const int rc = self.flush(); rc != SQLITE_OK) return rc;
    self.offset = offset;
  }
  if (size > kCapacity) return self.own().xWrite(self.file(), from, size, offset);
  std::memcpy(self.buffer + self.size, from, static_cast<std::size_t>(size));
  self.size += size;
  return SQLITE_OK;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  return flushed(file, [&](WalFile& self) { return self.own().xTruncate(self.file(), size); });
}

int sync(sqlite3_file* file, int flags) {
  return flushed(file, [&](WalFile& self) { return self.own().xSync(self.file(), flags); });
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return flushed(file, [&](WalFile& self) { return self.own().xFileSize(self.file(), size); });
}

int lock(sqlite3_file* file, int level) {
  return flushed(file, [&](WalFile& self) { return self.own().xLock(self.file(), level); });
}

int unlock(sqlite3_file* file, int level) {
  return flushed(file, [&](WalFile& self) { return self.own().xUnlock(self.file(), level); });
}

int check_reserved_lock(sqlite3_file* file, int* result) {
  return wal(file).own().xCheckReservedLock(wal(file).file(), result);
}

int control(sqlite3_file* file, int operation, void* argument) {
  return flushed(file, [&](WalFile& self) {
    return self.own().xFileControl(self.file(), operation, argument);
  });
}

int sector_size(sqlite3_file* file) { return wal(file).own().xSectorSize(wal(file).file()); }

int characteristics(sqlite3_file* file) {
  return wal(file).own().xDeviceCharacteristics(wal(file).file());
}

constexpr sqlite3_io_methods make_methods() {
  sqlite3_io_methods methods{};
  methods.iVersion = 1;  // a WAL has no shared memory and is not mapped
  methods.xClose = close_file;
  methods.xRead = read;
  methods.xWrite = write;
  methods.xTruncate = truncate;
  methods.xSync = sync;
  methods.xFileSize = file_size;
  methods.xLock = lock;
  methods.xUnlock = unlock;
  methods.xCheckReservedLock = check_reserved_lock;
  methods.xFileControl = control;
  methods.xSectorSize = sector_size;
  methods.xDeviceCharacteristics = characteristics;
  return methods;
}

constexpr sqlite3_io_methods kMethods = make_methods();

// The platform's methods know their VFS by its other fields: a copy serves them as well.
struct Vfs : sqlite3_vfs {
  explicit Vfs(sqlite3_vfs* platform) : sqlite3_vfs(*platform), platform_open(platform->xOpen) {
    zName = "tidegate-wal";
    pNext = nullptr;
    szOsFile += static_cast<int>(sizeof(WalFile));
    xOpen = open;
  }

  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* opened) {
    const auto platform_open = static_cast<Vfs*>(vfs)->platform_open;
    if ((flags & SQLITE_OPEN_WAL) == 0) return platform_open(vfs, name, file, flags, opened);
    WalFile& self = wal(file);
    self = {};
    self.buffer = static_cast<char*>(sqlite3_malloc(kCapacity));
    if (self.buffer == nullptr) return SQLITE_NOMEM;
    const int rc = platform_open(vfs, name, self.file(), flags, opened);
    if (rc != SQLITE_OK) {  // then SQLite does not close it
      sqlite3_free(self.buffer);
      return rc;
    }
    self.base.pMethods = &kMethods;
    return SQLITE_OK;
  }

  decltype(sqlite3_vfs::xOpen) platform_open;
};

}  // namespace

const char* wal_vfs() {
  static Vfs vfs(sqlite3_vfs_find(nullptr));
  static const int rc = sqlite3_vfs_register(&vfs, 0);
  return rc == SQLITE_OK ? vfs.zName : nullptr;
}

}  // namespace tg::store
