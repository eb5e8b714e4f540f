// WebSocket, server side: a request, or (after a first byte with the top bit) frames. Frames that
// come in pieces must read as they do in one.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "local-broker/broker/transport/web_frames.h"
#include "local-broker/broker/transport/web_handshake.h"

namespace {

using tg::broker::FrameReader;

struct Outcome {
  std::string payload;
  std::string ping;
  FrameReader::State state = FrameReader::State::kOpen;
  bool operator==(const Outcome&) const = default;
};

Outcome read_frames(std::string bytes, std::size_t piece) {
  FrameReader reader;
  Outcome outcome;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const std::size_t size = std::min(piece, bytes.size() - at);
    const std::size_t got = reader.read({bytes.data() + at, size});
    if (got > size) std::abort();
    outcome.payload.append(bytes.data() + at, got);
    std::string ping;
    if (reader.take_ping(ping)) outcome.ping = ping;
  }
  outcome.state = reader.state();
  return outcome;
}

void check_request(std::string_view text) {
  const auto answer = tg::broker::answer_web_request(text, {"https://panel.example"});
  const bool is_open = answer.state == tg::broker::OpenState::kOpen;
  if (answer.used > text.size() || is_open != answer.response.starts_with("HTTP/1.1 101")) {
    std::abort();
  }
  // What was complete stays so, and what follows is not looked at.
  const auto longer =
      tg::broker::answer_web_request(std::string(text) + "x", {"https://panel.example"});
  if (is_open && (longer.used != answer.used || longer.response != answer.response)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if ((data[0] & 0x80U) == 0) {
    check_request(input);
    return 0;
  }
  const std::string frames(input.substr(1));
  const Outcome whole = read_frames(frames, frames.size() + 1);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{data[0] & 0x7FU} + 2}) {
    if (read_frames(frames, piece) != whole) std::abort();
  }
  return 0;
}
