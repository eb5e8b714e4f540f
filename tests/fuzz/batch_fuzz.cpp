// What devices publish, in what the cloud gets: "size of the topic, topic, payload". Every batch is
// one valid document of its format, and a payload that is JSON stands in it as the same value.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "daemon/uplink/batch.h"
#include "daemon/uplink/json_text.h"

namespace {

using nlohmann::json;
using tg::uplink::BatchBuilder;
using tg::uplink::Format;

void require(bool holds) {
  if (!holds) std::abort();
}

std::string batch_of(Format format, const tg::store::Record& record) {
  BatchBuilder builder(format, tg::uplink::Compression::kNone, {"gw", "s", "0"}, {});
  require(builder.add(1, record) == BatchBuilder::Added::kYes);
  require(builder.add(2, record) != BatchBuilder::Added::kTooLarge);
  return builder.take().payload;
}

void compare(const json& item, const tg::store::Record& record) {
  if (tg::uplink::is_json(record.payload)) {
    require(item["payload"] == json::parse(record.payload));
  } else {
    require(item["payload"].size() == 1 && item["payload"].contains("base64"));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t topic_size = std::min<std::size_t>(data[0], size - 1);
  tg::store::Record record;
  record.topic = input.substr(1, topic_size);
  record.publisher = record.topic;
  record.payload = input.substr(1 + topic_size);

  const json document = json::parse(batch_of(Format::kJson, record));
  for (const json& item : document["records"]) compare(item, record);
  const std::string lines = batch_of(Format::kJsonl, record);
  require(lines.ends_with('\n'));
  for (std::size_t from = 0; from < lines.size();) {
    const std::size_t end = lines.find('\n', from);
    compare(json::parse(lines.substr(from, end - from)), record);
    from = end + 1;
  }
  require(json::from_cbor(batch_of(Format::kCbor, record))["records"].size() == 2);
  return 0;
}
