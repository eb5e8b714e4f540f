#include "daemon/cloud/paho_link.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/base/assert.h"
#include "daemon/base/log.h"
#include "daemon/cloud/connection.h"
#include "daemon/cloud/diagnose.h"
#include "daemon/cloud/link_thread.h"
#include "daemon/cloud/resolve.h"

namespace tg::cloud {

namespace {

const log::Component kLog{"cloud"};

using SteadyClock = std::chrono::steady_clock;

constexpr auto kIdleWait = std::chrono::hours(1);

struct Open {
  Generation generation;
  LinkOptions options;
};
struct Publish {
  Generation generation;
  OutgoingPublish publish;
};
struct Subscribe {
  Generation generation;
  std::vector<std::string> filters;
};
struct Close {
  Generation generation;
};
// From Paho's threads:
struct Up {
  Generation generation;
  Connected connected;
};
struct Ended {
  Generation generation;
  Down down;
  bool answered;
};
using Command = std::variant<Open, Publish, Subscribe, Close, Up, Ended>;

// Publishes are bounded by the link, everything else to a handful a generation.
constexpr std::size_t kQueueCapacity = PahoLink::kMaxUnacknowledged + 100;

}  // namespace

// The loop's side. Posted events find it through a weak pointer, or not at all.
struct PahoLink::Inbox {
  LinkEvents events;
  Generation generation = 0;
  bool is_open = false;  // between open() and on_closed
  std::size_t unacknowledged = 0;
  std::size_t limit = kMaxUnacknowledged;
};

class PahoLink::CloudThread : public LinkThread<Command, PahoLink::Inbox> {
 public:
  CloudThread(Post post, std::weak_ptr<Inbox> inbox)
      : LinkThread(kQueueCapacity, std::move(post), std::move(inbox)) {}

  static void start(const std::shared_ptr<CloudThread>& self) {
    self->LinkThread::start([self] { self->run(); });
  }

 private:
  void run();
  void handle(Open open);
  void handle(Publish command);
  void handle(const Subscribe& command);
  void handle(Close close);
  void handle(Up up);
  void handle(Ended ended);
  [[nodiscard]] Result<std::vector<std::string>> addresses_to_use();
  // on_down with the reason, then the end of the client, then on_closed.
  void end(Down down);
  void destroy();
  void take_in(Generation generation, IncomingMessage message);
  [[nodiscard]] bool is_current(Generation generation) const {
    return current_ && *current_ == generation;
  }
  [[nodiscard]] Connection::Events connection_events(Generation generation);

  // Messages under way to the loop.
  const std::shared_ptr<std::atomic<std::size_t>> incoming_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  std::mutex lines_mutex_;
  log::Limit lines_;

  // the cloud thread's only
  std::optional<Generation> current_;  // from open to on_closed
  LinkOptions options_;
  std::vector<std::string> addresses_;
  std::size_t next_address_ = 0;  // moves on when an attempt fails
  std::unique_ptr<Connection> connection_;
  bool connecting_ = false;
  SteadyClock::time_point connect_deadline_;
};

void PahoLink::CloudThread::run() {
  while (true) {
    std::chrono::milliseconds wait = kIdleWait;
    if (connecting_) {
      wait = std::chrono::duration_cast<std::chrono::milliseconds>(connect_deadline_ -
                                                                   SteadyClock::now());
    }
    std::optional<Command> command = next(std::max(wait, std::chrono::milliseconds(1)));
    if (command) {
      std::visit([this](auto& known) { handle(std::move(known)); }, *command);
    } else if (is_over()) {
      break;
    } else if (connecting_ && SteadyClock::now() >= connect_deadline_) {
      end({DownCause::kUnreachable,
           "no CONNACK within " + std::to_string(options_.connect_timeout_s) + " s"});
    }
  }
  if (connection_ && !connecting_) connection_->disconnect();
  connection_.reset();
}

void PahoLink::CloudThread::handle(Open open) {
  current_ = open.generation;
  options_ = std::move(open.options);
  Result<std::vector<std::string>> addresses = addresses_to_use();
  if (!addresses) return end({DownCause::kResolver, std::move(addresses.error().message)});
  addresses_ = std::move(*addresses);
  const std::string& address = addresses_[next_address_ % addresses_.size()];
  std::string problem;
  try {
    connection_ =
        std::make_unique<Connection>(options_, address, connection_events(open.generation));
    problem = connection_->connect();
  } catch (const std::exception& e) {  // of Paho's constructors
    problem = e.what();
  }
  if (!problem.empty()) return end({DownCause::kOther, std::move(problem)});
  connecting_ = true;
  connect_deadline_ = SteadyClock::now() + std::chrono::seconds(options_.connect_timeout_s);
}

// Behind a proxy the name is the proxy's to resolve, and the proxy's own name is resolved here:
// Paho would do that under its lock.
Result<std::vector<std::string>> PahoLink::CloudThread::addresses_to_use() {
  if (options_.proxy.empty()) return resolve(options_.endpoint.host);
  auto proxy = parse_proxy(options_.proxy);
  if (!proxy) return tl::unexpected(proxy.error());
  auto found = resolve(proxy->host);
  if (!found) return found;
  proxy->host = found->front();
  options_.proxy = proxy->url();
  return std::vector<std::string>{options_.endpoint.host};
}

Connection::Events PahoLink::CloudThread::connection_events(Generation generation) {
  Connection::Events events;
  events.on_connected = [this, generation](Connected connected) {
    push(Up{generation, connected});
  };
  events.on_ended = [this, generation](Down down, bool answered) {
    push(Ended{generation, std::move(down), answered});
  };
  events.on_acked = [this, generation](std::uint64_t id) {
    emit([generation, id](Inbox& inbox) {
      --inbox.unacknowledged;
      inbox.events.on_acked(generation, id);
    });
  };
  events.on_refused = [this, generation](std::uint64_t id, Refusal refusal) {
    emit([generation, id, refusal = std::move(refusal)](Inbox& inbox) {
      --inbox.unacknowledged;
      inbox.events.on_refused(generation, id, refusal);
    });
  };
  events.on_message = [this, generation](IncomingMessage message) {
    take_in(generation, std::move(message));
  };
  events.on_not_subscribed = [this, generation](std::string filter, std::string reason) {
    emit([generation, filter = std::move(filter), reason = std::move(reason)](Inbox& inbox) {
      inbox.events.on_not_subscribed(generation, filter, reason);
    });
  };
  return events;
}

// On one of Paho's threads. What floods the loop is dropped: it has been acknowledged already.
void PahoLink::CloudThread::take_in(Generation generation, IncomingMessage message) {
  if (incoming_->fetch_add(1) >= kMaxIncoming) {
    incoming_->fetch_sub(1);
    const auto now = SteadyClock::now().time_since_epoch();
    const std::lock_guard lock(lines_mutex_);
    if (lines_.allow(std::chrono::duration_cast<std::chrono::milliseconds>(now).count())) {
      log::warning(kLog, "messages of the cloud come too fast: one on {} is dropped",
                   message.topic);
    }
    return;
  }
  emit([generation, count = incoming_, message = std::move(message)](Inbox& inbox) {
    count->fetch_sub(1);
    inbox.events.on_message(generation, message);
  });
}

void PahoLink::CloudThread::handle(const Subscribe& command) {
  if (!is_current(command.generation) || !connection_) return;
  for (const auto& filter : command.filters) {
    const std::string problem = connection_->subscribe(filter);
    if (problem.empty()) continue;
    emit([generation = command.generation, filter, problem](Inbox& inbox) {
      inbox.events.on_not_subscribed(generation, filter, problem);
    });
  }
}

void PahoLink::CloudThread::handle(Publish command) {
  if (!is_current(command.generation) || !connection_) return;
  const std::uint64_t id = command.publish.id;
  std::optional<Refusal> refusal = connection_->publish(std::move(command.publish));
  if (!refusal) return;
  emit([generation = command.generation, id, refusal = std::move(*refusal)](Inbox& inbox) {
    --inbox.unacknowledged;
    inbox.events.on_refused(generation, id, refusal);
  });
}

void PahoLink::CloudThread::handle(Close close) {
  if (!is_current(close.generation)) return;  // it has ended by itself
  if (connection_ && !connecting_) connection_->disconnect();
  destroy();
}

void PahoLink::CloudThread::handle(Up up) {
  if (!is_current(up.generation)) return;
  connecting_ = false;
  emit([up](Inbox& inbox) {
    const std::size_t receive_maximum = up.connected.receive_maximum;
    inbox.limit = std::min(kMaxUnacknowledged, std::max<std::size_t>(receive_maximum, 1));
    inbox.events.on_connected(up.generation, up.connected);
  });
}

void PahoLink::CloudThread::handle(Ended ended) {
  if (!is_current(ended.generation)) return;
  if (connecting_ && !ended.answered) {
    Down found = diagnose(options_, addresses_[next_address_ % addresses_.size()]);
    if (found.reason.empty()) {
      found = {DownCause::kRefused, "no CONNACK (" + ended.down.reason + ')'};
    }
    ended.down = std::move(found);
  }
  end(std::move(ended.down));
}

void PahoLink::CloudThread::end(Down down) {
  if (connecting_) ++next_address_;
  emit([generation = *current_, down = std::move(down)](Inbox& inbox) {
    inbox.events.on_down(generation, down);
  });
  destroy();
}

void PahoLink::CloudThread::destroy() {
  connecting_ = false;
  connection_.reset();
  emit([generation = *current_](Inbox& inbox) {
    inbox.is_open = false;
    inbox.events.on_closed(generation);
  });
  current_.reset();
}

PahoLink::PahoLink(Post post) : inbox_(std::make_shared<Inbox>()) {
  ::unsetenv("http_proxy");
  ::unsetenv("https_proxy");
  thread_ = std::make_shared<CloudThread>(std::move(post), inbox_);
  CloudThread::start(thread_);
}

PahoLink::~PahoLink() {
  inbox_.reset();
  thread_->stop(kLog, "cloud");
}

void PahoLink::set_events(LinkEvents events) { inbox_->events = std::move(events); }

Generation PahoLink::open(LinkOptions options) {
  TG_ASSERT(!inbox_->is_open);
  inbox_->is_open = true;
  inbox_->unacknowledged = 0;
  inbox_->limit = kMaxUnacknowledged;
  const Generation generation = ++inbox_->generation;
  thread_->push(Open{generation, std::move(options)});
  return generation;
}

bool PahoLink::is_open() const { return inbox_->is_open; }

bool PahoLink::publish(OutgoingPublish publish) {
  if (!inbox_->is_open || inbox_->unacknowledged >= inbox_->limit) return false;
  ++inbox_->unacknowledged;
  thread_->push(Publish{inbox_->generation, std::move(publish)});
  return true;
}

void PahoLink::subscribe(std::vector<std::string> filters) {
  if (inbox_->is_open) thread_->push(Subscribe{inbox_->generation, std::move(filters)});
}

void PahoLink::close() {
  if (inbox_->is_open) thread_->push(Close{inbox_->generation});
}

}  // namespace tg::cloud
