#include "tests/tools/mqttload/link.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tg::load {
namespace {

constexpr std::size_t kReadBuffer = 512 * 1024;

[[noreturn]] void die(const char* what, const std::string& value) {
  std::fprintf(stderr, "mqttload: %s: %s\n", what, value.c_str());
  std::exit(2);
}

int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* wire = static_cast<Wire*>(SSL_get_app_data(ssl));
  SSL_SESSION_free(wire->session);
  wire->session = session;
  return 1;  // ours from now on
}

SSL_CTX* make_tls(const Options& options) {
  SSL_CTX* tls = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(tls, 1);
  if (!options.ca.empty()) {
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, nullptr);
    if (SSL_CTX_load_verify_locations(tls, options.ca.c_str(), nullptr) != 1) {
      die("cannot load --ca", options.ca);
    }
  }
  if (!options.certificate.empty() &&
      SSL_CTX_use_certificate_chain_file(tls, options.certificate.c_str()) != 1) {
    die("cannot load --cert", options.certificate);
  }
  if (!options.key.empty() &&
      SSL_CTX_use_PrivateKey_file(tls, options.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    die("cannot load --key", options.key);
  }
  SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
  if (options.resume) {
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, keep_session);
  }
  return tls;
}

bool would_block(SSL* ssl, int result) {
  const int error = SSL_get_error(ssl, result);
  ERR_clear_error();
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

// A masked binary frame, as clients send them.
void wrap(std::string& out, std::string_view payload) {
  static std::uint32_t random = 0x9E3779B9;
  random = random * 1'664'525 + 1'013'904'223;
  std::array<char, 4> key{};
  std::memcpy(key.data(), &random, key.size());
  out.push_back('\x82');
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(0x80U | payload.size()));
  } else {
    const bool small = payload.size() < 65'536;
    out.push_back(static_cast<char>(0x80U | (small ? 126U : 127U)));
    for (int shift = small ? 8 : 56; shift >= 0; shift -= 8) {
      out.push_back(static_cast<char>(std::uint64_t{payload.size()} >> shift));
    }
  }
  out.append(key.data(), key.size());
  const std::size_t start = out.size();
  out.append(payload);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out[start + i] = static_cast<char>(out[start + i] ^ key[i & 3U]);
  }
}

struct FrameHead {
  std::size_t size = 0;  // 0 = more bytes are needed
  std::uint64_t payload = 0;
  unsigned opcode = 0;
};

FrameHead read_frame_head(std::string_view bytes) {
  FrameHead head;
  if (bytes.size() < 2) return head;
  const auto byte = [bytes](std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); };
  const unsigned length = byte(1) & 0x7FU;
  const std::size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (bytes.size() < 2 + more) return head;
  head.opcode = byte(0) & 0x0FU;
  head.payload = more == 0 ? length : 0;
  for (std::size_t i = 0; i < more; ++i) head.payload = head.payload << 8U | byte(2 + i);
  head.size = 2 + more;
  return head;
}

}  // namespace

Wire::Wire(const Options& load) : options(load), received(kReadBuffer, '\0') {
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  if (::inet_pton(AF_INET, options.host.c_str(), &address.sin_addr) != 1) {
    die("--host must be an IPv4 address", options.host);
  }
  if (options.tls) tls = make_tls(options);
}

Wire::~Wire() {
  SSL_SESSION_free(session);
  SSL_CTX_free(tls);
}

bool Link::start(int epoll, void* owner, unsigned number) {
  fd_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_.is_open()) return false;
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (ntohl(wire_.address.sin_addr.s_addr) >> 24U == 127) {
    // From 100 addresses, so that ports do not run out.
    ::setsockopt(fd_.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr = htonl(0x7F00'0002U + number % 100);
    static_cast<void>(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&source), sizeof(source)));
  }
  const auto* address = reinterpret_cast<const sockaddr*>(&wire_.address);
  if (::connect(fd_.get(), address, sizeof(wire_.address)) < 0 && errno != EINPROGRESS) {
    return false;
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP;
  event.data.ptr = owner;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd_.get(), &event) == 0;
}

Link::Step Link::open() {
  switch (stage_) {
    case Stage::kTcp: {
      int error = 0;
      socklen_t size = sizeof(error);
      ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) return Step::kFailed;
      stage_ = Stage::kTls;
      return open();
    }
    case Stage::kTls:
      return handshake();
    case Stage::kUpgrade:
      return upgrade();
    case Stage::kOpen:
      break;
  }
  return Step::kOpen;
}

Link::Step Link::handshake() {
  if (wire_.tls != nullptr) {
    if (!ssl_) {
      ssl_.reset(SSL_new(wire_.tls));
      SSL_set_fd(ssl_.get(), fd_.get());
      SSL_set_tlsext_host_name(ssl_.get(), "localhost");
      SSL_set_app_data(ssl_.get(), &wire_);
      if (wire_.session != nullptr) SSL_set_session(ssl_.get(), wire_.session);
      SSL_set_connect_state(ssl_.get());
    }
    if (const int result = SSL_do_handshake(ssl_.get()); result != 1) {
      return would_block(ssl_.get(), result) ? Step::kGoing : Step::kFailed;
    }
    if (SSL_session_reused(ssl_.get()) != 0) ++wire_.resumed;
  }
  if (!wire_.options.websocket) {
    stage_ = Stage::kOpen;
    return Step::kOpen;
  }
  stage_ = Stage::kUpgrade;
  out_ = "GET " + wire_.options.websocket_path +
         " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Protocol: mqtt\r\n\r\n";
  return flush() ? Step::kGoing : Step::kFailed;
}

Link::Step Link::upgrade() {
  if (!read_raw(framed_)) return Step::kFailed;
  const auto end = framed_.find("\r\n\r\n");
  if (end == std::string::npos) return Step::kGoing;
  if (framed_.find(" 101") > 12) return Step::kFailed;
  framed_.erase(0, end + 4);
  stage_ = Stage::kOpen;
  return Step::kOpen;
}

bool Link::send() {
  if (wire_.options.websocket && !wire_.frame.empty()) {
    wrap(out_, wire_.frame);
    wire_.frame.clear();
  }
  return blocked_ || flush();
}

bool Link::on_writable() {
  if (!blocked_) return true;
  blocked_ = false;
  return flush();
}

bool Link::flush() {
  while (sent_ < out_.size()) {
    const long count = write_some(std::string_view(out_).substr(sent_));
    if (count < 0) return false;
    blocked_ = count == 0;
    if (blocked_) return true;
    sent_ += static_cast<std::size_t>(count);
  }
  out_.clear();
  sent_ = 0;
  return true;
}

long Link::write_some(std::string_view bytes) {
  ++wire_.writes;
  if (ssl_) {
    constexpr std::size_t kMost = 1U << 20U;
    const auto count = static_cast<int>(std::min(bytes.size(), kMost));
    const int written = SSL_write(ssl_.get(), bytes.data(), count);
    if (written > 0) return written;
    return would_block(ssl_.get(), written) ? 0 : -1;
  }
  const ssize_t written = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (written > 0) return written;
  return errno == EAGAIN ? 0 : -1;
}

bool Link::read(std::string& bytes) {
  if (!wire_.options.websocket) return read_raw(bytes);
  if (!read_raw(framed_)) return false;
  return unwrap(bytes);
}

bool Link::read_raw(std::string& bytes) {
  if (ssl_) return read_tls(bytes);
  for (;;) {
    ++wire_.reads;
    const ssize_t count = ::recv(fd_.get(), wire_.received.data(), wire_.received.size(), 0);
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    bytes.append(wire_.received, 0, static_cast<std::size_t>(count));
    if (static_cast<std::size_t>(count) < wire_.received.size()) return true;
  }
}

bool Link::read_tls(std::string& bytes) {
  ++wire_.reads;
  for (;;) {
    const int count =
        SSL_read(ssl_.get(), wire_.received.data(), static_cast<int>(wire_.received.size()));
    if (count <= 0) return would_block(ssl_.get(), count);
    bytes.append(wire_.received, 0, static_cast<std::size_t>(count));
  }
}

bool Link::unwrap(std::string& bytes) {
  constexpr unsigned kFirstControl = 8;
  constexpr unsigned kClose = 8;
  std::string_view left = framed_;
  while (!left.empty()) {
    if (frame_left_ > 0) {
      const auto part = left.substr(0, frame_left_);
      bytes.append(part);
      frame_left_ -= part.size();
      left.remove_prefix(part.size());
      continue;
    }
    const FrameHead head = read_frame_head(left);
    if (head.size == 0) break;
    if (head.opcode == kClose) return false;
    if (head.opcode < kFirstControl) {
      frame_left_ = head.payload;
    } else if (left.size() < head.size + head.payload) {
      break;
    } else {
      left.remove_prefix(head.payload);
    }
    left.remove_prefix(head.size);
  }
  framed_.erase(0, framed_.size() - left.size());
  return true;
}

void Link::close() {
  if (ssl_) SSL_shutdown(ssl_.get());
  ssl_.reset();
  fd_.reset();
  out_ = {};
  framed_ = {};
}

}  // namespace tg::load
