#include "local-broker/broker/transport/poller.h"

#include <sys/eventfd.h>

#include "daemon/base/assert.h"

namespace tg::broker {
namespace {

epoll_event every_event(void* owner) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = owner;
  return event;
}

}  // namespace

Poller::Poller()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  TG_ASSERT(epoll_.is_open() && wake_.is_open());
  epoll_event event{};
  event.events = EPOLLIN;
  TG_ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) == 0);
}

bool Poller::add(int fd, void* owner) {
  epoll_event event = every_event(owner);
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Poller::pass_on(int fd, void* owner) {
  epoll_event event = every_event(owner);
  TG_ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

std::span<const epoll_event> Poller::wait(int timeout_ms) {
  const int count =
      ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), timeout_ms);
  return {events_.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
}

void Poller::wake() {
  if (woken_) return;
  woken_ = true;
  ::eventfd_write(wake_.get(), 1);
}

void Poller::clear_wake() {
  if (!woken_) return;
  woken_ = false;
  eventfd_t count = 0;
  ::eventfd_read(wake_.get(), &count);
}

}  // namespace tg::broker
