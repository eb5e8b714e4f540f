#include "local-broker/broker/transport/web_frames.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/local-broker/broker/web_client.h"

using namespace tg::broker;
using tg::broker::test::frame;

namespace {

// What a reader makes of bytes that come in pieces of a size.
std::string read_all(FrameReader& reader, std::string bytes, std::size_t piece = 1 << 20) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const std::size_t size = std::min(piece, bytes.size() - at);
    const std::size_t got = reader.read({bytes.data() + at, size});
    out.append(bytes.data() + at, got);
  }
  return out;
}

}  // namespace

TEST_CASE("Frames of any length are taken apart, however they come in") {
  for (const std::size_t size : {0, 1, 125, 126, 127, 1000, 65'535, 65'536, 70'001}) {
    std::string payload;
    for (std::size_t i = 0; i < size; ++i) payload.push_back(static_cast<char>(i * 7));
    for (const std::size_t piece : {1U, 3U, 13U, 4096U, 1U << 20U}) {
      INFO(size << " in pieces of " << piece);
      FrameReader reader;
      CHECK(read_all(reader, frame(2, payload) + frame(2, "end"), piece) == payload + "end");
      CHECK(reader.state() == FrameReader::State::kOpen);
    }
  }
}

TEST_CASE("Fragments are one stream, and control frames may stand between them") {
  FrameReader reader;
  const std::string bytes = frame(2, "MQ", false) + frame(9, "ping") + frame(0, "T", false) +
                            frame(0, "T") + frame(2, "!");
  for (const std::size_t piece : {1U, 2U, 100U}) {
    FrameReader fresh;
    CHECK(read_all(fresh, bytes, piece) == "MQTT!");
    std::string ping;
    CHECK(fresh.take_ping(ping));
    CHECK(ping == "ping");
    CHECK_FALSE(fresh.take_ping(ping));
  }
}

TEST_CASE("A close frame ends the stream; what follows is not passed on") {
  FrameReader reader;
  CHECK(read_all(reader, frame(2, "last") + frame(8, "\x03\xe8") + frame(2, "late")) == "last");
  CHECK(reader.state() == FrameReader::State::kClosed);
  CHECK(read_all(reader, frame(2, "later")).empty());
}

TEST_CASE("What RFC 6455 forbids is malformed") {
  using namespace std::string_literals;
  std::string reserved = frame(2, "x");
  reserved[0] = static_cast<char>(reserved[0] | 0x40);
  const std::pair<const char*, std::string> cases[] = {
      {"unmasked", "\x82\x01x"s},
      {"reserved bits", reserved},
      {"text", frame(1, "x")},
      {"reserved opcode", frame(3, "x")},
      {"reserved control opcode", frame(11, "x")},
      {"continuation of nothing", frame(0, "x")},
      {"a new message inside another", frame(2, "x", false) + frame(2, "y")},
      {"a control frame in fragments", frame(9, "x", false)},
      {"a long control frame", frame(9, std::string(126, 'x'))},
      {"126 that could be shorter", "\x82\xfe\x00\x05\0\0\0\0hello"s},
      {"127 that could be shorter", "\x82\xff\0\0\0\0\0\0\x01\0\0\0\0\0"s},
      {"a negative length", "\x82\xff\x80\0\0\0\0\x01\0\0\0\0\0\0"s}};
  for (const auto& [what, bytes] : cases) {
    INFO(what);
    FrameReader reader;
    read_all(reader, bytes);
    CHECK(reader.state() == FrameReader::State::kMalformed);
  }
}

TEST_CASE("Headers are as short as can be") {
  char room[kMaxFrameHeader];
  const auto header = [&room](std::uint64_t size) {
    return std::string(room, put_frame_header(room, FrameCode::kBinary, size));
  };
  using namespace std::string_literals;
  CHECK(header(0) == "\x82\0"s);
  CHECK(header(125) == "\x82\x7d");
  CHECK(header(126) == "\x82\x7e\0\x7e"s);
  CHECK(header(65'535) == "\x82\x7e\xff\xff");
  CHECK(header(65'536) == "\x82\x7f\0\0\0\0\0\x01\0\0"s);
}
