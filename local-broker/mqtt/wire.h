// The primitive fields of MQTT: big-endian integers, length-prefixed strings, variable integers.
// The reader never passes its end: the first field that does sets failed(), and zeros follow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tg::mqtt {

inline constexpr std::uint32_t kMaxVariableInteger = 268'435'455;

class WireReader {
 public:
  explicit WireReader(std::string_view data) : data_(data) {}

  std::uint8_t u8() {
    const auto bytes = take(1);
    return bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[0]);
  }
  std::uint16_t u16() {
    const auto bytes = take(2);
    if (bytes.empty()) return 0;
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[0]) << 8U |
                                      static_cast<std::uint8_t>(bytes[1]));
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16U | u16();
  }
  // Two bytes of length, then that many bytes.
  std::string_view string() {
    const std::size_t length = u16();
    return take(length);
  }
  std::string_view bytes(std::size_t count) { return take(count); }
  std::uint32_t variable_integer();
  std::string_view rest() { return take(data_.size()); }
  // What has not been read yet.
  [[nodiscard]] std::string_view remaining() const { return data_; }

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool at_end() const { return data_.empty(); }

 private:
  std::string_view take(std::size_t count) {
    if (count > data_.size()) {
      failed_ = true;
      data_ = {};
      return {};
    }
    const auto bytes = data_.substr(0, count);
    data_.remove_prefix(count);
    return bytes;
  }

  std::string_view data_;
  bool failed_ = false;
};

inline void put_u16(std::string& out, std::size_t value) {
  out.push_back(static_cast<char>(value >> 8U & 0xFFU));
  out.push_back(static_cast<char>(value & 0xFFU));
}
// At most 65,535 bytes.
void put_string(std::string& out, std::string_view value);
// At most kMaxVariableInteger.
void put_variable_integer(std::string& out, std::size_t value);

}  // namespace tg::mqtt
