// mqttload: load generator and measuring instrument for MQTT brokers. --help lists the options.
//
//   mqttload MODE [--option value]...        one JSON line on stdout; exit code 0 = it ran
//
// Modes
//   fanin     publishers on sensors/N/telemetry, subscribers on sensors/#       (100 : 1)
//   fanout    publishers on fan/topic, subscribers on it                        (1 : 100)
//   pairs     publishers on pair/N/d, a subscriber for each                     (100 : 100)
//   wildcard  subscribers that hold 1000 filters with + and # together, publishers over 1000 topics
//   storm     connections opened as fast as --conc allows, each closed after its CONNACK
//   idle      connections that stay and do nothing
//
// Reading the line
//   cpu_us_per_publish, cpu_us_per_delivery: the broker's CPU while measuring; the figure that a
//   busy machine disturbs least. lost, gaps, reordered, dropped: over the whole run, warm-up and
//   drain included. latency_us: from the publish to its receipt; with a window that is queueing,
//   only with --rate is it latency. generator_use: of its core; near 1 the generator is the limit.
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/tools/mqttload/generator.h"
#include "tests/tools/mqttload/process_use.h"

namespace {

using Json = nlohmann::ordered_json;
using tg::load::Generator;
using tg::load::Histogram;
using tg::load::Mode;
using tg::load::Options;
using tg::load::ProcessUse;
using tg::load::Role;

void prepare_process(const Options& options) {
  ::signal(SIGPIPE, SIG_IGN);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (options.cpu < 0) return;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<std::size_t>(options.cpu), &cores);
  ::sched_setaffinity(0, sizeof(cores), &cores);
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

Json quantiles(const Histogram& histogram, double scale) {
  return {{"p50", histogram.quantile(0.5) / scale},
          {"p90", histogram.quantile(0.9) / scale},
          {"p99", histogram.quantile(0.99) / scale},
          {"max", histogram.largest() / scale}};
}

// A moment of a run.
struct Mark {
  explicit Mark(const Options& options, const Generator& generator)
      : broker(tg::load::use_of(options.broker_pids)),
        time_ns(tg::load::now_ns()),
        own_cpu_ns(tg::load::own_cpu_ns()),
        counts(generator.counts()),
        writes(generator.wire().writes),
        reads(generator.wire().reads) {}

  ProcessUse broker;
  std::uint64_t time_ns;
  std::uint64_t own_cpu_ns;
  tg::load::Counts counts;
  std::uint64_t writes;
  std::uint64_t reads;
};

double difference(std::uint64_t from, std::uint64_t to) { return static_cast<double>(to - from); }

Json interval(const Mark& from, const Mark& to) {
  const double ns = difference(from.time_ns, to.time_ns);
  const double sent = difference(from.counts.sent, to.counts.sent);
  const double received = difference(from.counts.received, to.counts.received);
  const double cpu_us = difference(from.broker.cpu_ns, to.broker.cpu_ns) / 1e3;
  return {{"published_per_s", sent / ns * 1e9},
          {"delivered_per_s", received / ns * 1e9},
          {"cpu_us_per_publish", ratio(cpu_us, sent)},
          {"cpu_us_per_delivery", ratio(cpu_us, received)},
          {"broker_use", cpu_us * 1e3 / ns},
          {"generator_use", difference(from.own_cpu_ns, to.own_cpu_ns) / ns},
          {"writes_per_publish", ratio(difference(from.writes, to.writes), sent)},
          {"reads_per_delivery", ratio(difference(from.reads, to.reads), received)},
          {"switches_per_delivery",
           ratio(difference(from.broker.switches, to.broker.switches), received)},
          {"rss_kb", to.broker.rss_kb}};
}

Json totals(const tg::load::Counts& counts) {
  const auto owed = static_cast<std::int64_t>(counts.fewest);
  return {{"published", counts.sent},
          {"delivered", counts.received},
          {"lost", std::max<std::int64_t>(owed - static_cast<std::int64_t>(counts.received), 0)},
          {"surplus", counts.received > counts.most ? counts.received - counts.most : 0},
          {"gaps", counts.gaps},
          {"reordered", counts.reordered},
          {"dropped", counts.dropped},
          {"forgiven", counts.forgiven}};
}

// The error, or nothing.
std::string run_messages(const Options& options, Generator& generator, Json& report) {
  if (!generator.open(Role::kSubscriber)) return "not all subscribers were accepted";
  if (!generator.open(Role::kPublisher)) return "not all publishers were accepted";
  generator.publish(options.warmup_s);
  const Mark from(options, generator);
  generator.start_measuring();
  generator.publish(options.duration_s);
  const Mark to(options, generator);
  generator.drain();
  report.update(interval(from, to));
  report.update(totals(generator.counts()));
  report["latency_us"] = quantiles(generator.latency_ns(), 1e3);
  return {};
}

std::string run_connections(const Options& options, Generator& generator, Json& report) {
  const Mark from(options, generator);
  if (!generator.open(Role::kIdle)) return "not all connections were accepted";
  const Mark opened(options, generator);
  const double count = options.connections;
  const double ns = difference(from.time_ns, opened.time_ns);
  report["connects_per_s"] = count / ns * 1e9;
  report["cpu_us_per_connect"] = difference(from.broker.cpu_ns, opened.broker.cpu_ns) / 1e3 / count;
  report["resumed"] = generator.wire().resumed;
  report["connect_ms"] = quantiles(generator.connect_us(), 1e3);
  if (options.mode == Mode::kStorm) return {};
  generator.idle(1);
  const Mark calm(options, generator);
  generator.idle(options.duration_s);
  const Mark end(options, generator);
  report["idle_broker_use"] =
      difference(calm.broker.cpu_ns, end.broker.cpu_ns) / difference(calm.time_ns, end.time_ns);
  const double grown_kb =
      static_cast<double>(end.broker.rss_kb) - static_cast<double>(from.broker.rss_kb);
  report["rss_bytes_per_connection"] = grown_kb * 1024 / count;
  report["dropped"] = generator.counts().dropped;
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = tg::load::parse_options(argc, argv);
  prepare_process(options);
  const auto scenario = tg::load::make_scenario(options);
  Generator generator(options, scenario);
  Json report{{"mode", options.mode_name}};
  const bool is_connections = options.mode == Mode::kStorm || options.mode == Mode::kIdle;
  const auto error = is_connections ? run_connections(options, generator, report)
                                    : run_messages(options, generator, report);
  if (!error.empty()) {
    report["error"] = error;
    report["ready"] = generator.counts().ready;
    report["failed"] = generator.counts().failed;
  }
  std::printf("%s\n", report.dump().c_str());
  return error.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}
