// Preload: writes down every change to the files below KEEP_SYNCED_DIR, so that after a kill -9 the
// folder can be made anew as a power cut would have left it (tests/system/power.py). For machines
// where no file system can be mounted and shut down.
//
//   log   := entry*                                   file KEEP_SYNCED_LOG, native byte order
//   entry := op:u8 path_length:u16 offset:u64 length:u64 path data
//   op    := 'W' write data at offset     'T' truncate to length     'A' allocate up to length
//            'U' unlink                   'R' rename, data = the new path and a zero
//            'S' sync: what was logged of the path before the log's byte `offset` is on the disk
//
// fsync and fdatasync are logged and not done. A shared writable mapping (but SQLite's -shm, which
// is no data) and calls this file does not know end the process: a test must not pass for their
// sake.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum { kMaxFds = 4096 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char* paths[kMaxFds];  // of the tracked descriptors
static int log_fd = -1;
static uint64_t log_size;
static const char* root;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void die(const char* what) {
  (void)!write(2, "keep_synced: ", 13);
  (void)!write(2, what, strlen(what));
  (void)!write(2, "\n", 1);
  abort();
}

__attribute__((constructor)) static void begin(void) {
  const char* path = getenv("KEEP_SYNCED_LOG");
  root = getenv("KEEP_SYNCED_DIR");
  if (!path || !root) return;
  log_fd = REAL(open64)(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) die("cannot open the log");
}

// The path's place below the root ("" for the root itself), or NULL when it is not tracked.
static const char* tracked(const char* path) {
  const size_t length = root ? strlen(root) : 0;
  if (log_fd < 0 || strncmp(path, root, length) != 0) return NULL;
  if (path[length] == '\0') return path + length;
  if (path[length] != '/') return NULL;
  const size_t rest = strlen(path + length + 1);
  if (rest >= 4 && strcmp(path + length + 1 + rest - 4, "-shm") == 0) return NULL;
  return path + length + 1;
}

static const char* path_of(int fd) { return fd >= 0 && fd < kMaxFds ? paths[fd] : NULL; }

static void note(char op, const char* path, uint64_t offset, uint64_t length, const void* data,
                 size_t data_length) {
  char head[19];
  const uint16_t path_length = (uint16_t)strlen(path);
  head[0] = op;
  memcpy(head + 1, &path_length, 2);
  memcpy(head + 3, &offset, 8);
  memcpy(head + 11, &length, 8);
  const struct iovec parts[] = {
      {head, sizeof head}, {(void*)path, path_length}, {(void*)data, data_length}};
  const size_t total = sizeof head + path_length + data_length;
  pthread_mutex_lock(&mutex);
  if (REAL(writev)(log_fd, parts, 3) != (ssize_t)total) die("cannot write the log");
  log_size += total;
  pthread_mutex_unlock(&mutex);
}

static int opened(int fd, const char* path, int flags) {
  const char* place = tracked(path);
  if (fd < 0 || !place) return fd;
  if (fd >= kMaxFds) die("too many open files");
  if (flags & O_TRUNC) note('T', place, 0, 0, NULL, 0);
  if (flags & O_CREAT) note('A', place, 0, 0, NULL, 0);
  free(paths[fd]);
  paths[fd] = strdup(place);
  return fd;
}

#define OPEN(name)                                                       \
  int name(const char* path, int flags, ...) {                           \
    va_list arguments;                                                   \
    va_start(arguments, flags);                                          \
    const mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0; \
    va_end(arguments);                                                   \
    return opened(REAL(name)(path, flags, mode), path, flags);           \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                     \
  int name(int folder, const char* path, int flags, ...) {               \
    va_list arguments;                                                   \
    va_start(arguments, flags);                                          \
    const mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0; \
    va_end(arguments);                                                   \
    return opened(REAL(name)(folder, path, flags, mode), path, flags);   \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
  if (path_of(fd)) {
    free(paths[fd]);
    paths[fd] = NULL;
  }
  return REAL(close)(fd);
}

static void note_write(int fd, const void* data, size_t length, off64_t offset) {
  if (path_of(fd)) note('W', path_of(fd), (uint64_t)offset, length, data, length);
}

ssize_t write(int fd, const void* data, size_t length) {
  if (path_of(fd)) {
    if (fcntl(fd, F_GETFL) & O_APPEND) die("write to a file opened with O_APPEND");
    note_write(fd, data, length, lseek64(fd, 0, SEEK_CUR));
  }
  return REAL(write)(fd, data, length);
}

ssize_t pwrite(int fd, const void* data, size_t length, off_t offset) {
  note_write(fd, data, length, offset);
  return REAL(pwrite)(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void* data, size_t length, off64_t offset) {
  note_write(fd, data, length, offset);
  return REAL(pwrite64)(fd, data, length, offset);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  if (path_of(fd)) die("writev");
  return REAL(writev)(fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec* parts, int count, off_t offset) {
  if (path_of(fd)) die("pwritev");
  return REAL(pwritev)(fd, parts, count, offset);
}

static void note_size(int fd, char op, off64_t size) {
  if (path_of(fd)) note(op, path_of(fd), 0, (uint64_t)size, NULL, 0);
}

int ftruncate(int fd, off_t size) {
  note_size(fd, 'T', size);
  return REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size) {
  note_size(fd, 'T', size);
  return REAL(ftruncate64)(fd, size);
}

int truncate(const char* path, off_t size) {
  if (tracked(path)) note('T', tracked(path), 0, (uint64_t)size, NULL, 0);
  return REAL(truncate)(path, size);
}

int posix_fallocate(int fd, off_t offset, off_t length) {
  note_size(fd, 'A', offset + length);
  return REAL(posix_fallocate)(fd, offset, length);
}

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
  note_size(fd, 'A', offset + length);
  return REAL(posix_fallocate64)(fd, offset, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
  if (path_of(fd) && mode != 0 && mode != FALLOC_FL_KEEP_SIZE) die("fallocate");
  if (mode == 0) note_size(fd, 'A', offset + length);
  return REAL(fallocate)(fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  if (path_of(fd) && mode != 0 && mode != FALLOC_FL_KEEP_SIZE) die("fallocate64");
  if (mode == 0) note_size(fd, 'A', offset + length);
  return REAL(fallocate64)(fd, mode, offset, length);
}

static uint64_t logged(void) {
  pthread_mutex_lock(&mutex);
  const uint64_t size = log_size;
  pthread_mutex_unlock(&mutex);
  return size;
}

// A write that another thread makes meanwhile is not covered: hence the log's size first, and a
// moment like a disk's for such writes to happen.
static int synced(int fd) {
  const uint64_t covered = logged();
  usleep(200);
  note('S', path_of(fd), covered, 0, NULL, 0);
  return 0;
}

int fsync(int fd) { return path_of(fd) ? synced(fd) : REAL(fsync)(fd); }
int fdatasync(int fd) { return path_of(fd) ? synced(fd) : REAL(fdatasync)(fd); }

int unlink(const char* path) {
  if (tracked(path)) note('U', tracked(path), 0, 0, NULL, 0);
  return REAL(unlink)(path);
}

int remove(const char* path) {
  if (tracked(path)) note('U', tracked(path), 0, 0, NULL, 0);
  return REAL(remove)(path);
}

int rename(const char* from, const char* to) {
  if (tracked(from) && tracked(to)) {
    note('R', tracked(from), 0, 0, tracked(to), strlen(tracked(to)) + 1);
  } else if (tracked(from) || tracked(to)) {
    die("rename in or out of the folder");
  }
  return REAL(rename)(from, to);
}

static void refuse_mapping(int fd, int protection, int flags) {
  if ((protection & PROT_WRITE) && (flags & MAP_SHARED) && path_of(fd)) die("writable mapping");
}

void* mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  refuse_mapping(fd, protection, flags);
  return REAL(mmap)(address, length, protection, flags, fd, offset);
}

void* mmap64(void* address, size_t length, int protection, int flags, int fd, off64_t offset) {
  refuse_mapping(fd, protection, flags);
  return REAL(mmap64)(address, length, protection, flags, fd, offset);
}
