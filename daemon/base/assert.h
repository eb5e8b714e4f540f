// TG_ASSERT: a programmer's error, checked in release builds too. Never for what comes from
// outside.
#pragma once

namespace tg {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace tg

#define TG_ASSERT(expression)                           \
  (static_cast<bool>(expression) ? static_cast<void>(0) \
                                 : ::tg::assertion_failed(#expression, __FILE__, __LINE__))
