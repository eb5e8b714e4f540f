#include "daemon/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace tg {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "<2>assertion failed: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace tg
