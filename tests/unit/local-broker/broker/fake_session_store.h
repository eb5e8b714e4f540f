// A session store in memory: what the broker tells is pending until commit(); crash() loses it. And
// a broker with such a store that can be killed.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "local-broker/broker/session_store.h"
#include "tests/unit/local-broker/broker/test_client.h"

namespace tg::broker::test {

class FakeSessionStore final : public SessionStore {
 public:
  struct Session {
    std::string client_id;
    std::string identity;
    StoredSession row;
  };
  struct Message {
    std::string topic;
    std::string payload;
    std::string properties;
    std::uint8_t qos = 0;
    std::int64_t expires_at_ms = 0;
  };
  using FilterKey = std::tuple<StoredId, std::string, std::string>;

  [[nodiscard]] bool keeps() const override { return true; }
  Result<void> load(Visitor& visitor) override {
    visitor.on_last_ids(last_session, last_message, last_copy);
    for (auto& [id, session] : sessions) {
      StoredSession row = session.row;
      row.client_id = session.client_id;
      row.identity = session.identity;
      row.away_ms = away_ms;
      visitor.on_session(row);
    }
    for (const auto& [key, filter] : filters) {
      const auto& [id, group, text] = key;
      visitor.on_subscription(id, {text, group, filter.first}, filter.second);
    }
    for (const auto& [id, packet_id] : held) visitor.on_held(id, packet_id);
    for (const auto& [id, m] : messages) {
      visitor.on_message(id, {m.topic, m.payload, m.properties, m.qos, m.expires_at_ms});
    }
    for (const StoredId id : retained) visitor.on_retained(id);
    for (const auto& [id, copy] : copies) visitor.on_copy(copy);
    return {};
  }
  Intake admit(std::size_t) override { return room; }
  void await(AckToken token) override { tokens.push_back(token); }

  void begin_anew() override {
    pending.clear();
    change([this] {
      sessions.clear(), filters.clear(), held.clear();
      messages.clear(), retained.clear(), copies.clear();
    });
  }
  void put_session(const StoredSession& row) override {
    last_session = std::max(last_session, row.id);
    Session session{std::string(row.client_id), std::string(row.identity), row};
    change([this, session] { sessions[session.row.id] = session; });
  }
  void erase_session(StoredId id) override {
    change([this, id] {
      sessions.erase(id);
      std::erase_if(filters, [id](const auto& entry) { return std::get<0>(entry.first) == id; });
      std::erase_if(held, [id](const auto& entry) { return entry.first == id; });
    });
  }
  void put_subscription(StoredId id, const mqtt::FilterRequest& request,
                        std::uint32_t subscription_id) override {
    change([this, key = key_of(id, request), value = std::pair(request.options, subscription_id)] {
      filters[key] = value;
    });
  }
  void erase_subscription(StoredId id, const mqtt::FilterRequest& request) override {
    change([this, key = key_of(id, request)] { filters.erase(key); });
  }
  void hold(StoredId id, std::uint16_t packet_id) override {
    change([this, id, packet_id] { held.emplace(id, packet_id); });
  }
  void release(StoredId id, std::uint16_t packet_id) override {
    change([this, id, packet_id] { held.erase({id, packet_id}); });
  }
  void put_message(StoredId id, const MessageFields& f) override {
    CHECK(id == ++last_message);
    const Message message{std::string(f.topic), std::string(f.payload), std::string(f.properties),
                          f.qos, f.expires_at_ms};
    change([this, id, message] { messages[id] = message; });
  }
  void erase_message(StoredId id) override {
    change([this, id] { messages.erase(id); });
  }
  void set_retained(StoredId id, bool is_retained) override {
    change([this, id, is_retained] {
      if (is_retained) {
        retained.insert(id);
      } else {
        retained.erase(id);
      }
    });
  }
  void put_copy(const StoredCopy& copy) override {
    CHECK(copy.id == ++last_copy);
    change([this, copy] { copies[copy.id] = copy; });
  }
  void move_copy(const StoredCopy& copy) override {
    change([this, copy] { copies.at(copy.id) = copy; });
  }
  void erase_copy(StoredId id) override {
    change([this, id] { copies.erase(id); });
  }

  // Makes durable what is pending; the tokens that are to be completed now.
  [[nodiscard]] std::vector<AckToken> commit() {
    for (const auto& step : std::exchange(pending, {})) step();
    return std::exchange(tokens, {});
  }
  void crash() {
    pending.clear();
    tokens.clear();
  }
  // Nothing is left but sessions.
  [[nodiscard]] bool is_empty() const {
    return messages.empty() && copies.empty() && retained.empty() && held.empty();
  }

  std::map<StoredId, Session> sessions;
  std::map<FilterKey, std::pair<std::uint8_t, std::uint32_t>> filters;
  std::set<std::pair<StoredId, std::uint16_t>> held;
  std::map<StoredId, Message> messages;
  std::set<StoredId> retained;
  std::map<StoredId, StoredCopy> copies;

  std::vector<std::function<void()>> pending;
  std::vector<AckToken> tokens;
  Intake room = Intake::kDone;
  std::int64_t away_ms = 0;
  int changes = 0;

 private:
  static FilterKey key_of(StoredId id, const mqtt::FilterRequest& request) {
    return {id, std::string(request.group), std::string(request.filter)};
  }
  void change(std::function<void()> step) {
    ++changes;
    pending.push_back(std::move(step));
  }

  StoredId last_session = 0;
  StoredId last_message = 0;
  StoredId last_copy = 0;
};

inline constexpr int kPuback = 4;
inline constexpr int kPubrec = 5;
inline constexpr int kPubrel = 6;
inline constexpr int kPubcomp = 7;
inline constexpr int kPresent = 256;

inline ConnectOptions lasting() {
  ConnectOptions options;
  options.clean = false;
  return options;
}

struct StoreHolder {
  FakeSessionStore kept;
};

// A broker that can be killed.
class Persistent : private StoreHolder, public Fixture {
 public:
  explicit Persistent(BrokerOptions broker_options = quiet())
      : Fixture(std::move(broker_options), &kept) {}

  void commit() {
    broker->complete(kept.commit());
    run();
  }
  // kill -9, and a new start. Clients must connect anew.
  void crash() {
    kept.crash();
    start();
  }
  void commit_and_crash() {
    commit();
    crash();
  }
  // SUBSCRIBE of a lasting session, the commit, SUBACK.
  void subscribe(Client& client, const std::string& filter, int qos) {
    client.send(packet(0x82, number(99) + text(filter) + std::string(1, static_cast<char>(qos))));
    CHECK(client.next().type == 0);
    commit();
    const Packet answer = client.next();
    REQUIRE(answer.type == 9);
    CHECK(answer.body == number(99) + std::string(1, static_cast<char>(qos)));
  }
  // A session that is away and subscribed.
  void subscribe_away(const std::string& id, const std::string& filter, int qos) {
    Client client(*this);
    REQUIRE((client.connect(id, lasting()) & 0xFF) == 0);
    subscribe(client, filter, qos);
    client.disconnect();
    commit();
  }

  using StoreHolder::kept;
};

}  // namespace tg::broker::test
