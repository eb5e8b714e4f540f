#include "daemon/cloud/any_link.h"

#include <thread>
#include <utility>

#include "daemon/cloud/diagnose.h"

namespace tg::cloud {

AnyLink::AnyLink(Post post) : post_(std::move(post)), mqtt_(post_) {}

void AnyLink::set_events(LinkEvents events) {
  events_ = std::move(events);
  mqtt_.set_events(events_);
  if (https_) https_->set_events(events_);
}

Generation AnyLink::open(LinkOptions options) {
  now_ = &mqtt_;
  if (options.endpoint.https) {
    if (!https_) {
      https_ = std::make_unique<HttpsLink>(post_);
      https_->set_events(events_);
    }
    now_ = https_.get();
  }
  return now_->open(std::move(options));
}

// The thread ends by itself: it holds nothing but copies, and the resolver may take its time.
void AnyLink::probe(LinkOptions options, std::function<void(Down)> done) {
  std::thread([options = std::move(options), post = post_, alive = std::weak_ptr(alive_),
               done = std::move(done)] {
    post([alive, done, found = diagnose(options)] {
      if (!alive.expired()) done(found);
    });
  }).detach();
}

}  // namespace tg::cloud
