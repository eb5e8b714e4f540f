// The Link over Paho MQTT C++. Every call into Paho, and every name resolved, is made on one cloud
// thread fed by a bounded queue: Paho holds a process-wide lock through connect, DNS included, and
// a hanging resolver must hang nobody else.
//
// Thread: the loop's (T0). Events are posted.
// Start: the constructor starts the thread and takes http_proxy and https_proxy (which Paho would
//   obey silently) out of the environment: make the link before other threads read the environment.
// End: the destructor drops all further events and waits at most 5 s; a cloud thread that still
//   hangs (in the resolver) is left behind with the state it shares, which it owns.
// Limits: kMaxUnacknowledged publishes, less where the broker's Receive Maximum is lower;
//   kMaxIncoming messages that the loop has not seen yet: more are dropped and logged.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/post.h"
#include "daemon/cloud/link.h"

namespace tg::cloud {

class PahoLink final : public Link {
 public:
  static constexpr std::size_t kMaxUnacknowledged = 900;  // below Paho's max_inflight

  static constexpr std::size_t kMaxIncoming = 1000;

  explicit PahoLink(Post post);
  ~PahoLink() override;
  PahoLink(const PahoLink&) = delete;
  PahoLink& operator=(const PahoLink&) = delete;

  void set_events(LinkEvents events) override;
  Generation open(LinkOptions options) override;
  [[nodiscard]] bool is_open() const override;
  [[nodiscard]] bool publish(OutgoingPublish publish) override;
  void subscribe(std::vector<std::string> filters) override;
  void close() override;

 private:
  struct Inbox;
  class CloudThread;

  std::shared_ptr<Inbox> inbox_;         // the loop's only
  std::shared_ptr<CloudThread> thread_;  // shared with the thread itself
};

}  // namespace tg::cloud
