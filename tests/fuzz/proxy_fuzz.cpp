// The PROXY header, version 2: what is read of it does not change when more follows, and a part of
// it says how much more it needs.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "local-broker/broker/transport/proxy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using State = tg::broker::ProxyHeader::State;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto whole = tg::broker::read_proxy_header(input);
  if (whole.state == State::kComplete && whole.size > size) std::abort();
  if (whole.state == State::kPartial && whole.size <= size) std::abort();
  if (whole.state != State::kComplete) return 0;
  for (std::size_t part = 0; part < whole.size; ++part) {
    const auto read = tg::broker::read_proxy_header(input.substr(0, part));
    if (read.state != State::kPartial || read.size <= part || read.size > whole.size) std::abort();
  }
  return 0;
}
