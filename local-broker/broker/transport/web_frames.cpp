#include "local-broker/broker/transport/web_frames.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tg::broker {
namespace {

constexpr unsigned kFinal = 0x80;
constexpr unsigned kReserved = 0x70;
constexpr unsigned kMasked = 0x80;
constexpr unsigned kSize16 = 126;
constexpr unsigned kSize64 = 127;

bool is_control(FrameCode code) { return (static_cast<unsigned>(code) & 8U) != 0; }

unsigned byte_at(const char* bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

}  // namespace

std::size_t put_frame_header(char* to, FrameCode code, std::uint64_t size) {
  to[0] = static_cast<char>(kFinal | static_cast<unsigned>(code));
  if (size < kSize16) {
    to[1] = static_cast<char>(size);
    return 2;
  }
  const std::size_t bytes = size <= 0xFFFF ? 2 : 8;
  to[1] = static_cast<char>(bytes == 2 ? kSize16 : kSize64);
  for (std::size_t i = 0; i < bytes; ++i) {
    to[2 + i] = static_cast<char>(size >> (8 * (bytes - 1 - i)));
  }
  return 2 + bytes;
}

std::size_t FrameReader::header_size() const {
  if (header_count_ < 2) return 2;
  const unsigned size = byte_at(header_.data(), 1) & ~kMasked;
  return 2 + (size == kSize16 ? 2 : size == kSize64 ? 8 : 0) + mask_.size();
}

std::size_t FrameReader::read(std::span<char> data) {
  std::size_t at = 0;
  std::size_t out = 0;
  while (state_ == State::kOpen) {
    if (!in_payload_) {
      const std::size_t count =
          std::min<std::size_t>(header_size() - header_count_, data.size() - at);
      std::memcpy(header_.data() + header_count_, data.data() + at, count);
      header_count_ = static_cast<std::uint8_t>(header_count_ + count);
      at += count;
      if (header_count_ >= 2 && (byte_at(header_.data(), 1) & kMasked) == 0) {
        state_ = State::kMalformed;
        break;
      }
      if (header_count_ < header_size()) {
        if (at == data.size()) break;
        continue;  // its second byte has told how long it is
      }
      begin_frame();
      continue;
    }
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, data.size() - at));
    if (is_control(code_)) {
      unmask(data.data() + at, control_.data() + control_count_, count);
      control_count_ = static_cast<std::uint8_t>(control_count_ + count);
    } else {
      unmask(data.data() + at, data.data() + out, count);
      out += count;
    }
    at += count;
    left_ -= count;
    if (left_ > 0) break;
    in_payload_ = false;
    if (is_control(code_)) end_control();
  }
  return out;
}

void FrameReader::begin_frame() {
  const unsigned first = byte_at(header_.data(), 0);
  const unsigned second = byte_at(header_.data(), 1);
  const std::size_t size_bytes = header_count_ - 2 - mask_.size();
  std::uint64_t size = second & ~kMasked;
  if (size_bytes > 0) {
    size = 0;
    for (std::size_t i = 0; i < size_bytes; ++i) size = size << 8U | byte_at(header_.data(), 2 + i);
  }
  header_count_ = 0;
  code_ = static_cast<FrameCode>(first & 15U);
  if ((first & kReserved) != 0 || !is_sound(size, size_bytes)) {
    state_ = State::kMalformed;
    return;
  }
  if (!is_control(code_)) in_message_ = (first & kFinal) == 0;
  std::memcpy(mask_.data(), header_.data() + 2 + size_bytes, mask_.size());
  mask_at_ = 0;
  left_ = size;
  control_count_ = 0;
  in_payload_ = true;
}

bool FrameReader::is_sound(std::uint64_t size, std::size_t size_bytes) const {
  // As short as can be, and no negative number.
  if (size_bytes == 2 && size < kSize16) return false;
  if (size_bytes == 8 && (size <= 0xFFFF || size >> 63U != 0)) return false;
  switch (code_) {
    case FrameCode::kContinuation:
      return in_message_;
    case FrameCode::kBinary:
      return !in_message_;
    case FrameCode::kText:  // [MQTT-6.0.0-1]
      return false;
    case FrameCode::kClose:
    case FrameCode::kPing:
    case FrameCode::kPong:
      return size <= kMaxControl && (byte_at(header_.data(), 0) & kFinal) != 0;
  }
  return false;
}

void FrameReader::unmask(const char* from, char* to, std::size_t count) {
  std::array<char, 8> wide;
  for (std::size_t i = 0; i < wide.size(); ++i) wide[i] = mask_[(mask_at_ + i) & 3U];
  std::uint64_t mask = 0;
  std::memcpy(&mask, wide.data(), sizeof(mask));
  std::size_t i = 0;
  // `to` is at or before `from`: each word is read before anything is written over it.
  for (; i + sizeof(mask) <= count; i += sizeof(mask)) {
    std::uint64_t word = 0;
    std::memcpy(&word, from + i, sizeof(word));
    word ^= mask;
    std::memcpy(to + i, &word, sizeof(word));
  }
  for (; i < count; ++i) to[i] = static_cast<char>(from[i] ^ wide[i & 7U]);
  mask_at_ = (mask_at_ + static_cast<std::uint32_t>(count)) & 3U;
}

void FrameReader::end_control() {
  if (code_ == FrameCode::kClose) {
    state_ = State::kClosed;
  } else if (code_ == FrameCode::kPing) {
    ping_.assign(control_.data(), control_count_);
    has_ping_ = true;
  }
}

bool FrameReader::take_ping(std::string& payload) {
  if (!std::exchange(has_ping_, false)) return false;
  payload = std::exchange(ping_, {});
  return true;
}

}  // namespace tg::broker
