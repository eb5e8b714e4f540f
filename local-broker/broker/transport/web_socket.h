// A WebSocket's state on one channel: the request while it comes in, then the frames each way.
// channel_web.cpp does the reading and writing.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "local-broker/broker/transport/web_frames.h"

namespace tg::broker {

struct WebSocket {
  explicit WebSocket(const std::vector<std::string>& allowed) : origins(&allowed) {}

  const std::vector<std::string>* origins;  // the listener's
  std::string input;                        // the request; then what came along with it
  bool is_open = false;
  FrameReader reader;

  std::string control;  // goes out before the next frame begins: the answer, a pong
  std::array<char, kMaxFrameHeader> header{};
  std::uint8_t header_size = 0;
  std::uint8_t header_left = 0;  // of it, not sent yet
  std::uint64_t frame_left = 0;  // of the frame that is on its way out
};

}  // namespace tg::broker
