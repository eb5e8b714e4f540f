// The decoder takes any bytes: a stream of packets, first byte = protocol version. What is decoded
// must lie inside the input, and a PUBLISH must encode back to what it was.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "local-broker/mqtt/decode.h"
#include "local-broker/mqtt/encode.h"

namespace {

using tg::mqtt::Fault;
using tg::mqtt::Frame;
using tg::mqtt::PacketType;
using tg::mqtt::Version;

void require(bool holds) {
  if (!holds) std::abort();
}

void publish_round_trip(Version version, const Frame& frame) {
  tg::mqtt::Publish publish;
  if (tg::mqtt::decode_publish(version, frame.flags, frame.body, publish) != Fault::kNone) return;
  std::string out;
  tg::mqtt::append_publish(out, version, publish);
  Frame again;
  Fault fault = Fault::kNone;
  require(tg::mqtt::split_frame(out, out.size(), again, fault) == tg::mqtt::FrameState::kComplete);
  tg::mqtt::Publish same;
  require(tg::mqtt::decode_publish(version, again.flags, again.body, same) == Fault::kNone);
  require(same.topic == publish.topic && same.payload == publish.payload &&
          same.properties == publish.properties && same.packet_id == publish.packet_id);
}

void decode(Version version, const Frame& frame) {
  tg::mqtt::FiltersHead head;
  tg::mqtt::Ack ack;
  tg::mqtt::Disconnect disconnect;
  std::vector<tg::mqtt::FilterRequest> filters;
  tg::mqtt::Connect connect;
  switch (frame.type) {
    case PacketType::kConnect:
      static_cast<void>(tg::mqtt::decode_connect(frame.body, connect));
      break;
    case PacketType::kPublish:
      publish_round_trip(version, frame);
      break;
    case PacketType::kSubscribe:
      static_cast<void>(tg::mqtt::decode_subscribe(version, frame, head, filters));
      break;
    case PacketType::kUnsubscribe:
      static_cast<void>(tg::mqtt::decode_unsubscribe(version, frame, head, filters));
      break;
    default:
      static_cast<void>(tg::mqtt::decode_ack(version, frame, ack));
      static_cast<void>(tg::mqtt::decode_empty(frame));
      static_cast<void>(tg::mqtt::decode_disconnect(version, frame, disconnect));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Version version = data[0] % 2 == 0 ? Version::k311 : Version::k5;
  // Exactly as large as the input, so that the sanitizer sees one byte too far.
  const std::vector<char> bytes(data + 1, data + size);
  std::string_view left(bytes.data(), bytes.size());
  Frame frame;
  Fault fault = Fault::kNone;
  while (tg::mqtt::split_frame(left, 64 * 1024, frame, fault) == tg::mqtt::FrameState::kComplete) {
    require(frame.size <= left.size());
    decode(version, frame);
    left.remove_prefix(frame.size);
  }
  return 0;
}
