// Preload: lets calls on the files below FAIL_IO_DIR fail or take long, as the file FAIL_IO_PLAN
// says at that moment (tests/system/faults.py writes it; without the file nothing fails):
//
//   plan := line*         line := what name errno | "slow" name milliseconds
//   what := "write" (write, pwrite, truncate, allocate) | "sync" | "open" (for writing)
//   name := end of the file's name, or "*"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kMaxFds = 4096 };

static char* paths[kMaxFds];
static const char* root;
static const char* plan;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
  root = getenv("FAIL_IO_DIR");
  plan = getenv("FAIL_IO_PLAN");
}

static int tracked(const char* path) {
  return root && plan && path && strncmp(path, root, strlen(root)) == 0;
}

static const char* path_of(int fd) { return fd >= 0 && fd < kMaxFds ? paths[fd] : NULL; }

static int ends_with(const char* path, const char* end) {
  const size_t length = strlen(path);
  const size_t tail = strlen(end);
  return strcmp(end, "*") == 0 || (length >= tail && strcmp(path + length - tail, end) == 0);
}

// The number that the plan has for this, or 0.
static int planned(const char* what, const char* path) {
  char text[512];
  const int fd = REAL(open64)(plan, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t size = read(fd, text, sizeof text - 1);
  REAL(close)(fd);
  text[size > 0 ? size : 0] = '\0';
  char* rest = NULL;
  for (char* line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    char kind[16];
    char name[128];
    int number = 0;
    if (sscanf(line, "%15s %127s %d", kind, name, &number) != 3) continue;
    if (strcmp(kind, what) == 0 && ends_with(path, name)) return number;
  }
  return 0;
}

// True when the call is to fail; errno is set.
static int fails(const char* what, const char* path) {
  const int error = path ? planned(what, path) : 0;
  if (error) errno = error;
  return error != 0;
}

static int opened(int fd, const char* path) {
  if (fd < 0 || fd >= kMaxFds) return fd;
  free(paths[fd]);
  paths[fd] = tracked(path) ? strdup(path) : NULL;
  return fd;
}

#define OPEN(name)                                                                          \
  int name(const char* path, int flags, ...) {                                              \
    va_list arguments;                                                                      \
    va_start(arguments, flags);                                                             \
    const mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                    \
    va_end(arguments);                                                                      \
    if ((flags & O_ACCMODE) != O_RDONLY && tracked(path) && fails("open", path)) return -1; \
    return opened(REAL(name)(path, flags, mode), path);                                     \
  }
OPEN(open)
OPEN(open64)

int close(int fd) {
  if (path_of(fd)) {
    free(paths[fd]);
    paths[fd] = NULL;
  }
  return REAL(close)(fd);
}

#define WRITES(type, name, parameters, arguments) \
  type name parameters {                          \
    if (fails("write", path_of(fd))) return -1;   \
    return REAL(name) arguments;                  \
  }
WRITES(ssize_t, write, (int fd, const void* data, size_t length), (fd, data, length))
WRITES(ssize_t, pwrite, (int fd, const void* data, size_t length, off_t at), (fd, data, length, at))
WRITES(ssize_t, pwrite64, (int fd, const void* data, size_t length, off64_t at),
       (fd, data, length, at))
WRITES(int, ftruncate, (int fd, off_t size), (fd, size))
WRITES(int, ftruncate64, (int fd, off64_t size), (fd, size))

int posix_fallocate(int fd, off_t offset, off_t length) {
  return fails("write", path_of(fd)) ? errno : REAL(posix_fallocate)(fd, offset, length);
}
int posix_fallocate64(int fd, off64_t offset, off64_t length) {
  return fails("write", path_of(fd)) ? errno : REAL(posix_fallocate64)(fd, offset, length);
}

static int slow_or_failed(int fd) {
  const char* path = path_of(fd);
  if (!path) return 0;
  const int slow = planned("slow", path);
  if (slow > 0) usleep((useconds_t)slow * 1000);
  return fails("sync", path);
}

int fsync(int fd) { return slow_or_failed(fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return slow_or_failed(fd) ? -1 : REAL(fdatasync)(fd); }
