// Something that has publishes for the cloud: an export. The session asks its senders in order of
// priority whenever there is room in the window.
//
// Thread: the loop's (T0).
#pragma once

#include <cstdint>

#include "daemon/cloud/link.h"

namespace tg::uplink {

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

  virtual void link_up() = 0;
  // Whatever is in flight will not be acknowledged any more.
  virtual void link_closed() = 0;
};

}  // namespace tg::uplink
