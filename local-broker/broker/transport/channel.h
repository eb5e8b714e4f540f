// One peer's byte stream: a non-blocking socket, and what lies between it and the connection above,
// which sees bytes of MQTT only: a PROXY header, TLS, WebSocket frames.
//
// Edge-triggered: after kBlocked, or `drained`, the poller reports the next edge. What has layers
// must be opened before it carries anything.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "local-broker/broker/hooks.h"
#include "local-broker/broker/transport/io_result.h"
#include "local-broker/broker/transport/opening.h"

namespace tg::broker {

class TlsContext;

class Channel {
 public:
  Channel();
  explicit Channel(UniqueFd fd);
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;
  ~Channel();

  // Before open(), in this order.
  void expect_proxy_header();
  void add_tls(const TlsContext& context);
  // `origins` must outlive the channel.
  void add_web_socket(const std::vector<std::string>& origins);
  [[nodiscard]] bool has_layers() const { return layers_ != nullptr; }
  // Goes on with what must be said before MQTT, within the steps that `scratch` has left. `peer`
  // becomes what a PROXY header says.
  [[nodiscard]] OpenState open(Scratch& scratch, sockaddr_storage& peer, OpenFault& fault);

  // kClosed: the peer has ended its side, or the connection broke.
  [[nodiscard]] IoResult receive(std::span<char> buffer, Scratch& scratch);
  // What was not taken must be offered again, at the same length or more. The kFrontRoom bytes
  // before it may be written over.
  [[nodiscard]] IoResult send(std::span<char> bytes);
  // Something of its own waits to be sent: send() is to be called, if with nothing.
  [[nodiscard]] bool owes() const;
  // What it holds of the peer's bytes before they are MQTT, and of its own.
  [[nodiscard]] std::size_t held_bytes() const;
  // Asks the kernel to find out when a silent peer has gone; for peers without a keep-alive.
  void probe_when_idle();
  // The end: what was sent still arrives, nothing more is sent, what is not read is thrown away.
  void take_leave(Scratch& scratch);

  // Null when the peer has not shown one.
  [[nodiscard]] std::shared_ptr<const Certificate> certificate() const;
  [[nodiscard]] bool is_revoked(const TlsContext& context) const;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  struct Layers;

  Layers& layers();
  [[nodiscard]] OpenState read_proxy_header(sockaddr_storage& peer, OpenFault& fault);
  [[nodiscard]] IoResult lower_receive(std::span<char> buffer, Scratch& scratch);
  [[nodiscard]] IoResult lower_send(std::string_view bytes);
  // channel_web.cpp
  [[nodiscard]] OpenState upgrade(Scratch& scratch, OpenFault& fault);
  [[nodiscard]] IoResult receive_frames(std::span<char> buffer, Scratch& scratch);
  [[nodiscard]] IoResult send_frames(std::span<char> bytes);
  [[nodiscard]] IoState send_control();
  void send_close();

  UniqueFd fd_;
  std::unique_ptr<Layers> layers_;  // null: MQTT on the socket itself
};

}  // namespace tg::broker
