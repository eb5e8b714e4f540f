// Something that has publishes for the cloud: an export. The session asks its senders in order of
// priority whenever there is room in the window.
//
// Thread: the loop's (T0).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "daemon/cloud/link.h"

namespace tg::uplink {

// How a connection ended, for the senders that had publishes in flight.
struct LinkEnd {
  bool explained = true;
  std::size_t in_flight = 0;  // publishes of all senders
  std::string reason;
};

class Sender {
 public:
  virtual ~Sender() = default;

  // take() would give a publish now.
  [[nodiscard]] virtual bool is_ready() const = 0;
  // The next publish, in flight as `id` from now on.
  [[nodiscard]] virtual cloud::OutgoingPublish take(std::uint64_t id) = 0;
  // The link had no room for what take() just gave.
  virtual void untake(std::uint64_t id) = 0;
  virtual void acked(std::uint64_t id) = 0;

  // batch_bytes: no publish should be larger, on the link as it is now.
  virtual void link_up(std::size_t batch_bytes) = 0;
  // By now it takes larger ones.
  virtual void link_grew(std::size_t batch_bytes) { (void)batch_bytes; }
  // Whatever is in flight will not be acknowledged any more. Not explained: the peer closed the
  // connection, perhaps for one of the publishes in flight.
  virtual void link_closed(const LinkEnd& end) = 0;
  // The cloud refused this one for ever. False: it is of several records, which must be sent one by
  // one; the connection is closed and made anew for that.
  [[nodiscard]] virtual bool refused(std::uint64_t id, const std::string& reason) = 0;
  // One record in a publish from now on, or as usual again.
  virtual void isolate(bool on) = 0;
  // Something that was in flight at an unexplained end has not been settled yet.
  [[nodiscard]] virtual bool is_suspect() const = 0;
  // What it would give is old: it is catching up.
  [[nodiscard]] virtual bool is_backlog() const { return false; }
  // May be sent over an endpoint that is marked expensive.
  [[nodiscard]] virtual bool may_use_expensive() const { return false; }
};

}  // namespace tg::uplink
