#include "local-broker/mqtt/wire.h"

#include "daemon/base/assert.h"

namespace tg::mqtt {

std::uint32_t WireReader::variable_integer() {
  std::uint32_t value = 0;
  for (unsigned shift = 0; shift < 28; shift += 7) {
    const std::uint8_t byte = u8();
    value |= static_cast<std::uint32_t>(byte & 0x7FU) << shift;
    if ((byte & 0x80U) == 0) return failed_ ? 0 : value;
  }
  failed_ = true;
  data_ = {};
  return 0;
}

void put_string(std::string& out, std::string_view value) {
  TG_ASSERT(value.size() <= 0xFFFF);
  put_u16(out, value.size());
  out.append(value);
}

void put_variable_integer(std::string& out, std::size_t value) {
  TG_ASSERT(value <= kMaxVariableInteger);
  do {
    const auto low = static_cast<std::uint8_t>(value & 0x7FU);
    value >>= 7U;
    out.push_back(static_cast<char>(value > 0 ? low | 0x80U : low));
  } while (value > 0);
}

}  // namespace tg::mqtt
