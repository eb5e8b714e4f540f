// A Link that publishes by HTTPS, for networks that let nothing else through. There is no
// connection to speak of: open() walks the way once (name, TCP, TLS), and each publish is a request
// (https_publish.h). Its Receive Maximum is 1: one publish at a time, in order.
//
// Thread: the loop's (T0). Events are posted; the requests are made on a thread of its own.
// End: the destructor drops all further events and waits at most 5 s; a thread that still hangs in
//   the resolver is left behind with the state it shares.
#pragma once

#include <memory>

#include "daemon/base/post.h"
#include "daemon/cloud/link.h"

namespace tg::cloud {

class HttpsLink final : public Link {
 public:
  explicit HttpsLink(Post post);
  ~HttpsLink() override;
  HttpsLink(const HttpsLink&) = delete;
  HttpsLink& operator=(const HttpsLink&) = delete;

  void set_events(LinkEvents events) override;
  Generation open(LinkOptions options) override;
  [[nodiscard]] bool is_open() const override;
  [[nodiscard]] bool publish(OutgoingPublish publish) override;
  void close() override;

 private:
  struct Inbox;
  class Worker;

  std::shared_ptr<Inbox> inbox_;    // the loop's only
  std::shared_ptr<Worker> worker_;  // shared with the thread itself
};

}  // namespace tg::cloud
