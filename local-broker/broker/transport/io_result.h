// What came of one read or write on a byte stream.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tg::broker {

enum class IoState : std::uint8_t {
  kOk,
  kBlocked,
  kClosed,
  kMalformed,  // the peer's framing is broken
};

struct IoResult {
  IoState state = IoState::kOk;
  std::size_t bytes = 0;
  bool drained = false;  // of a read: there is no more before the next edge
};

}  // namespace tg::broker
