// The small MQTT client, over WebSocket.
#pragma once

#include "tests/unit/local-broker/broker/test_client.h"

namespace tg::broker::test {

// A client's frame, masked.
inline std::string frame(int opcode, const std::string& payload, bool final = true) {
  constexpr char kMask[] = {'\x37', '\xfa', '\x21', '\x3d'};
  std::string out(1, static_cast<char>(opcode | (final ? 0x80 : 0)));
  const std::size_t size = payload.size();
  if (size < 126) {
    out += static_cast<char>(0x80 | size);
  } else if (size <= 0xFFFF) {
    out += static_cast<char>(0x80 | 126);
    out += number(static_cast<int>(size));
  } else {
    out += static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
  }
  out.append(kMask, sizeof(kMask));
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(payload[i] ^ kMask[i % 4]);
  return out;
}

class WebClient : public Client {
 public:
  using Client::Client;

  // The status of the answer.
  int upgrade(const std::string& fields = "") {
    raw_send(
        "GET /mqtt HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: mqtt\r\n" +
        fields + "\r\n");
    raw_read();
    const std::size_t end = raw_.find("\r\n\r\n");
    if (end == std::string::npos) return 0;
    const int status = std::stoi(raw_.substr(9));
    raw_.erase(0, status == 101 ? end + 4 : raw_.size());
    return status;
  }
  // Bytes as they are, before any framing.
  void raw_send(const std::string& bytes) {
    Client::transmit(bytes.data(), bytes.size());
    run();
  }
  // The next frame that is no data, as opcode and payload; opcode 0 = none.
  std::pair<int, std::string> control() {
    char nothing[1];
    fetch(nothing, 0);
    if (controls_.empty()) return {};
    auto first = controls_.front();
    controls_.pop_front();
    return first;
  }
  int data_frames = 0;
  std::size_t piece = 0;  // 0: a frame a packet, else frames of this size

 protected:
  ssize_t transmit(const char* data, std::size_t size) override {
    std::string out;
    const std::size_t step = piece == 0 ? size : piece;
    for (std::size_t at = 0; at < size; at += step) {
      out += frame(2, std::string(data + at, std::min(step, size - at)));
    }
    for (std::size_t at = 0; at < out.size();) {
      const ssize_t sent = Client::transmit(out.data() + at, out.size() - at);
      if (sent < 0 && errno != EAGAIN) return -1;
      if (sent > 0) at += static_cast<std::size_t>(sent);
      run();
      raw_read();
    }
    return static_cast<ssize_t>(size);
  }
  ssize_t fetch(char* data, std::size_t size) override {
    raw_read();
    while (take_frame()) {
    }
    if (payload_.empty()) {
      errno = EAGAIN;
      return closed_ ? 0 : -1;
    }
    const std::size_t count = std::min(size, payload_.size());
    payload_.copy(data, count);
    payload_.erase(0, count);
    return static_cast<ssize_t>(count);
  }

 private:
  void raw_read() {
    char buffer[65536];
    for (;;) {
      run();
      const ssize_t got = Client::fetch(buffer, sizeof(buffer));
      if (got == 0 || (got < 0 && errno != EAGAIN)) closed_ = true;
      if (got <= 0) return;
      raw_.append(buffer, static_cast<std::size_t>(got));
    }
  }
  // The server's frames: unmasked, final.
  bool take_frame() {
    if (raw_.size() < 2) return false;
    const auto byte = [this](std::size_t at) { return static_cast<std::uint8_t>(raw_[at]); };
    std::size_t size = byte(1);
    std::size_t at = 2;
    REQUIRE(size <= 127);
    const std::size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (raw_.size() < at + more) return false;
    if (more > 0) size = 0;
    for (std::size_t i = 0; i < more; ++i) size = size << 8 | byte(at++);
    if (raw_.size() < at + size) return false;
    REQUIRE((byte(0) & 0x80) != 0);
    const int opcode = byte(0) & 15;
    if (opcode == 2) {
      ++data_frames;
      payload_ += raw_.substr(at, size);
    } else {
      controls_.emplace_back(opcode, raw_.substr(at, size));
    }
    raw_.erase(0, at + size);
    return true;
  }

  std::string raw_;
  std::string payload_;
  std::deque<std::pair<int, std::string>> controls_;
  bool closed_ = false;
};

}  // namespace tg::broker::test
