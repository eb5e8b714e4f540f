#include "daemon/app/defender.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "daemon/app/system.h"

namespace tg::app {
namespace {

using nlohmann::ordered_json;

const log::Component kLog{"defender"};

constexpr std::size_t kMaxEntries = 50;
constexpr unsigned kEstablished = 1;
constexpr unsigned kUnconnected = 7;
constexpr unsigned kListening = 10;
constexpr std::size_t kHexOfV4 = 8;
constexpr std::size_t kHexOfV6 = 32;

template <class Number>
std::optional<Number> hex(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The kernel prints an address as words of the machine's byte order.
std::optional<std::string> address_of(std::string_view digits) {
  if (digits.size() != kHexOfV4 && digits.size() != kHexOfV6) return std::nullopt;
  std::array<std::uint32_t, 4> words{};
  for (std::size_t i = 0; i * kHexOfV4 < digits.size(); ++i) {
    const auto word = hex<std::uint32_t>(digits.substr(i * kHexOfV4, kHexOfV4));
    if (!word) return std::nullopt;
    words[i] = *word;
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = digits.size() == kHexOfV4 ? AF_INET : AF_INET6;
  if (::inet_ntop(family, words.data(), text.data(), text.size()) == nullptr) return std::nullopt;
  return text.data();
}

// ADDRESS:PORT in hex.
bool read_end(std::string_view text, std::string& address, std::uint16_t& port) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  auto found = address_of(text.substr(0, colon));
  const auto number = hex<std::uint16_t>(text.substr(colon + 1));
  if (!found || !number) return false;
  address = std::move(*found);
  port = *number;
  return true;
}

std::string content_of(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

NetworkFigures read_network() {
  NetworkFigures figures;
  const auto add = [](std::vector<Socket>& all, const char* path) {
    auto more = parse_sockets(content_of(path));
    std::move(more.begin(), more.end(), std::back_inserter(all));
  };
  add(figures.tcp, "/proc/self/net/tcp");
  add(figures.tcp, "/proc/self/net/tcp6");
  add(figures.udp, "/proc/self/net/udp");
  add(figures.udp, "/proc/self/net/udp6");
  figures.traffic = parse_traffic(content_of("/proc/self/net/dev"));
  return figures;
}

// Each port once, though it may be bound at several addresses.
ordered_json ports_json(const std::vector<Socket>& sockets, unsigned state) {
  std::vector<std::uint16_t> ports;
  for (const auto& socket : sockets) {
    if (socket.state == state) ports.push_back(socket.local_port);
  }
  std::sort(ports.begin(), ports.end());
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  auto list = ordered_json::array();
  for (std::size_t i = 0; i < std::min(ports.size(), kMaxEntries); ++i) {
    list.push_back({{"port", ports[i]}});
  }
  return {{"ports", std::move(list)}, {"total", ports.size()}};
}

ordered_json connections_json(const std::vector<Socket>& sockets) {
  auto list = ordered_json::array();
  std::size_t total = 0;
  for (const auto& socket : sockets) {
    if (socket.state != kEstablished) continue;
    if (total++ >= kMaxEntries) continue;
    const bool is_v6 = socket.remote.find(':') != std::string::npos;
    const std::string host = is_v6 ? '[' + socket.remote + ']' : socket.remote;
    list.push_back({{"local_port", socket.local_port},
                    {"remote_addr", fmt::format("{}:{}", host, socket.remote_port)}});
  }
  return {{"connections", std::move(list)}, {"total", total}};
}

// Absent without a report before, and when a counter went back (an interface that is gone).
std::optional<ordered_json> traffic_json(const Traffic& now, const std::optional<Traffic>& before) {
  if (!before || now.bytes_in < before->bytes_in || now.bytes_out < before->bytes_out ||
      now.packets_in < before->packets_in || now.packets_out < before->packets_out) {
    return std::nullopt;
  }
  return ordered_json{{"bytes_in", now.bytes_in - before->bytes_in},
                      {"bytes_out", now.bytes_out - before->bytes_out},
                      {"packets_in", now.packets_in - before->packets_in},
                      {"packets_out", now.packets_out - before->packets_out}};
}

ordered_json custom_json(const Parts& parts) {
  std::uint64_t waiting = 0;
  for (std::size_t i = 0; i < parts.store->stream_count(); ++i) {
    const auto stream = parts.store->status(static_cast<store::StreamId>(i));
    waiting += stream.next - stream.first;
  }
  const auto number = [](auto value) { return ordered_json::array({{{"number", value}}}); };
  return {{"local_clients", number(parts.broker->stats().connections)},
          {"stored_records", number(waiting)},
          {"disk_free_bytes", number(read_system(parts.config->data_dir).disk_free_bytes)}};
}

}  // namespace

std::vector<Socket> parse_sockets(std::string_view file) {
  std::vector<Socket> sockets;
  std::istringstream lines{std::string(file)};
  std::string line;
  std::getline(lines, line);  // the heading
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string number;
    std::string local;
    std::string remote;
    std::string state;
    if (!(fields >> number >> local >> remote >> state)) continue;
    Socket socket;
    const auto read = hex<unsigned>(state);
    if (!read || !read_end(local, socket.local, socket.local_port) ||
        !read_end(remote, socket.remote, socket.remote_port)) {
      continue;
    }
    socket.state = *read;
    sockets.push_back(std::move(socket));
  }
  return sockets;
}

Traffic parse_traffic(std::string_view file) {
  Traffic sum;
  std::istringstream lines{std::string(file)};
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;  // the two heading lines
    std::istringstream name(line.substr(0, colon));
    std::string interface;
    name >> interface;
    if (interface == "lo") continue;
    // bytes packets errs drop fifo frame compressed multicast, received; then the same, sent
    std::istringstream fields(line.substr(colon + 1));
    std::array<std::uint64_t, 10> at{};
    for (auto& field : at) fields >> field;
    if (!fields) continue;
    sum.bytes_in += at[0];
    sum.packets_in += at[1];
    sum.bytes_out += at[8];
    sum.packets_out += at[9];
  }
  return sum;
}

ordered_json defender_report(std::int64_t report_id, const NetworkFigures& figures,
                             const std::optional<Traffic>& before) {
  ordered_json metrics{
      {"listening_tcp_ports", ports_json(figures.tcp, kListening)},
      {"listening_udp_ports", ports_json(figures.udp, kUnconnected)},
      {"tcp_connections", {{"established_connections", connections_json(figures.tcp)}}}};
  if (auto traffic = traffic_json(figures.traffic, before)) metrics["network_stats"] = *traffic;
  return {{"header", {{"report_id", report_id}, {"version", "1.0"}}},
          {"metrics", std::move(metrics)}};
}

DefenderReporter::DefenderReporter(PartsNow parts, Timers& timers, Metrics& metrics)
    : report_(kLog, std::move(parts), timers,
              metrics.counter("tidegate_defender_reports_total", "Device Defender reports stored"),
              metrics.counter("tidegate_defender_skipped_total",
                              "Device Defender reports that found no room in their stream"),
              [this](const Parts& now) { return make(now); }) {}

void DefenderReporter::configure(const config::Defender& settings) {
  with_custom_metrics_ = settings.custom_metrics;
  report_.configure({settings.stream, settings.topic, settings.interval_ms});
}

std::string DefenderReporter::make(const Parts& parts) {
  // It must rise, also when a clock does not.
  last_id_ = std::max(last_id_ + 1, parts.clock->now().wall_ms / 1000);
  const NetworkFigures figures = read_network();
  auto document = defender_report(last_id_, figures, before_);
  before_ = figures.traffic;
  if (with_custom_metrics_) document["custom_metrics"] = custom_json(parts);
  return document.dump();
}

}  // namespace tg::app
