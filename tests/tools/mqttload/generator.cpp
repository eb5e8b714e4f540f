#include "tests/tools/mqttload/generator.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <span>

#include "tests/tools/mqttload/process_use.h"

namespace tg::load {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kLongestWait = 2'000'000;
constexpr std::uint64_t kPatience = 300'000'000;  // then what is owed is given up
constexpr std::size_t kFiltersPerSubscribe = 50;
constexpr int kMessagesPerRound = 2048;

std::uint64_t ns_of(double seconds) {
  return static_cast<std::uint64_t>(seconds * static_cast<double>(kSecond));
}

}  // namespace

Generator::Generator(const Options& options, const Scenario& scenario)
    : options_(options),
      scenario_(scenario),
      wire_(options),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      measure_from_ns_(std::numeric_limits<std::uint64_t>::max()) {
  const bool counts_sequences = scenario.topics.size() * scenario.filters.size() < 4'000'000 &&
                                options.mode != Mode::kWildcard;
  for (unsigned i = 0; i < scenario.filters.size(); ++i) {
    Client& client = add(Role::kSubscriber, i);
    client.stalled = i < static_cast<unsigned>(options.stalled);
    if (counts_sequences) client.next.resize(scenario.topics.size());
  }
  for (unsigned i = 0; i < scenario.topics.size(); ++i) {
    Client& client = add(Role::kPublisher, i);
    for (const Topic& topic : scenario.topics[i]) client.forms.emplace_back(options, topic.name);
  }
  const bool idle = options.mode == Mode::kStorm || options.mode == Mode::kIdle;
  for (unsigned i = 0; idle && i < static_cast<unsigned>(options.connections); ++i) {
    add(Role::kIdle, i);
  }
}

Generator::Client& Generator::add(Role role, unsigned number) {
  return group(role).emplace_back(wire_, role, number);
}

std::deque<Generator::Client>& Generator::group(Role role) {
  switch (role) {
    case Role::kPublisher:
      return publishers_;
    case Role::kSubscriber:
      return subscribers_;
    case Role::kIdle:
      break;
  }
  return idle_;
}

bool Generator::open(Role role) {
  auto& clients = group(role);
  const std::uint64_t end = now_ns() + ns_of(options_.connect_timeout_s);
  std::size_t next = 0;
  while (next < clients.size() || opening_ > 0) {
    while (next < clients.size() && opening_ < options_.concurrency) start(clients[next++]);
    wait(kLongestWait);
    if (counts_.failed > 0 || now_ns() > end) return false;
  }
  return true;
}

void Generator::publish(double seconds) {
  const std::uint64_t end = now_ns() + ns_of(seconds);
  for (std::uint64_t now = now_ns(); now < end; now = now_ns()) {
    std::uint64_t longest = kLongestWait;
    if (options_.rate > 0) {
      pump_paced();
      now = now_ns();
      longest = std::min(longest, next_due_ns_ > now ? next_due_ns_ - now : 0);
    } else {
      pump();
      reopen_window();
    }
    wait(longest);
  }
}

void Generator::drain() {
  const std::uint64_t end = now_ns() + 10 * kSecond;
  std::uint64_t last = counts_.received;
  std::uint64_t last_ns = now_ns();
  for (std::uint64_t now = last_ns; now < end && now - last_ns < kSecond; now = now_ns()) {
    if (counts_.received >= counts_.most) return;
    wait(kLongestWait);
    if (counts_.received == last) continue;
    last = counts_.received;
    last_ns = now_ns();
  }
}

void Generator::idle(double seconds) {
  const std::uint64_t end = now_ns() + ns_of(seconds);
  while (now_ns() < end) wait(10 * kLongestWait);
}

void Generator::start_measuring() { measure_from_ns_ = now_ns(); }

void Generator::start(Client& client) {
  client.started_ns = now_ns();
  ++opening_;
  if (!client.link.start(epoll_.get(), &client, client.number)) lose(client);
}

void Generator::wait(std::uint64_t nanoseconds) {
  const timespec timeout{0, static_cast<long>(nanoseconds)};
  const int count = ::epoll_pwait2(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                                   &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events_[static_cast<std::size_t>(i)];
    on_event(*static_cast<Client*>(event.data.ptr), event.events);
  }
}

void Generator::on_event(Client& client, std::uint32_t events) {
  if (client.state == State::kClosed) return;
  const bool ended = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if (client.state == State::kOpening) {
    if (!advance(client)) return;
  } else if (client.stalled && client.state == State::kReady) {
    if (ended) lose(client);
    return;
  }
  if ((events & (EPOLLIN | EPOLLRDHUP)) != 0 || ended) receive(client);
  if (client.state == State::kClosed || (events & EPOLLOUT) == 0) return;
  if (!client.link.on_writable()) lose(client);
}

// True once the byte stream is open and CONNECT is on its way.
bool Generator::advance(Client& client) {
  const Link::Step step = client.link.open();
  if (step == Link::Step::kGoing) return false;
  const char* role = client.role == Role::kPublisher    ? "p"
                     : client.role == Role::kSubscriber ? "s"
                                                        : "c";
  const auto id = "load" + std::to_string(::getpid()) + role + std::to_string(client.number);
  put_connect(client.link.output(), options_, id);
  client.state = State::kConnack;
  if (step == Link::Step::kOpen && client.link.send()) return true;
  lose(client);
  return false;
}

void Generator::receive(Client& client) {
  input_.assign(client.partial);
  bool good = client.link.read(input_);
  received_ns_ = now_ns();
  std::string_view left = input_;
  for (Packet packet; good && client.state != State::kClosed;) {
    const Cut cut = cut_packet(left, packet);
    if (cut == Cut::kPartial) break;
    good = cut == Cut::kPacket && handle(client, packet);
  }
  if (client.state == State::kClosed) return;
  client.partial.assign(left);
  if (!good || !client.link.send()) lose(client);
}

bool Generator::handle(Client& client, const Packet& packet) {
  if (packet.body.size() < 2) return packet.type == Type::kDisconnect;
  std::string& out = client.link.output();
  switch (packet.type) {
    case Type::kConnack:
      return on_connack(client, packet);
    case Type::kSuback:
      if (!suback_accepted(packet, options_.v5)) return false;
      if (--client.subacks == 0) on_ready(client);
      return true;
    case Type::kPublish: {
      Delivery delivery;
      if (!read_publish(packet, options_.v5, delivery)) return false;
      count(client, delivery);
      if (delivery.qos == 1) put_ack(out, Type::kPuback, delivery.packet_id);
      if (delivery.qos == 2) put_ack(out, Type::kPubrec, delivery.packet_id);
      return true;
    }
    case Type::kPubrec:
      if (!is_refusal(packet)) put_ack(out, Type::kPubrel, packet_id_of(packet));
      return !is_refusal(packet);
    case Type::kPubrel:
      put_ack(out, Type::kPubcomp, packet_id_of(packet));
      return true;
    case Type::kPuback:
    case Type::kPubcomp:
      if (client.in_flight > 0) --client.in_flight;
      ++counts_.acknowledged;
      return !is_refusal(packet);
    case Type::kDisconnect:
      break;
  }
  return false;
}

bool Generator::on_connack(Client& client, const Packet& packet) {
  if (packet.body[1] != 0) return false;
  std::vector<std::string> own;
  if (client.role == Role::kIdle && options_.subscribe) {
    own.push_back("idle/" + std::to_string(client.number) + "/cmd");
  }
  std::span<const std::string> filters = own;
  if (client.role == Role::kSubscriber) filters = scenario_.filters[client.number];
  if (filters.empty()) {
    on_ready(client);
    return true;
  }
  client.state = State::kSuback;
  while (!filters.empty()) {
    const auto some = filters.first(std::min(filters.size(), kFiltersPerSubscribe));
    put_subscribe(client.link.output(), options_, ++client.subacks, some);
    filters = filters.subspan(some.size());
  }
  return true;
}

void Generator::on_ready(Client& client) {
  client.state = State::kReady;
  --opening_;
  ++counts_.ready;
  connect_us_.add((now_ns() - client.started_ns) / 1000);
  if (options_.mode != Mode::kStorm) return;
  put_disconnect(client.link.output());
  static_cast<void>(client.link.send());
  client.link.close();
  client.state = State::kClosed;
}

void Generator::count(Client& client, const Delivery& delivery) {
  ++counts_.received;
  if (!delivery.stamped) return;
  const Stamp& stamp = delivery.stamp;
  if (stamp.time_ns >= measure_from_ns_ && received_ns_ > stamp.time_ns) {
    latency_ns_.add(received_ns_ - stamp.time_ns);
  }
  if (stamp.publisher >= client.next.size()) return;
  std::uint32_t& next = client.next[stamp.publisher];
  if (stamp.sequence < next) {
    ++counts_.reordered;
    return;
  }
  counts_.gaps += stamp.sequence - next;
  next = stamp.sequence + 1;
}

void Generator::lose(Client& client) {
  if (client.state == State::kReady) {
    ++counts_.dropped;
  } else {
    ++counts_.failed;
    --opening_;
  }
  client.state = State::kClosed;
  client.link.output().clear();
  client.link.close();
}

// Publishes that the window has room for.
std::int64_t Generator::room() const {
  if (options_.window == 0) return kMessagesPerRound;
  const auto owed = static_cast<std::int64_t>(counts_.fewest) -
                    static_cast<std::int64_t>(counts_.received + counts_.forgiven);
  const double fan = static_cast<double>(counts_.fewest) /
                     static_cast<double>(std::max<std::uint64_t>(counts_.sent, 1));
  return static_cast<std::int64_t>(options_.window -
                                   static_cast<double>(owed) / std::max(fan, 1.0));
}

bool Generator::may_send(const Client& client) const {
  return client.state == State::kReady && !client.link.is_blocked() &&
         (options_.qos == 0 || client.in_flight < options_.inflight);
}

void Generator::pump() {
  std::int64_t left = std::min<std::int64_t>(room(), kMessagesPerRound);
  for (std::size_t unable = 0; left > 0 && unable < publishers_.size();) {
    Client& client = publishers_[turn_];
    turn_ = (turn_ + 1) % publishers_.size();
    if (!may_send(client)) {
      ++unable;
      continue;
    }
    unable = 0;
    const std::uint64_t now = now_ns();
    for (int i = 0; i < options_.burst && left > 0 && may_send(client); ++i, --left) {
      put_message(client, now);
    }
    if (!client.link.send()) lose(client);
  }
}

void Generator::pump_paced() {
  constexpr std::size_t kMostUnsent = 16U << 20U;
  const std::uint64_t now = now_ns();
  const std::uint64_t step = ns_of(1 / options_.rate);
  if (next_due_ns_ == 0) next_due_ns_ = now;
  for (; next_due_ns_ <= now; next_due_ns_ += step) {
    Client& client = publishers_[turn_];
    turn_ = (turn_ + 1) % publishers_.size();
    if (client.state != State::kReady || client.link.unsent() > kMostUnsent) continue;
    put_message(client, next_due_ns_);
    if (!client.link.send()) lose(client);
  }
}

void Generator::reopen_window() {
  const std::uint64_t come = counts_.received + counts_.acknowledged;
  const std::uint64_t now = now_ns();
  if (come != progress_ || progress_ns_ == 0) {
    progress_ = come;
    progress_ns_ = now;
    return;
  }
  if (options_.window == 0 || now - progress_ns_ < kPatience) return;
  const std::uint64_t accounted = counts_.received + counts_.forgiven;
  if (counts_.fewest > accounted) counts_.forgiven += counts_.fewest - accounted;
  for (Client& client : publishers_) client.in_flight = 0;
  progress_ns_ = now;
}

void Generator::put_message(Client& client, std::uint64_t time_ns) {
  if (options_.qos > 0) {
    if (++client.packet_id == 0) client.packet_id = 1;
    ++client.in_flight;
  }
  client.forms[client.turn].put(client.link.output(), client.packet_id,
                                {time_ns, client.sequence++, client.number});
  const Topic& topic = scenario_.topics[client.number][client.turn];
  client.turn = (client.turn + 1) % client.forms.size();
  ++counts_.sent;
  counts_.fewest += topic.fewest;
  counts_.most += topic.most;
}

}  // namespace tg::load
