#include "daemon/cloud/any_link.h"

#include <mutex>
#include <thread>
#include <utility>

#include "daemon/cloud/diagnose.h"

namespace tg::cloud {

struct AnyLink::Way {
  std::mutex mutex;
  Post post;  // none once the link has gone: the loop may go with it
};

AnyLink::AnyLink(Post post) : post_(std::move(post)), mqtt_(post_), way_(std::make_shared<Way>()) {
  way_->post = post_;
}

AnyLink::~AnyLink() {
  const std::lock_guard lock(way_->mutex);
  way_->post = nullptr;
}

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
  std::thread([options = std::move(options), way = way_, done = std::move(done)] {
    const Down found = diagnose(options);
    const std::lock_guard lock(way->mutex);
    if (!way->post) return;
    way->post([link = std::weak_ptr(way), done, found] {
      if (const auto open = link.lock(); open && open->post) done(found);
    });
  }).detach();
}

}  // namespace tg::cloud
