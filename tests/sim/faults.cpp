#include "tests/sim/faults.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/sim/wire.h"

namespace tg::sim {
namespace {

constexpr std::size_t kMaxIntruders = 500;
constexpr std::int64_t kPatienceUs = 10'000'000;
constexpr std::int64_t kToleratedUs = 3'000'000;  // malformed, and still open after that
constexpr std::uint64_t kFloodSize = 1000;        // publishes
constexpr int kSlowReaderBuffer = 4096;
constexpr std::string_view kFloodTopic = "flood/of/things";

std::string connect(std::string_view client_id) {
  std::string out;
  wire::put_connect(out, client_id, 0, true);
  return out;
}

}  // namespace

std::uint32_t Pace::due(std::int64_t elapsed_us) {
  const auto wanted = static_cast<std::uint64_t>(static_cast<double>(elapsed_us) / 1e6 * rate_);
  const std::uint64_t due = wanted > done_ ? wanted - done_ : 0;
  done_ += due;
  return static_cast<std::uint32_t>(due);
}

std::string malformed_bytes(std::uint64_t kind, std::string_view client_id) {
  using namespace std::string_literals;
  switch (kind % kMalformedKinds) {
    case 0:  // another protocol
      return "GET / HTTP/1.1\r\nHost: gateway\r\n\r\n";
    case 1:  // no CONNECT first [MQTT-3.1.0-1]
      return "\x30\x05\x00\x01tx!"s;
    case 2:  // a protocol of another name [MQTT-3.1.2-1]
      return "\x10\x0d\x00\x04NQTT\x04\x02\x00\x00\x00\x01z"s;
    case 3:  // QoS 3 [MQTT-3.3.1-4]
      return connect(client_id) + "\x36\x07\x00\x01t\x00\x01xx"s;
    case 4:  // a length of five bytes
      return connect(client_id) + "\x30\xff\xff\xff\xff\x01"s;
    case 5:  // reserved flags of SUBSCRIBE [MQTT-3.8.1-1]
      return connect(client_id) + "\x80\x06\x00\x01\x00\x01t\x00"s;
    default:  // a second CONNECT [MQTT-3.1.0-2]
      return connect(client_id) + connect(client_id);
  }
}

Faults::Faults(const FaultOptions& options, const sockaddr_in& gateway, const TlsContext* tls)
    : options_(options),
      gateway_(gateway),
      tls_(tls),
      floods_(options.floods),
      malformed_(options.malformed) {}

void Faults::begin(std::int64_t now_us) {
  begin_us_ = now_us;
  for (std::uint32_t i = 0; i < options_.slow_readers; ++i) start(Kind::kSlowReader, now_us);
}

void Faults::step(std::int64_t now_us) {
  for (std::uint32_t i = floods_.due(now_us - begin_us_); i > 0; --i) start(Kind::kFlood, now_us);
  for (std::uint32_t i = malformed_.due(now_us - begin_us_); i > 0; --i) {
    start(Kind::kMalformed, now_us);
  }
  intruders_.erase(
      std::remove_if(intruders_.begin(), intruders_.end(),
                     [this, now_us](Intruder& intruder) { return !advance(intruder, now_us); }),
      intruders_.end());
}

void Faults::start(Kind kind, std::int64_t now_us) {
  if (intruders_.size() >= kMaxIntruders) return;
  Intruder intruder;
  intruder.kind = kind;
  const std::string id = fmt::format("intruder-{}", ++serial_);
  switch (kind) {
    case Kind::kFlood:
      intruder.out = connect(id);
      for (std::uint64_t i = 0; i < kFloodSize; ++i) {
        wire::put_publish(intruder.out, {kFloodTopic, "nobody waits for this", 0, false, 0});
      }
      ++counts_.floods;
      counts_.flooded += kFloodSize;
      intruder.give_up_us = now_us + kPatienceUs;
      break;
    case Kind::kMalformed:
      intruder.out = malformed_bytes(serial_, id);
      ++counts_.malformed;
      intruder.give_up_us = now_us + kToleratedUs;
      break;
    case Kind::kSlowReader:
      intruder.out = connect(id);
      wire::put_subscribe(intruder.out, 1, {{"#", 0}});
      ++counts_.slow_readers;
      break;
  }
  const int buffer = kind == Kind::kSlowReader ? kSlowReaderBuffer : 0;
  if (intruder.channel.open(gateway_, tls_, id, buffer)) intruders_.push_back(std::move(intruder));
}

bool Faults::advance(Intruder& intruder, std::int64_t now_us) {
  const auto progress = intruder.channel.establish();
  if (progress == Channel::Progress::kLost) return false;
  if (progress == Channel::Progress::kDone) {
    const ssize_t sent = intruder.channel.send(intruder.out);
    if (sent < 0) return false;
    intruder.out.erase(0, static_cast<std::size_t>(sent));
    if (intruder.kind == Kind::kSlowReader) return true;
    if (intruder.kind == Kind::kFlood && intruder.out.empty()) return false;
    char answer[512];
    if (intruder.channel.receive(answer, sizeof answer) < 0) return false;
  }
  if (now_us < intruder.give_up_us) return true;
  if (intruder.kind == Kind::kMalformed) ++counts_.tolerated;
  return false;
}

const FaultCounts& Faults::finish() {
  intruders_.clear();
  return counts_;
}

}  // namespace tg::sim
