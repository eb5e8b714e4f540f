#include "daemon/cloud/https_link.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <utility>
#include <variant>

#include "daemon/base/assert.h"
#include "daemon/base/log.h"
#include "daemon/cloud/diagnose.h"
#include "daemon/cloud/https_publish.h"
#include "daemon/cloud/link_thread.h"

namespace tg::cloud {

namespace {

const log::Component kLog{"cloud"};

constexpr auto kIdleWait = std::chrono::hours(1);
constexpr std::size_t kQueueCapacity =
    16;  // one generation's open, publish and close, and the next

struct Open {
  Generation generation;
  LinkOptions options;
};
struct Publish {
  Generation generation;
  OutgoingPublish publish;
};
struct Close {
  Generation generation;
};
using Command = std::variant<Open, Publish, Close>;

}  // namespace

struct HttpsLink::Inbox {
  LinkEvents events;
  Generation generation = 0;
  bool is_open = false;
  bool is_busy = false;  // a publish is under way
};

class HttpsLink::Worker : public LinkThread<Command, HttpsLink::Inbox> {
 public:
  Worker(Post post, std::weak_ptr<Inbox> inbox)
      : LinkThread(kQueueCapacity, std::move(post), std::move(inbox)) {}

  static void start(const std::shared_ptr<Worker>& self) {
    self->LinkThread::start([self] { self->run(); });
  }
  // Ends a request that is under way; T0.
  void abort() { abort_ = true; }

 private:
  void run();
  void handle(Open open);
  void handle(const Publish& command);
  void handle(Close close);
  void end(Down down);
  void destroy();

  std::atomic<bool> abort_ = false;

  // the thread's only
  std::optional<Generation> current_;
  std::unique_ptr<HttpsPublish> publisher_;
};

void HttpsLink::Worker::run() {
  while (true) {
    std::optional<Command> command = next(kIdleWait);
    if (command) {
      std::visit([this](auto& known) { handle(std::move(known)); }, *command);
    } else if (is_over()) {
      break;
    }
  }
  publisher_.reset();
}

void HttpsLink::Worker::handle(Open open) {
  current_ = open.generation;
  if (Down obstacle = diagnose(open.options); !obstacle.reason.empty()) {
    return end(std::move(obstacle));
  }
  auto publisher = HttpsPublish::open(std::move(open.options), abort_);
  if (!publisher) return end({DownCause::kOther, publisher.error().message});
  publisher_ = std::move(*publisher);
  emit([generation = open.generation](Inbox& inbox) {
    inbox.events.on_connected(generation, {true, 1});
  });
}

void HttpsLink::Worker::handle(const Publish& command) {
  if (current_ != command.generation || !publisher_) return;
  HttpsPublish::Answer answer = publisher_->publish(command.publish);
  if (answer.down) return end(std::move(*answer.down));
  emit([generation = command.generation, id = command.publish.id,
        refusal = std::move(answer.refusal)](Inbox& inbox) {
    inbox.is_busy = false;
    if (refusal) {
      inbox.events.on_refused(generation, id, *refusal);
    } else {
      inbox.events.on_acked(generation, id);
    }
  });
}

void HttpsLink::Worker::handle(Close close) {
  if (current_ == close.generation) destroy();
}

void HttpsLink::Worker::end(Down down) {
  emit([generation = *current_, down = std::move(down)](Inbox& inbox) {
    inbox.events.on_down(generation, down);
  });
  destroy();
}

void HttpsLink::Worker::destroy() {
  publisher_.reset();
  emit([generation = *current_](Inbox& inbox) {
    inbox.is_open = false;
    inbox.events.on_closed(generation);
  });
  current_.reset();
  abort_ = false;
}

HttpsLink::HttpsLink(Post post) : inbox_(std::make_shared<Inbox>()) {
  worker_ = std::make_shared<Worker>(std::move(post), inbox_);
  Worker::start(worker_);
}

HttpsLink::~HttpsLink() {
  inbox_.reset();
  worker_->abort();
  worker_->stop(kLog, "HTTPS");
}

void HttpsLink::set_events(LinkEvents events) { inbox_->events = std::move(events); }

Generation HttpsLink::open(LinkOptions options) {
  TG_ASSERT(!inbox_->is_open);
  inbox_->is_open = true;
  inbox_->is_busy = false;
  const Generation generation = ++inbox_->generation;
  worker_->push(Open{generation, std::move(options)});
  return generation;
}

bool HttpsLink::is_open() const { return inbox_->is_open; }

bool HttpsLink::publish(OutgoingPublish publish) {
  if (!inbox_->is_open || inbox_->is_busy) return false;
  inbox_->is_busy = true;
  worker_->push(Publish{inbox_->generation, std::move(publish)});
  return true;
}

void HttpsLink::close() {
  if (!inbox_->is_open) return;
  if (inbox_->is_busy) worker_->abort();
  worker_->push(Close{inbox_->generation});
}

}  // namespace tg::cloud
