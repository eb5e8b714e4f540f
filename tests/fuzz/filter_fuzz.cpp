// Topic filters: "filter\ntopic". The subscription tree and the retained tree must say the same as
// filter_matches().
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "local-broker/broker/retained.h"
#include "local-broker/broker/subscriptions.h"
#include "local-broker/mqtt/topic.h"

namespace {

bool tree_matches(std::string_view filter, std::string_view topic) {
  tg::broker::Sessions sessions;
  tg::broker::Subscriptions subscriptions;
  const tg::mqtt::FilterRequest request{filter, {}, 0};
  static_cast<void>(subscriptions.add(sessions.create("c"), request, 0, 1));
  std::size_t found = 0;
  subscriptions.match(
      topic, [&found](const tg::broker::Subscriber&) { ++found; },
      [](tg::broker::Subscriptions::GroupPlace, const tg::broker::SharedGroup&) {});
  if (found > 1) std::abort();
  return found == 1;
}

bool retained_matches(std::string_view filter, std::string_view topic) {
  tg::broker::Retained retained(1 << 20);
  retained.set(topic, tg::broker::MessageRef::make({topic, "x", {}, 0}));
  std::size_t found = 0;
  retained.match(filter, [&found](const tg::broker::MessageRef&) { ++found; });
  if (found > 1) std::abort();
  return found == 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos) return 0;
  const auto filter = input.substr(0, line);
  const auto topic = input.substr(line + 1);
  if (!tg::mqtt::is_valid_topic_filter(filter) || !tg::mqtt::is_valid_topic_name(topic)) return 0;
  const bool matches = tg::mqtt::filter_matches(filter, topic);
  if (tree_matches(filter, topic) != matches) std::abort();
  if (retained_matches(filter, topic) != matches) std::abort();
  return 0;
}
