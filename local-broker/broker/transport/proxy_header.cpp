#include "local-broker/broker/transport/proxy_header.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace tg::broker {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t kFixed = 16;
constexpr std::size_t kMaxSize = 2048;

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

// Source address, destination address, source port, destination port.
std::optional<sockaddr_storage> source_of(unsigned family, std::string_view addresses) {
  sockaddr_storage source{};
  if (family == 1 && addresses.size() >= 12) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(source);
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, addresses.data(), 4);
    std::memcpy(&v4.sin_port, addresses.data() + 8, 2);
    return source;
  }
  if (family == 2 && addresses.size() >= 36) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(source);
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, addresses.data(), 16);
    std::memcpy(&v6.sin6_port, addresses.data() + 32, 2);
    return source;
  }
  return std::nullopt;
}

}  // namespace

ProxyHeader read_proxy_header(std::string_view bytes) {
  using State = ProxyHeader::State;
  const std::size_t known = std::min(bytes.size(), kSignature.size());
  if (bytes.substr(0, known) != kSignature.substr(0, known)) return {State::kMalformed, 0, {}};
  if (bytes.size() < kFixed) return {State::kPartial, kFixed, {}};
  const unsigned version_command = byte_at(bytes, 12);
  const unsigned family = byte_at(bytes, 13) >> 4U;
  const std::size_t size = kFixed + (byte_at(bytes, 14) << 8U | byte_at(bytes, 15));
  const unsigned command = version_command & 15U;
  if (version_command >> 4U != 2 || command > 1 || family > 3 || size > kMaxSize) {
    return {State::kMalformed, 0, {}};
  }
  if (bytes.size() < size) return {State::kPartial, size, {}};
  if (command == 0) return {State::kComplete, size, {}};
  const auto source = source_of(family, bytes.substr(kFixed, size - kFixed));
  const bool is_short = (family == 1 || family == 2) && !source;
  return {is_short ? State::kMalformed : State::kComplete, size, source};
}

}  // namespace tg::broker
