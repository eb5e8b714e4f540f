// How work reaches the loop (T0) from another thread: a task is copied into the loop's queue and
// runs there, in order. The app makes one from its io_context; tests run tasks by hand.
#pragma once

#include <functional>

namespace tg {

using Task = std::function<void()>;
// Callable from any thread. Never runs the task before it returns.
using Post = std::function<void(Task)>;

}  // namespace tg
