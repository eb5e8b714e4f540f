// What `top -H` and debuggers call the calling thread: at most 15 bytes, the rest is cut off.
#pragma once

#include <pthread.h>

#include <string>

namespace tg {

inline void name_thread(const std::string& name) {
  static_cast<void>(::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str()));
}

}  // namespace tg
