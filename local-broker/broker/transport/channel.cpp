#include "local-broker/broker/transport/channel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "local-broker/broker/transport/channel_layers.h"
#include "local-broker/broker/transport/proxy_header.h"

namespace tg::broker {
namespace {

IoResult result_of(ssize_t count, std::size_t wanted) {
  if (count > 0) {
    const auto bytes = static_cast<std::size_t>(count);
    return {IoState::kOk, bytes, bytes < wanted};
  }
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) {
    return {IoState::kBlocked, 0, true};
  }
  return {IoState::kClosed, 0};
}

IoResult receive_from(int fd, std::span<char> buffer) {
  ssize_t count = 0;
  do {
    count = ::recv(fd, buffer.data(), buffer.size(), 0);
  } while (count < 0 && errno == EINTR);
  return result_of(count, buffer.size());
}

IoResult send_to(int fd, std::string_view bytes) {
  ssize_t count = 0;
  do {
    count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return result_of(count, bytes.size());
}

}  // namespace

Channel::Channel() = default;
Channel::Channel(UniqueFd fd) : fd_(std::move(fd)) {}
Channel::Channel(Channel&&) noexcept = default;
Channel& Channel::operator=(Channel&&) noexcept = default;
Channel::~Channel() = default;

Channel::Layers& Channel::layers() {
  if (layers_ == nullptr) layers_ = std::make_unique<Layers>();
  return *layers_;
}

void Channel::expect_proxy_header() { layers().proxy_header = std::make_unique<std::string>(); }

void Channel::add_tls(const TlsContext& context) {
  layers().tls = std::make_unique<TlsStream>(context, fd_.get());
}

void Channel::add_web_socket(const std::vector<std::string>& origins) {
  layers().web = std::make_unique<WebSocket>(origins);
}

OpenState Channel::open(Scratch& scratch, sockaddr_storage& peer, OpenFault& fault) {
  if (layers_->proxy_header) {
    const OpenState state = read_proxy_header(peer, fault);
    if (state != OpenState::kOpen) return state;
    layers_->proxy_header.reset();
  }
  if (layers_->tls && !layers_->tls_is_open) {
    if (scratch.handshake_steps <= 0) return OpenState::kLater;
    const OpenState state = layers_->tls->handshake(scratch, fault);
    if (state != OpenState::kOpen) return state;
    layers_->tls_is_open = true;
  }
  if (layers_->web) return upgrade(scratch, fault);
  if (!layers_->tls) layers_.reset();
  return OpenState::kOpen;
}

// To the byte: what follows belongs to the next layer.
OpenState Channel::read_proxy_header(sockaddr_storage& peer, OpenFault& fault) {
  std::string& have = *layers_->proxy_header;
  for (;;) {
    const ProxyHeader header = tg::broker::read_proxy_header(have);
    if (header.state == ProxyHeader::State::kComplete) {
      if (header.source) peer = *header.source;
      return OpenState::kOpen;
    }
    if (header.state == ProxyHeader::State::kMalformed) {
      fault = OpenFault::kProxyHeader;
      return OpenState::kFailed;
    }
    const std::size_t before = have.size();
    have.resize(header.size);
    const IoResult got = receive_from(fd_.get(), std::span<char>(have).subspan(before));
    have.resize(before + got.bytes);
    if (got.state == IoState::kBlocked) return OpenState::kBlocked;
    if (got.state != IoState::kOk) {
      fault = OpenFault::kPeerLeft;
      return OpenState::kFailed;
    }
  }
}

IoResult Channel::lower_receive(std::span<char> buffer, Scratch& scratch) {
  return layers_->tls ? layers_->tls->receive(buffer, scratch) : receive_from(fd_.get(), buffer);
}

IoResult Channel::lower_send(std::string_view bytes) {
  return layers_->tls ? layers_->tls->send(bytes) : send_to(fd_.get(), bytes);
}

IoResult Channel::receive(std::span<char> buffer, Scratch& scratch) {
  if (layers_ == nullptr) return receive_from(fd_.get(), buffer);
  return layers_->web ? receive_frames(buffer, scratch) : lower_receive(buffer, scratch);
}

IoResult Channel::send(std::span<char> bytes) {
  if (layers_ == nullptr) return send_to(fd_.get(), {bytes.data(), bytes.size()});
  return layers_->web ? send_frames(bytes) : lower_send({bytes.data(), bytes.size()});
}

bool Channel::owes() const {
  return layers_ != nullptr && layers_->web && !layers_->web->control.empty();
}

std::size_t Channel::held_bytes() const {
  if (layers_ == nullptr) return 0;
  std::size_t bytes = layers_->proxy_header ? layers_->proxy_header->size() : 0;
  if (layers_->tls) bytes += layers_->tls->held_bytes();
  if (layers_->web) bytes += layers_->web->input.size() + layers_->web->control.size();
  return bytes;
}

void Channel::probe_when_idle() {
  const int on = 1;
  const int idle_s = 600;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
}

void Channel::take_leave(Scratch& scratch) {
  constexpr int kReads = 4;
  if (layers_ != nullptr && layers_->web) send_close();
  if (layers_ != nullptr && layers_->tls) layers_->tls->end_output();
  ::shutdown(fd_.get(), SHUT_WR);
  // Closing a socket that has unread input resets the connection, and the peer might lose the
  // answer.
  for (int i = 0; i < kReads; ++i) {
    if (::recv(fd_.get(), scratch.raw.data(), scratch.raw.size(), 0) <= 0) return;
  }
}

std::shared_ptr<const Certificate> Channel::certificate() const {
  return layers_ != nullptr && layers_->tls ? layers_->tls->certificate() : nullptr;
}

bool Channel::is_revoked(const TlsContext& context) const {
  return layers_ != nullptr && layers_->tls && layers_->tls->is_revoked(context);
}

}  // namespace tg::broker
