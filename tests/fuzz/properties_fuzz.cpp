// Property lists of MQTT 5: the first byte names the packet. A list that was found good can be
// walked to its end, and what is passed on of it is good in its turn and passes on as itself.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "local-broker/mqtt/properties.h"

namespace {

using tg::mqtt::Fault;

void require(bool holds) {
  if (!holds) std::abort();
}

void walk(std::string_view list) {
  tg::mqtt::PropertyCursor cursor(list);
  std::size_t walked = 0;
  for (tg::mqtt::PropertyCursor::Item item; cursor.next(item);) walked += item.bytes.size();
  require(walked == list.size());
}

void pass_on(std::string_view list) {
  std::string passed_on;
  tg::mqtt::append_passed_on(passed_on, list);
  require(passed_on.size() <= list.size());
  tg::mqtt::PublishProperties again;
  require(tg::mqtt::read_publish_properties(passed_on, again) == Fault::kNone);
  require(again.verbatim);
  std::string same;
  tg::mqtt::append_passed_on(same, passed_on);
  require(same == passed_on);
}

Fault read(unsigned packet, std::string_view list) {
  tg::mqtt::ConnectProperties connect;
  tg::mqtt::PublishProperties publish;
  std::uint32_t identifier = 0;
  std::optional<std::uint32_t> expiry_s;
  Fault fault = Fault::kNone;
  switch (packet) {
    case 0:
      return tg::mqtt::read_connect_properties(list, connect);
    case 1:
      fault = tg::mqtt::read_publish_properties(list, publish);
      break;
    case 2:
      fault = tg::mqtt::read_will_properties(list, publish);
      break;
    case 3:
      return tg::mqtt::read_subscribe_properties(list, identifier);
    case 4:
      return tg::mqtt::read_disconnect_properties(list, expiry_s);
    case 5:
      return tg::mqtt::check_unsubscribe_properties(list);
    default:
      return tg::mqtt::check_ack_properties(list);
  }
  if (fault == Fault::kNone) pass_on(list);
  return fault;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::vector<char> bytes(data + 1, data + size);
  const std::string_view list(bytes.data(), bytes.size());
  if (read(data[0] % 7U, list) == Fault::kNone) walk(list);
  return 0;
}
