// A Link to any kind of endpoint: MQTT through Paho, or publishes by HTTPS, as open() says. The
// HTTPS part is made with its first use. Also looks whether another endpoint can be reached, on a
// thread that it starts for that.
//
// Thread: the loop's (T0).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/post.h"
#include "daemon/cloud/https_link.h"
#include "daemon/cloud/link.h"
#include "daemon/cloud/paho_link.h"

namespace tg::cloud {

class AnyLink final : public Link {
 public:
  explicit AnyLink(Post post);
  ~AnyLink() override;
  AnyLink(const AnyLink&) = delete;
  AnyLink& operator=(const AnyLink&) = delete;

  void set_events(LinkEvents events) override;
  Generation open(LinkOptions options) override;
  [[nodiscard]] bool is_open() const override { return now_->is_open(); }
  [[nodiscard]] bool publish(OutgoingPublish publish) override {
    return now_->publish(std::move(publish));
  }
  void subscribe(std::vector<std::string> filters) override { now_->subscribe(std::move(filters)); }
  void close() override { now_->close(); }
  void probe(LinkOptions options, std::function<void(Down)> done) override;

 private:
  const Post post_;
  LinkEvents events_;
  PahoLink mqtt_;
  std::unique_ptr<HttpsLink> https_;
  Link* now_ = &mqtt_;  // the last that was opened
  // What a probe's thread may still use when this has gone.
  struct Way;
  const std::shared_ptr<Way> way_;
};

}  // namespace tg::cloud
