// One peer's byte stream: a non-blocking socket. What TLS and WebSocket need lives behind these
// calls; the connection above sees bytes only.
//
// Edge-triggered: after kBlocked, or fewer bytes than asked for, the poller reports the next edge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "daemon/base/unique_fd.h"

namespace tg::broker {

enum class IoState : std::uint8_t { kOk, kBlocked, kClosed };

struct IoResult {
  IoState state = IoState::kOk;
  std::size_t bytes = 0;
};

class Channel {
 public:
  Channel() = default;
  explicit Channel(UniqueFd fd) : fd_(std::move(fd)) {}

  // kClosed: the peer has ended its side, or the connection broke.
  [[nodiscard]] IoResult receive(std::span<char> buffer);
  [[nodiscard]] IoResult send(std::string_view bytes);
  // Asks the kernel to find out when a silent peer has gone; for peers without a keep-alive.
  void probe_when_idle();
  // What was sent still arrives; nothing more is sent.
  void end_output();
  void close() { fd_.reset(); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool is_open() const { return fd_.is_open(); }

 private:
  UniqueFd fd_;
};

}  // namespace tg::broker
