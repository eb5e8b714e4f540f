// One generation of the link: one mqtt::async_client from its making to its destruction. The only
// file of the project that calls Paho; its exceptions stop here.
//
// Thread: made, used and destroyed on the cloud thread. The events come on Paho's threads, under
//   Paho's process-wide lock: they may only hand over. After the destructor there are none.
// Chosen: clean session off (protocol 5: clean start off and a session expiry), no automatic
//   reconnect, no offline buffer, no persistence, version 4 or 5 explicitly, the host name of the
//   certificate checked, max_inflight far above any window (Paho sleeps for a second at it).
#pragma once

#include <mqtt/async_client.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "daemon/cloud/link.h"

namespace tg::cloud {

class Connection final : private mqtt::iaction_listener {
 public:
  struct Events {
    std::function<void(Connected)> on_connected;
    // The attempt failed (answered: the broker said no) or the connection has ended.
    std::function<void(Down down, bool answered)> on_ended;
    std::function<void(std::uint64_t id)> on_acked;
    std::function<void(std::uint64_t id, Refusal refusal)> on_refused;
    std::function<void(IncomingMessage)> on_message;
    std::function<void(std::string filter, std::string reason)> on_not_subscribed;
  };

  // address: numeric, of options.endpoint.host; used where no name is needed (without TLS).
  Connection(LinkOptions options, const std::string& address, Events events);
  ~Connection() override { ending_ = true; }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Empty, or why it could not even begin; on_connected or on_ended follows otherwise.
  [[nodiscard]] std::string connect();
  // Nothing, or why the publish was not taken; on_acked, on_refused or on_ended follows otherwise.
  [[nodiscard]] std::optional<Refusal> publish(OutgoingPublish publish);
  // Empty, or why it was not taken; on_not_subscribed follows if the broker refuses it.
  [[nodiscard]] std::string subscribe(const std::string& filter);
  // Sends DISCONNECT and waits for its end; bounded.
  void disconnect();

 private:
  void on_success(const mqtt::token& token) override;
  void on_failure(const mqtt::token& token) override;
  void on_subscribed(const mqtt::token& token);
  [[nodiscard]] mqtt::connect_options connect_options() const;
  // False when that publish has been answered before.
  bool take(void* context, std::uint64_t& id);

  const LinkOptions options_;
  const Events events_;
  std::mutex mutex_;  // guards sent_ and last_key_
  std::unordered_map<std::uintptr_t, std::uint64_t> sent_;
  std::uintptr_t last_key_ = 0;
  // Paho fails what is in flight when the client goes: that is no refusal.
  std::atomic<bool> ending_ = false;
  // Last: destroyed first, which ends the callbacks.
  mqtt::async_client client_;
};

}  // namespace tg::cloud
