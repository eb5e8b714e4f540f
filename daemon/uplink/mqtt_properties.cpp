#include "daemon/uplink/mqtt_properties.h"

#include <optional>

#include "local-broker/mqtt/properties.h"

namespace tg::uplink {

namespace {

using mqtt::Property;

// A string or binary data: two bytes of length, big-endian, before it.
std::optional<std::string_view> take_string(std::string_view& bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8 |
                           static_cast<unsigned char>(bytes[1]);
  bytes.remove_prefix(2);
  if (bytes.size() < size) return std::nullopt;
  const std::string_view text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return text;
}

}  // namespace

PublishProperties read_mqtt_properties(std::string_view bytes) {
  PublishProperties out;
  while (!bytes.empty()) {
    const auto property = static_cast<Property>(bytes.front());
    bytes.remove_prefix(1);
    if (property == Property::kPayloadFormat) {
      if (bytes.empty()) return out;
      out.payload_format = static_cast<std::uint8_t>(bytes.front());
      bytes.remove_prefix(1);
      continue;
    }
    const auto text = take_string(bytes);
    if (!text) return out;
    switch (property) {
      case Property::kContentType:
        out.content_type = *text;
        break;
      case Property::kResponseTopic:
        out.response_topic = *text;
        break;
      case Property::kCorrelationData:
        out.correlation_data = *text;
        break;
      case Property::kUserProperty: {
        const auto value = take_string(bytes);
        if (!value) return out;
        out.user.emplace_back(*text, *value);
        break;
      }
      default:
        return out;  // none that is passed on: its length is not known here
    }
  }
  return out;
}

std::string write_mqtt_properties(const PublishProperties& properties) {
  std::string out;
  if (properties.payload_format) {
    mqtt::put_property(out, Property::kPayloadFormat, *properties.payload_format);
  }
  const auto put = [&out](Property property, const std::string& text) {
    if (!text.empty()) mqtt::put_property(out, property, std::string_view(text));
  };
  put(Property::kContentType, properties.content_type);
  put(Property::kResponseTopic, properties.response_topic);
  put(Property::kCorrelationData, properties.correlation_data);
  for (const auto& [name, value] : properties.user) {
    mqtt::put_property(out, Property::kUserProperty, std::string_view(name));
    out += static_cast<char>(value.size() >> 8);
    out += static_cast<char>(value.size() & 0xFF);
    out += value;
  }
  return out;
}

}  // namespace tg::uplink
