// Preload: getaddrinfo of a name (not of an address) takes SLOW_GETADDRINFO_MS longer, as with a
// resolver that does not answer. A line in SLOW_GETADDRINFO_LOG, if set, for each such call.
// While the file FAIL_GETADDRINFO_WHILE exists it fails at once, as with a resolver out of reach.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_address(const char* node) {
  struct in6_addr address;
  return inet_pton(AF_INET, node, &address) == 1 || inet_pton(AF_INET6, node, &address) == 1;
}

static void note(const char* node) {
  const char* path = getenv("SLOW_GETADDRINFO_LOG");
  char line[300];
  const int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;
  if (fd < 0) return;
  const int length = snprintf(line, sizeof line, "%.250s\n", node);
  if (write(fd, line, (size_t)length) != length) abort();
  close(fd);
}

int getaddrinfo(const char* node, const char* service, const struct addrinfo* hints,
                struct addrinfo** result) {
  typedef int (*Function)(const char*, const char*, const struct addrinfo*, struct addrinfo**);
  const Function real = (Function)dlsym(RTLD_NEXT, "getaddrinfo");
  const char* delay = getenv("SLOW_GETADDRINFO_MS");
  const char* failing = getenv("FAIL_GETADDRINFO_WHILE");
  if (node && delay && !is_address(node)) {
    note(node);
    usleep((useconds_t)atoi(delay) * 1000);
  }
  if (node && failing && !is_address(node) && access(failing, F_OK) == 0) return EAI_AGAIN;
  return real(node, service, hints, result);
}
