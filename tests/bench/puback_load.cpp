// puback_load: QoS 1 publishers that measure the time from PUBLISH to PUBACK.
//
//   puback_load --port P [--host 127.0.0.1] [--connections 50] [--inflight 1] [--size 256]
//               [--duration 5] [--warmup 1] [--topic dt/{}/temperature] [--pid PID]
//
// Every connection keeps `inflight` publishes unacknowledged. One JSON line on stdout: acknowledged
// messages per second, latency percentiles, and with --pid the process' CPU per message and RSS.
// One thread, one epoll; independent of Tidegate's own MQTT code.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 1883;
  int connections = 50;
  int inflight = 1;
  std::size_t size = 256;
  double duration = 5;
  double warmup = 1;
  std::string topic = "dt/{}/temperature";
  int pid = 0;
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "puback_load: %s\n", what.c_str());
  std::exit(1);
}

double now_s() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// CPU seconds of all threads of a process, from the scheduler's nanosecond accounts.
double cpu_s(int pid) {
  double total = 0;
  std::string command = "cat /proc/" + std::to_string(pid) + "/task/*/schedstat 2>/dev/null";
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return 0;
  unsigned long long run = 0;
  unsigned long long wait = 0;
  unsigned long long slices = 0;
  while (std::fscanf(pipe, "%llu %llu %llu", &run, &wait, &slices) == 3) {
    total += static_cast<double>(run) * 1e-9;
  }
  pclose(pipe);
  return total;
}

long status_kib(int pid, const char* key) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(key, 0) == 0) return std::atol(line.c_str() + std::strlen(key) + 1);
  }
  return 0;
}

void put_u16(std::string& out, std::size_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

void put_remaining(std::string& out, std::size_t length) {
  do {
    const auto digit = static_cast<unsigned char>(length % 128);
    length /= 128;
    out.push_back(static_cast<char>(length > 0 ? digit | 0x80 : digit));
  } while (length > 0);
}

std::string connect_packet(const std::string& client_id) {
  std::string body;
  put_u16(body, 4);
  body += "MQTT";
  body.push_back(4);
  body.push_back(2);  // clean session
  put_u16(body, 0);   // no keep-alive
  put_u16(body, client_id.size());
  body += client_id;
  std::string packet(1, '\x10');
  put_remaining(packet, body.size());
  return packet + body;
}

struct Connection {
  int fd = -1;
  std::string topic;
  std::string in;
  std::string out;
  std::uint16_t next_id = 1;
  std::vector<double> sent_at = std::vector<double>(65'536, 0.0);
};

void publish(Connection& c, const std::string& payload) {
  const std::size_t length = 2 + c.topic.size() + 2 + payload.size();
  c.out.push_back('\x32');
  put_remaining(c.out, length);
  put_u16(c.out, c.topic.size());
  c.out += c.topic;
  put_u16(c.out, c.next_id);
  c.out += payload;
  c.sent_at[c.next_id] = now_s();
  c.next_id = c.next_id == 65'535 ? std::uint16_t{1} : static_cast<std::uint16_t>(c.next_id + 1);
}

void flush(Connection& c) {
  while (!c.out.empty()) {
    const ssize_t sent = ::send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) die(std::string("send: ") + std::strerror(errno));
    c.out.erase(0, static_cast<std::size_t>(sent));
  }
}

Connection open_connection(const Options& options, int index) {
  Connection c;
  c.fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  inet_pton(AF_INET, options.host.c_str(), &address.sin_addr);
  if (::connect(c.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    die(std::string("connect: ") + std::strerror(errno));
  }
  const int one = 1;
  setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const std::string id = "load" + std::to_string(index);
  const std::string hello = connect_packet(id);
  char answer[4];
  if (::send(c.fd, hello.data(), hello.size(), 0) < 0 ||
      ::recv(c.fd, answer, sizeof answer, MSG_WAITALL) != 4 || answer[0] != 0x20 ||
      answer[3] != 0) {
    die("CONNECT was not accepted");
  }
  fcntl(c.fd, F_SETFL, O_NONBLOCK);
  c.topic = options.topic;
  if (const auto at = c.topic.find("{}"); at != std::string::npos) c.topic.replace(at, 2, id);
  return c;
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    const char* value = argv[i + 1];
    if (key == "--host")
      o.host = value;
    else if (key == "--port")
      o.port = static_cast<std::uint16_t>(std::atoi(value));
    else if (key == "--connections")
      o.connections = std::atoi(value);
    else if (key == "--inflight")
      o.inflight = std::atoi(value);
    else if (key == "--size")
      o.size = static_cast<std::size_t>(std::atol(value));
    else if (key == "--duration")
      o.duration = std::atof(value);
    else if (key == "--warmup")
      o.warmup = std::atof(value);
    else if (key == "--topic")
      o.topic = value;
    else if (key == "--pid")
      o.pid = std::atoi(value);
    else
      die("unknown option " + key);
  }
  return o;
}

struct Result {
  std::uint64_t acknowledged = 0;
  std::vector<float> latency_ms;
};

// Takes PUBACKs out of the connection's input and sends a new publish for each.
void take_acks(Connection& c, const std::string& payload, bool measuring, Result& result) {
  std::size_t at = 0;
  const double now = now_s();
  while (c.in.size() - at >= 4) {
    if (c.in[at] != 0x40 || c.in[at + 1] != 2) die("something other than a PUBACK came");
    const auto id = static_cast<std::uint16_t>(static_cast<unsigned char>(c.in[at + 2]) << 8 |
                                               static_cast<unsigned char>(c.in[at + 3]));
    if (measuring) {
      ++result.acknowledged;
      result.latency_ms.push_back(static_cast<float>((now - c.sent_at[id]) * 1e3));
    }
    at += 4;
    publish(c, payload);
  }
  c.in.erase(0, at);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::string payload = R"({"value":21.37,"fill":")";
  payload.resize(std::max(options.size, payload.size() + 2), 'x');
  payload.replace(payload.size() - 2, 2, "\"}");

  const int poll = epoll_create1(0);
  std::vector<Connection> connections;
  for (int i = 0; i < options.connections; ++i) {
    connections.push_back(open_connection(options, i));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u32 = static_cast<std::uint32_t>(i);
    epoll_ctl(poll, EPOLL_CTL_ADD, connections.back().fd, &event);
  }
  for (auto& c : connections) {
    for (int k = 0; k < options.inflight; ++k) publish(c, payload);
    flush(c);
  }
  Result result;
  const double begin = now_s() + options.warmup;
  const double end = begin + options.duration;
  double cpu_begin = 0;
  bool measuring = false;
  static char buffer[65'536];
  std::vector<epoll_event> events(256);
  for (double now = now_s(); now < end; now = now_s()) {
    if (!measuring && now >= begin) {
      measuring = true;
      if (options.pid != 0) cpu_begin = cpu_s(options.pid);
    }
    const int ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < ready; ++i) {
      auto& c = connections[events[static_cast<std::size_t>(i)].data.u32];
      for (;;) {
        const ssize_t got = ::recv(c.fd, buffer, sizeof buffer, 0);
        if (got == 0) die("the broker closed a connection");
        if (got < 0) break;
        c.in.append(buffer, static_cast<std::size_t>(got));
      }
      take_acks(c, payload, measuring, result);
      flush(c);
    }
  }
  const double cpu = options.pid != 0 ? cpu_s(options.pid) - cpu_begin : 0;
  auto& latency = result.latency_ms;
  std::sort(latency.begin(), latency.end());
  const auto at = [&latency](double share) {
    return latency.empty()
               ? 0.0F
               : latency[static_cast<std::size_t>(share * static_cast<double>(latency.size() - 1))];
  };
  const auto count = static_cast<double>(result.acknowledged);
  std::printf(
      "{\"connections\":%d,\"inflight\":%d,\"size\":%zu,\"acknowledged\":%llu,\"per_s\":%.0f,"
      "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"cpu_us_per_msg\":%.2f,\"rss_kib\":%ld}\n",
      options.connections, options.inflight, options.size,
      static_cast<unsigned long long>(result.acknowledged), count / options.duration, at(0.5),
      at(0.99), at(1.0), count > 0 ? cpu * 1e6 / count : 0.0,
      options.pid != 0 ? status_kib(options.pid, "VmRSS:") : 0L);
  return result.acknowledged > 0 ? 0 : 1;
}
