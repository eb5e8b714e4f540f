// One epoll instance, edge-triggered, and the descriptor that makes it readable while there is work
// that no socket announces.
//
// A socket is registered once, for everything; closing it removes it.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

#include "daemon/base/unique_fd.h"

namespace tg::broker {

class Poller {
 public:
  Poller();

  // False when the kernel has no room for another one.
  [[nodiscard]] bool add(int fd, void* owner);
  // The socket's events go to another owner from now on.
  void pass_on(int fd, void* owner);
  // Up to 512 events; the wake-up descriptor's has a null owner. Valid until the next wait().
  [[nodiscard]] std::span<const epoll_event> wait(int timeout_ms);

  // fd() stays readable until clear_wake().
  void wake();
  void clear_wake();
  [[nodiscard]] int fd() const { return epoll_.get(); }

 private:
  UniqueFd epoll_;
  UniqueFd wake_;
  bool woken_ = false;
  std::array<epoll_event, 512> events_;
};

}  // namespace tg::broker
