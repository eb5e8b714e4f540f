#include "daemon/cloud/https_link.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <variant>

#include "daemon/base/assert.h"
#include "daemon/base/bounded_queue.h"
#include "daemon/base/log.h"
#include "daemon/cloud/diagnose.h"
#include "daemon/cloud/https_publish.h"
#include "daemon/cloud/resolve.h"

namespace tg::cloud {

namespace {

const log::Component kLog{"cloud"};

constexpr auto kExitWait = std::chrono::seconds(5);
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

class HttpsLink::Worker {
 public:
  Worker(Post post, std::weak_ptr<Inbox> inbox)
      : post_(std::move(post)), inbox_(std::move(inbox)) {}

  static void start(const std::shared_ptr<Worker>& self) {
    self->thread_ = std::thread([self] { self->run(); });
  }
  void push(Command command) {
    const bool pushed = queue_.push(std::move(command));
    TG_ASSERT(pushed || queue_.is_closed());
  }
  // Ends a request that is under way; T0.
  void abort() { abort_ = true; }
  void stop();

 private:
  using Event = std::function<void(Inbox&)>;

  void run();
  void handle(Open open);
  void handle(Publish command);
  void handle(Close close);
  void end(Down down);
  void destroy();
  void emit(Event event);

  BoundedQueue<Command> queue_{kQueueCapacity};
  std::thread thread_;  // T0 only
  std::atomic<bool> abort_ = false;

  std::mutex mutex_;  // guards post_ and finished_
  std::condition_variable finished_changed_;
  bool finished_ = false;
  Post post_;
  const std::weak_ptr<Inbox> inbox_;

  // the thread's only
  std::optional<Generation> current_;
  std::unique_ptr<HttpsPublish> publisher_;
};

void HttpsLink::Worker::stop() {
  abort_ = true;
  queue_.close();
  std::unique_lock lock(mutex_);
  post_ = nullptr;
  if (finished_changed_.wait_for(lock, kExitWait, [this] { return finished_; })) {
    lock.unlock();
    thread_.join();
    return;
  }
  log::warning(kLog, "the HTTPS thread hangs in a call and is left behind");
  thread_.detach();
}

void HttpsLink::Worker::emit(Event event) {
  const std::lock_guard lock(mutex_);
  if (!post_) return;
  post_([inbox = inbox_, event = std::move(event)] {
    if (const auto open = inbox.lock()) event(*open);
  });
}

void HttpsLink::Worker::run() {
  while (true) {
    std::optional<Command> command = queue_.pop_for(kIdleWait);
    if (command) {
      std::visit([this](auto& known) { handle(std::move(known)); }, *command);
    } else if (queue_.is_closed()) {
      break;
    }
  }
  publisher_.reset();
  const std::lock_guard lock(mutex_);
  finished_ = true;
  finished_changed_.notify_all();
}

void HttpsLink::Worker::handle(Open open) {
  current_ = open.generation;
  if (open.options.proxy.empty()) {
    const auto addresses = resolve(open.options.endpoint.host);
    if (!addresses) return end({DownCause::kResolver, addresses.error().message});
    Down obstacle = diagnose(open.options, *addresses);
    if (!obstacle.reason.empty()) return end(std::move(obstacle));
  }
  auto publisher = HttpsPublish::open(std::move(open.options), abort_);
  if (!publisher) return end({DownCause::kOther, publisher.error().message});
  publisher_ = std::move(*publisher);
  emit([generation = open.generation](Inbox& inbox) {
    inbox.events.on_connected(generation, {true, 1});
  });
}

void HttpsLink::Worker::handle(Publish command) {
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
  worker_->stop();
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
