// The frames of a WebSocket (RFC 6455, 5), server side. Pure: bytes in, bytes out.
//
// MQTT is a stream: where a frame or a message begins and ends means nothing to it [MQTT-6.0.0-2],
// so a frame's payload is passed on as it comes, whatever the frame's length.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tg::broker {

enum class FrameCode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

// Writes the header of one unmasked, final frame to the front of `to`, which has room for
// kMaxFrameHeader; returns its length.
inline constexpr std::size_t kMaxFrameHeader = 10;
std::size_t put_frame_header(char* to, FrameCode code, std::uint64_t size);

class FrameReader {
 public:
  enum class State : std::uint8_t { kOpen, kClosed, kMalformed };

  // Turns bytes from the peer into what its data frames carry, in place; returns how many bytes of
  // that stand at the front of `data`. What follows a close frame or a fault is thrown away.
  std::size_t read(std::span<char> data);
  [[nodiscard]] State state() const { return state_; }

  // The payload of the last ping that came; false when there was none since.
  [[nodiscard]] bool take_ping(std::string& payload);

 private:
  static constexpr std::size_t kMaxHeader = 14;
  static constexpr std::size_t kMaxControl = 125;

  [[nodiscard]] std::size_t header_size() const;
  void begin_frame();
  [[nodiscard]] bool is_sound(std::uint64_t size, std::size_t size_bytes) const;
  void unmask(const char* from, char* to, std::size_t count);
  void end_control();

  State state_ = State::kOpen;
  bool in_message_ = false;  // a fragment has come, and not the last one
  bool in_payload_ = false;
  bool has_ping_ = false;
  FrameCode code_ = FrameCode::kBinary;
  std::uint8_t header_count_ = 0;
  std::uint8_t control_count_ = 0;
  std::array<char, kMaxHeader> header_{};
  std::array<char, 4> mask_{};
  std::uint32_t mask_at_ = 0;
  std::uint64_t left_ = 0;  // of the payload
  std::array<char, kMaxControl> control_{};
  std::string ping_;
};

}  // namespace tg::broker
