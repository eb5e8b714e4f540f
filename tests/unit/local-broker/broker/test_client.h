// A small MQTT client over a real socket, and a broker that is polled by the test. Both run in the
// test's thread: the client writes, the test polls, the client reads what is there. No sleeps.
//
// The client builds and cuts packets by itself, so that a mistake of the codec cannot hide.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include <catch2/catch.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/unique_fd.h"
#include "local-broker/broker/broker.h"

namespace tg::broker::test {

// What a test wants to say and to see at the hooks.
class RecordingHooks : public Hooks {
 public:
  struct Offered {
    std::string client_id;
    std::string topic;
    std::string payload;
    std::uint8_t qos;
    bool retain;
    bool is_will;
  };

  void authenticate(const ConnectRequest& request,
                    std::function<void(ConnectAnswer)> reply) override {
    username = request.username;
    if (ask_later) {
      later = std::move(reply);
    } else {
      reply(answer);
    }
  }
  bool authorise(const ClientInfo&, Access access, std::string_view topic) override {
    ++asked;
    return !(access == denied_access && topic == denied_topic);
  }
  Intake on_publish(const Publication& p, AckToken token) override {
    if (intake == Intake::kHold) {
      ++held;
      return intake;
    }
    offered.push_back({p.client.client_id, std::string(p.topic), std::string(p.payload), p.qos,
                       p.retain, p.is_will});
    if (intake == Intake::kPending) tokens.push_back(token);
    return intake;
  }
  void on_connected(const ClientInfo& client) override {
    events.push_back("+" + client.client_id);
    connected.push_back(client);
  }
  void on_disconnected(const ClientInfo& client, std::string_view) override {
    events.push_back("-" + client.client_id);
  }

  ConnectAnswer answer = ConnectAnswer::kAccept;
  bool ask_later = false;
  std::function<void(ConnectAnswer)> later;
  Intake intake = Intake::kDone;
  Access denied_access = Access::kPublish;
  std::string denied_topic = "?";
  std::string username;
  std::vector<Offered> offered;
  std::vector<AckToken> tokens;
  std::vector<std::string> events;
  std::vector<ClientInfo> connected;
  int held = 0;
  int asked = 0;  // authorise()
};

struct Packet {
  int type = 0;  // 0 = none
  int flags = 0;
  std::string body;

  [[nodiscard]] int id() const {
    return static_cast<std::uint8_t>(body[0]) << 8 | static_cast<std::uint8_t>(body[1]);
  }
};

// A received PUBLISH.
struct Received {
  std::string topic;
  std::string payload;
  int id = 0;
  int qos = 0;
  bool retain = false;
  bool dup = false;
};

class Fixture;

struct ConnectOptions {
  bool clean = true;
  int keep_alive_s = 0;
  std::string will_topic = "";
  std::string will_payload = "";
  int will_qos = 0;
  bool will_retain = false;
  std::string username = "";
  std::string password = "";
  int level = 4;
  std::string properties = "";  // of version 5, without their length
  std::string will_properties = "";
};

inline std::string text(std::string_view value) {
  std::string out;
  out.push_back(static_cast<char>(value.size() >> 8));
  out.push_back(static_cast<char>(value.size() & 0xFF));
  return out + std::string(value);
}
inline std::string number(int value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)};
}
inline std::string packet(int head, const std::string& body) {
  std::string out(1, static_cast<char>(head));
  std::size_t length = body.size();
  do {
    const std::size_t low = length & 0x7F;
    length >>= 7;
    out.push_back(static_cast<char>(length > 0 ? low | 0x80 : low));
  } while (length > 0);
  return out + body;
}

// A property list; short ones only.
inline std::string list(const std::string& properties) {
  return std::string(1, static_cast<char>(properties.size())) + properties;
}

class Client {
 public:
  explicit Client(Fixture& fixture);
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Writes and lets the broker run.
  void send(const std::string& bytes);
  // Writes what the socket takes and does not let the broker run; the bytes that it took.
  std::size_t put(std::string_view bytes);
  // Reads everything that is there and forgets it; how many bytes.
  std::size_t skip();
  // The next packet, or one of type 0 when there is none.
  Packet next();
  [[nodiscard]] bool is_closed();
  void drop();                 // without DISCONNECT
  void cut() { fd_.reset(); }  // the same, and does not let the broker run

  // CONNECT, and the CONNACK's two bytes as session present << 8 | code; -1 = none.
  int connect(const std::string& id, const ConnectOptions& options = {});
  void publish(const std::string& topic, const std::string& payload, int qos = 0, int id = 0,
               bool retain = false, bool dup = false);
  // The return code.
  int subscribe(const std::string& filter, int qos = 0);
  void ack(int head, int id) { send(packet(head, number(id))); }
  void disconnect() { send(packet(0xE0, "")); }
  // The next packet must be a PUBLISH.
  Received receive();
  // "topic=payload" of everything that is there, separated by spaces.
  std::string drain();

 protected:
  // As ::send and ::recv, without waiting; for what lies between MQTT and the socket.
  virtual ssize_t transmit(const char* data, std::size_t size);
  virtual ssize_t fetch(char* data, std::size_t size);
  [[nodiscard]] int fd() const { return fd_.get(); }
  void run() const;

 private:
  void read_some();
  Fixture& fixture_;
  UniqueFd fd_;
  std::string input_;
  bool closed_ = false;
};

class Fixture {
 public:
  explicit Fixture(BrokerOptions broker_options = quiet(), SessionStore* session_store = nullptr)
      : options(std::move(broker_options)), store(session_store) {
    start();
  }
  // A broker that knows what the store holds; the one before, if any, is gone without a word.
  void start() {
    broker.reset();
    broker = std::make_unique<Broker>(options, hooks, clock, metrics, store);
    REQUIRE(broker->restore().has_value());
    const auto bound = broker->listen({"test", "127.0.0.1:0", true});
    REQUIRE(bound.has_value());
    port = *bound;
  }
  static BrokerOptions quiet() {
    BrokerOptions options;
    options.sys_interval_s = 0;
    return options;
  }
  // Until nothing is left to do: loopback delivers at once.
  void run() const {
    for (int i = 0; i < 4; ++i) broker->poll(0);
  }
  void advance_ms(std::int64_t ms) {
    clock.advance_ms(ms);
    run();
  }
  void complete_all() {
    const auto tokens = std::exchange(hooks.tokens, {});
    broker->complete(tokens);
  }

  FakeClock clock;
  Metrics metrics;
  RecordingHooks hooks;
  BrokerOptions options;
  SessionStore* store;
  std::unique_ptr<Broker> broker;
  std::uint16_t port = 0;
};

inline Client::Client(Fixture& fixture)
    : fixture_(fixture), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(fixture.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  REQUIRE(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  fixture_.run();
}

inline void Client::send(const std::string& bytes) {
  std::string_view left = bytes;
  while (!left.empty()) {
    const ssize_t sent = transmit(left.data(), left.size());
    if (sent > 0) left.remove_prefix(static_cast<std::size_t>(sent));
    fixture_.run();
    if (sent <= 0) return;
  }
}

inline void Client::run() const { fixture_.run(); }

inline ssize_t Client::transmit(const char* data, std::size_t size) {
  return ::send(fd_.get(), data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

inline ssize_t Client::fetch(char* data, std::size_t size) {
  return ::recv(fd_.get(), data, size, MSG_DONTWAIT);
}

inline std::size_t Client::put(std::string_view bytes) {
  const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

inline std::size_t Client::skip() {
  std::size_t skipped = 0;
  for (read_some(); !input_.empty(); read_some()) {
    skipped += input_.size();
    input_.clear();
  }
  return skipped;
}

inline void Client::read_some() {
  char buffer[65536];
  for (;;) {
    fixture_.run();
    const ssize_t got = fetch(buffer, sizeof(buffer));
    if (got == 0 || (got < 0 && errno != EAGAIN)) closed_ = true;
    if (got <= 0) return;
    input_.append(buffer, static_cast<std::size_t>(got));
  }
}

inline Packet Client::next() {
  read_some();
  if (input_.size() < 2) return {};
  std::size_t length = 0;
  std::size_t at = 1;
  for (int shift = 0;; shift += 7) {
    if (at == input_.size()) return {};
    const auto byte = static_cast<std::uint8_t>(input_[at++]);
    length |= static_cast<std::size_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) break;
  }
  if (input_.size() < at + length) return {};
  const auto head = static_cast<std::uint8_t>(input_[0]);
  Packet result{head >> 4, head & 15, input_.substr(at, length)};
  input_.erase(0, at + length);
  return result;
}

inline bool Client::is_closed() {
  read_some();
  return closed_;
}

inline void Client::drop() {
  fd_.reset();
  fixture_.run();
}

inline int Client::connect(const std::string& id, const ConnectOptions& options) {
  int flags = options.clean ? 2 : 0;
  const bool has_will = !options.will_topic.empty();
  if (has_will) flags |= 4 | options.will_qos << 3 | (options.will_retain ? 0x20 : 0);
  if (!options.username.empty()) flags |= 0x80;
  if (!options.password.empty()) flags |= 0x40;
  std::string body = text(options.level == 3 ? "MQIsdp" : "MQTT");
  body.push_back(static_cast<char>(options.level));
  body.push_back(static_cast<char>(flags));
  body += number(options.keep_alive_s);
  if (options.level == 5) body += list(options.properties);
  body += text(id);
  if (has_will && options.level == 5) body += list(options.will_properties);
  if (has_will) body += text(options.will_topic) + text(options.will_payload);
  if (!options.username.empty()) body += text(options.username);
  if (!options.password.empty()) body += text(options.password);
  send(packet(0x10, body));
  const Packet answer = next();
  return answer.type == 2 ? answer.id() : -1;
}

inline void Client::publish(const std::string& topic, const std::string& payload, int qos, int id,
                            bool retain, bool dup) {
  const int head = 0x30 | (dup ? 8 : 0) | qos << 1 | (retain ? 1 : 0);
  send(packet(head, text(topic) + (qos > 0 ? number(id) : "") + payload));
}

inline int Client::subscribe(const std::string& filter, int qos) {
  send(packet(0x82, number(99) + text(filter) + std::string(1, static_cast<char>(qos))));
  const Packet answer = next();
  REQUIRE(answer.type == 9);
  CHECK(answer.id() == 99);
  return static_cast<std::uint8_t>(answer.body[2]);
}

inline Received Client::receive() {
  const Packet packet = next();
  REQUIRE(packet.type == 3);
  Received received;
  const std::size_t length = static_cast<std::size_t>(packet.id());
  received.topic = packet.body.substr(2, length);
  received.qos = packet.flags >> 1 & 3;
  received.retain = (packet.flags & 1) != 0;
  received.dup = (packet.flags & 8) != 0;
  std::size_t at = 2 + length;
  if (received.qos > 0) {
    received.id = static_cast<std::uint8_t>(packet.body[at]) << 8 |
                  static_cast<std::uint8_t>(packet.body[at + 1]);
    at += 2;
  }
  received.payload = packet.body.substr(at);
  return received;
}

inline std::string Client::drain() {
  std::string out;
  for (Packet p = next(); p.type != 0; p = next()) {
    const std::size_t length = static_cast<std::size_t>(p.id());
    if (!out.empty()) out += ' ';
    if (p.type != 3) {
      out += "#" + std::to_string(p.type);
      continue;
    }
    const std::size_t skip = (p.flags & 6) != 0 ? 2 : 0;
    out += p.body.substr(2, length) + "=" + p.body.substr(2 + length + skip);
  }
  return out;
}

}  // namespace tg::broker::test
