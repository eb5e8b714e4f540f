// MQTT in the frames of a WebSocket.
#include <algorithm>
#include <array>
#include <cstring>

#include "local-broker/broker/transport/channel_layers.h"
#include "local-broker/broker/transport/web_handshake.h"

namespace tg::broker {
namespace {

constexpr unsigned kNormal = 1000;
constexpr unsigned kProtocolError = 1002;

std::string control_frame(FrameCode code, std::string_view payload) {
  std::array<char, kMaxFrameHeader> header;
  const std::size_t size = put_frame_header(header.data(), code, payload.size());
  return std::string(header.data(), size).append(payload);
}

}  // namespace

OpenState Channel::upgrade(Scratch& scratch, OpenFault& fault) {
  WebSocket& web = *layers_->web;
  std::array<char, 4096> buffer;
  for (;;) {
    const IoResult got = lower_receive(buffer, scratch);
    if (got.state == IoState::kBlocked) return OpenState::kBlocked;
    if (got.state != IoState::kOk) {
      fault = OpenFault::kPeerLeft;
      return OpenState::kFailed;
    }
    web.input.append(buffer.data(), got.bytes);
    WebAnswer answer = answer_web_request(web.input, *web.origins);
    if (answer.state == OpenState::kBlocked) {
      if (got.drained) return OpenState::kBlocked;
      continue;
    }
    web.control = std::move(answer.response);
    if (answer.state == OpenState::kFailed) {
      static_cast<void>(lower_send(web.control));
      fault = answer.fault;
      return OpenState::kFailed;
    }
    web.input = web.input.substr(answer.used);
    web.is_open = true;
    return send_control() == IoState::kClosed ? OpenState::kFailed : OpenState::kOpen;
  }
}

IoResult Channel::receive_frames(std::span<char> buffer, Scratch& scratch) {
  WebSocket& web = *layers_->web;
  if (web.reader.state() == FrameReader::State::kClosed) return {IoState::kClosed, 0};
  if (web.reader.state() == FrameReader::State::kMalformed) return {IoState::kMalformed, 0};
  IoResult got;
  if (web.input.empty()) {
    got = lower_receive(buffer, scratch);
  } else {
    got.bytes = std::min(web.input.size(), buffer.size());
    std::memcpy(buffer.data(), web.input.data(), got.bytes);
    web.input = web.input.substr(got.bytes);
  }
  if (got.state != IoState::kOk) return got;
  got.bytes = web.reader.read(buffer.first(got.bytes));
  if (web.reader.state() != FrameReader::State::kOpen) got.drained = false;  // the next call tells
  static_cast<void>(send_control());
  return got;
}

// Between two frames. kOk: nothing is left.
IoState Channel::send_control() {
  WebSocket& web = *layers_->web;
  for (;;) {
    if (web.control.empty()) {
      std::string ping;
      if (web.frame_left != 0 || !web.reader.take_ping(ping)) return IoState::kOk;
      web.control = control_frame(FrameCode::kPong, ping);
    }
    const IoResult sent = lower_send(web.control);
    if (sent.state != IoState::kOk) return sent.state;
    web.control.erase(0, sent.bytes);
    if (!web.control.empty()) return IoState::kBlocked;
    web.control.shrink_to_fit();
  }
}

IoResult Channel::send_frames(std::span<char> bytes) {
  WebSocket& web = *layers_->web;
  std::size_t total = 0;
  for (;;) {
    if (web.frame_left == 0) {
      const IoState state = send_control();
      if (state == IoState::kClosed) return {state, 0};
      if (state == IoState::kBlocked || bytes.empty()) break;
      web.header_size = static_cast<std::uint8_t>(
          put_frame_header(web.header.data(), FrameCode::kBinary, bytes.size()));
      web.header_left = web.header_size;
      web.frame_left = bytes.size();
    }
    // The header goes right before the payload, over what has been sent.
    const std::size_t size =
        static_cast<std::size_t>(std::min<std::uint64_t>(web.frame_left, bytes.size()));
    char* start = bytes.data() - web.header_left;
    std::memcpy(start, web.header.data() + web.header_size - web.header_left, web.header_left);
    const IoResult sent = lower_send({start, web.header_left + size});
    if (sent.state == IoState::kClosed) return sent;
    const std::size_t of_header = std::min<std::size_t>(sent.bytes, web.header_left);
    const std::size_t of_payload = sent.bytes - of_header;
    web.header_left = static_cast<std::uint8_t>(web.header_left - of_header);
    web.frame_left -= of_payload;
    total += of_payload;
    bytes = bytes.subspan(of_payload);
    if (web.frame_left != 0) break;
  }
  const bool blocked = !bytes.empty() || !web.control.empty();
  return {blocked && total == 0 ? IoState::kBlocked : IoState::kOk, total};
}

void Channel::send_close() {
  const WebSocket& web = *layers_->web;
  if (!web.is_open || web.frame_left != 0 || !web.control.empty()) return;
  const bool malformed = web.reader.state() == FrameReader::State::kMalformed;
  const unsigned code = malformed ? kProtocolError : kNormal;
  const std::array<char, 2> payload = {static_cast<char>(code >> 8U), static_cast<char>(code)};
  static_cast<void>(lower_send(control_frame(FrameCode::kClose, {payload.data(), payload.size()})));
}

}  // namespace tg::broker
