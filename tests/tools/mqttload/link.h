// One connection's byte stream: TCP, TLS on it, WebSocket on either. Never blocks; edge-triggered.
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/unique_fd.h"
#include "tests/tools/mqttload/options.h"

namespace tg::load {

// What all connections of a run share.
struct Wire {
  explicit Wire(const Options& options);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  const Options& options;
  sockaddr_in address{};
  SSL_CTX* tls = nullptr;
  SSL_SESSION* session = nullptr;  // the latest ticket, to be resumed
  std::string received;            // scratch
  std::string frame;               // scratch: MQTT bytes that become one WebSocket frame
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t resumed = 0;
};

class Link {
 public:
  enum class Step : std::uint8_t { kGoing, kOpen, kFailed };

  explicit Link(Wire& wire) : wire_(wire) {}

  // Connects, known to the epoll instance as `owner`. `number` spreads the source addresses.
  bool start(int epoll, void* owner, unsigned number);
  // One step of opening, after an event. Bytes behind the WebSocket upgrade stay for read().
  Step open();

  // Where MQTT bytes are to be appended; send() lets them go, as one WebSocket frame.
  std::string& output() { return wire_.options.websocket ? wire_.frame : out_; }
  // False when the connection broke. What the socket does not take leaves on_writable().
  bool send();
  bool on_writable();
  [[nodiscard]] bool is_blocked() const { return blocked_; }
  [[nodiscard]] std::size_t unsent() const { return out_.size() - sent_; }

  // Appends the MQTT bytes that are there. False when the peer has ended.
  bool read(std::string& bytes);
  void close();
  [[nodiscard]] bool is_open() const { return fd_.is_open(); }

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  enum class Stage : std::uint8_t { kTcp, kTls, kUpgrade, kOpen };

  Step handshake();
  Step upgrade();
  bool flush();
  // Bytes written, 0 = would block, -1 = broken; bytes read likewise.
  long write_some(std::string_view bytes);
  bool read_raw(std::string& bytes);
  bool read_tls(std::string& bytes);
  bool unwrap(std::string& bytes);

  Wire& wire_;
  UniqueFd fd_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  Stage stage_ = Stage::kTcp;
  bool blocked_ = false;
  std::string out_;
  std::size_t sent_ = 0;
  std::string framed_;            // received and not yet unwrapped
  std::uint64_t frame_left_ = 0;  // of the WebSocket frame at hand
};

}  // namespace tg::load
