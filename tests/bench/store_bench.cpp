// What a durable message costs the store, beside a plain append log with fdatasync in the same run,
// and what a backlog costs at start.
//
//   store-bench ingest DIR [--messages N] [--group N] [--payload BYTES] [--rounds N]
//     CPU µs per message and bytes written ÷ payload, log and store in turn, medians.
//   store-bench fill DIR --messages N --group N      fills a store, one commit per group
//   store-bench fill-single DIR --messages N         N segments of one record, past the merging
//   store-bench open DIR                             opens it: time, records, resident memory
//   store-bench drain DIR                            reads all and advances: CPU µs per message
//
// DIR must not be a tmpfs: fdatasync would be free there. One process, its main thread is the loop.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/base/unique_fd.h"
#include "daemon/store/sqlite.h"
#include "daemon/store/store.h"

namespace {

using tg::store::Store;

[[noreturn]] void fail(const std::string& text) {
  std::fprintf(stderr, "store-bench: %s\n", text.c_str());
  std::exit(1);
}

struct Usage {
  double cpu_us = 0;
  double written = 0;  // bytes given to write(), this process
};

Usage usage() {
  rusage times{};
  ::getrusage(RUSAGE_SELF, &times);
  Usage out;
  out.cpu_us = static_cast<double>(times.ru_utime.tv_sec + times.ru_stime.tv_sec) * 1e6 +
               static_cast<double>(times.ru_utime.tv_usec + times.ru_stime.tv_usec);
  std::ifstream io("/proc/self/io");
  for (std::string key; io >> key;) {
    double value = 0;
    io >> value;
    if (key == "wchar:") out.written = value;
  }
  return out;
}

long status_kb(const char* wanted) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(wanted))
      return std::strtol(line.c_str() + std::string(wanted).size(), nullptr, 10);
  }
  return 0;
}

class Loop {
 public:
  tg::Post post() {
    return [this](tg::Task task) {
      {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
      }
      ready_.notify_one();
    };
  }
  template <typename Condition>
  void run_until(Condition condition) {
    using std::chrono::milliseconds;
    while (true) {
      const auto now = std::chrono::steady_clock::now();
      const auto passed = std::chrono::duration_cast<milliseconds>(now - at_);
      at_ += passed;
      timers.advance_ms(passed.count());
      if (condition()) return;
      std::deque<tg::Task> tasks;
      {
        std::unique_lock lock(mutex_);
        ready_.wait_for(lock, milliseconds(20), [this] { return !tasks_.empty(); });
        tasks.swap(tasks_);
      }
      for (auto& task : tasks) task();
    }
  }

  tg::FakeTimers timers;
  tg::Metrics metrics;

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<tg::Task> tasks_;
  std::chrono::steady_clock::time_point at_ = std::chrono::steady_clock::now();
};

// 200 devices, one topic each, telemetry as JSON.
class Messages {
 public:
  explicit Messages(std::size_t payload_bytes) {
    for (int device = 0; device < 200; ++device) {
      publishers_.push_back("sensor-" + std::to_string(1000 + device));
      topics_.push_back("plant/line-" + std::to_string(device % 8) + "/" + publishers_.back() +
                        "/t");
    }
    payload_ = R"({"temperature":21.5,"humidity":40.25,"state":"running","note":")";
    while (payload_.size() + 2 < payload_bytes)
      payload_ += static_cast<char>('a' + payload_.size() % 26);
    payload_ += "\"}";
  }
  tg::store::Record record(std::size_t index) const {
    tg::store::Record out;
    out.publisher = publishers_[index % publishers_.size()];
    out.topic = topics_[index % topics_.size()];
    out.payload = payload_;
    out.qos = 1;
    out.received = {static_cast<std::int64_t>(1'790'000'000'000 + index),
                    static_cast<std::int64_t>(index), tg::ClockQuality::kSynchronised};
    return out;
  }
  std::size_t payload_bytes() const { return payload_.size(); }

 private:
  std::vector<std::string> publishers_;
  std::vector<std::string> topics_;
  std::string payload_;
};

tg::store::StoreOptions options(const std::filesystem::path& directory) {
  tg::store::StoreOptions out;
  out.directory = directory;
  tg::store::StreamOptions stream;
  stream.name = "telemetry";
  stream.max_size = 64ULL << 30;
  stream.commit_interval_ms = 0;
  out.streams = {stream};
  out.readers = {{"telemetry", "cloud", tg::store::StartAt::kOldest}};
  return out;
}

class Bench {
 public:
  explicit Bench(const std::filesystem::path& directory) {
    auto opened =
        Store::open(options(directory), clock_, loop_.timers, loop_.post(), loop_.metrics);
    if (!opened) fail(opened.error().message);
    store_ = std::move(*opened);
    Store::Events events;
    events.on_committed = [this](std::span<const tg::store::Token> tokens) {
      committed_ = tokens.back();
    };
    events.on_room = [] {};
    events.on_advanced = [](tg::store::StreamId) {};
    events.on_health = [](tg::store::Health, std::string_view reason) {
      if (!reason.empty()) fail("the store: " + std::string(reason));
    };
    store_->set_events(std::move(events));
  }

  void ingest(const Messages& messages, std::size_t count, std::size_t group) {
    for (std::size_t done = 0; done < count; done += group) {
      for (std::size_t i = done; i < std::min(count, done + group); ++i) {
        store_->append(0, messages.record(i));
      }
      store_->await(++token_);
      loop_.run_until([this] { return committed_ == token_; });
    }
  }

  // As an export does: the store commits positions each second, not with each batch.
  std::uint64_t drain() {
    tg::store::Seq at = store_->position(0);
    const tg::store::Seq first = at;
    while (true) {
      bool answered = false;
      bool empty = false;
      store_->read(0, at, 128 << 10, [&](tg::Result<tg::store::Chunk> chunk) {
        if (!chunk) fail(chunk.error().message);
        empty = chunk->records.empty();
        at = chunk->end();
        answered = true;
      });
      loop_.run_until([&] { return answered; });
      store_->advance(0, at);
      if (!empty) continue;
      store_->await(++token_);
      loop_.run_until([this] { return committed_ == token_; });
      return at - first;
    }
  }

  const Store& store() const { return *store_; }

 private:
  tg::SystemClock clock_;
  Loop loop_;
  std::unique_ptr<Store> store_;
  tg::store::Token token_ = 0;
  tg::store::Token committed_ = 0;
};

// The floor: the same records, appended to a file, one fdatasync per group.
void append_log(const std::filesystem::path& path, const Messages& messages, std::size_t count,
                std::size_t group) {
  const tg::UniqueFd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  if (file.get() < 0) fail("cannot make " + path.string());
  std::string bytes;
  for (std::size_t done = 0; done < count; done += group) {
    bytes.clear();
    for (std::size_t i = done; i < std::min(count, done + group); ++i) {
      tg::store::append_record(bytes, messages.record(i));
    }
    if (::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::fdatasync(file.get()) != 0) {
      fail("cannot write " + path.string());
    }
  }
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void ingest(const std::filesystem::path& directory, std::map<std::string, std::size_t>& set) {
  const Messages messages(set["--payload"]);
  const std::size_t count = set["--messages"];
  const double payload = static_cast<double>(count * messages.payload_bytes());
  std::map<std::string, std::vector<double>> cpu, written;
  for (std::size_t round = 0; round < set["--rounds"]; ++round) {
    const auto measure = [&](const std::string& name, auto work) {
      const Usage before = usage();
      work();
      const Usage after = usage();
      cpu[name].push_back((after.cpu_us - before.cpu_us) / static_cast<double>(count));
      written[name].push_back((after.written - before.written) / payload);
    };
    measure("append log", [&] { append_log(directory / "log", messages, count, set["--group"]); });
    measure("store", [&] {
      std::filesystem::create_directory(directory / "store");
      Bench(directory / "store").ingest(messages, count, set["--group"]);
    });
    std::filesystem::remove(directory / "log");
    std::filesystem::remove_all(directory / "store");
  }
  for (const char* name : {"append log", "store"}) {
    std::printf("%-10s  group %5zu  %7.2f CPU us/message  %5.2f bytes written / payload byte\n",
                name, set["--group"], median(cpu[name]), median(written[name]));
  }
  std::printf("ratio       %.2f\n", median(cpu["store"]) / median(cpu["append log"]));
}

// Each record a segment of its own, which merging would not leave: the worst case for the index.
void fill_single(const std::filesystem::path& directory, const Messages& messages,
                 std::size_t count) {
  { Bench made(directory); }
  auto database =
      tg::store::Database::open(directory / "streams.db", tg::store::Database::Mode::kReadWrite);
  if (!database) fail(database.error().message);
  const auto must = [](const auto& result) {
    if (!result) fail(result.error().message);
  };
  must(database->exec("PRAGMA synchronous=OFF; BEGIN"));
  auto insert = database->prepare("INSERT INTO segment_1 VALUES(?,1,9,?,?,1,?,?,0,?,?)");
  must(insert);
  std::uint64_t bytes = 0;
  std::string data;
  for (std::size_t i = 0; i < count; ++i) {
    const auto record = messages.record(i);
    data.clear();
    tg::store::append_record(data, record);
    const auto wall = static_cast<std::uint64_t>(record.received.wall_ms);
    insert->bind(1, std::uint64_t{i + 1})
        .bind(2, wall)
        .bind(3, wall)
        .bind(4, static_cast<std::uint64_t>(record.received.mono_ms))
        .bind(5, std::uint64_t{data.size()})
        .bind(6, std::uint64_t{tg::crc32c(data)})
        .bind_blob(7, data);
    must(insert->run());
    bytes += data.size();
  }
  must(database->exec("UPDATE stream SET next_seq = " + std::to_string(count + 1) +
                      ", bytes = " + std::to_string(bytes) + "; COMMIT"));
  must(database->exec("PRAGMA wal_checkpoint(TRUNCATE)"));  // else the next start reads all of it
}

void open(const std::filesystem::path& directory) {
  const long before = status_kb("VmRSS:");
  const auto started = std::chrono::steady_clock::now();
  const Bench bench(directory);
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
  const auto status = bench.store().status(0);
  std::printf(
      "%llu records, opened in %.1f ms; resident before %ld kB, after %ld kB, peak %ld kB\n",
      static_cast<unsigned long long>(status.next - status.first), ms, before, status_kb("VmRSS:"),
      status_kb("VmHWM:"));
}

void drain(const std::filesystem::path& directory) {
  Bench bench(directory);
  const Usage before = usage();
  const auto started = std::chrono::steady_clock::now();
  const auto count = static_cast<double>(bench.drain());
  const double s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  std::printf("%.0f records drained in %.2f s, %.2f CPU us/message, peak %ld kB\n", count, s,
              (usage().cpu_us - before.cpu_us) / count, status_kb("VmHWM:"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc % 2 == 0) {
    fail(
        "usage: store-bench ingest|fill|fill-single|open|drain DIR [--messages N] [--group N] "
        "[--payload N] "
        "[--rounds N]");
  }
  const std::string what = argv[1];
  const std::filesystem::path directory = argv[2];
  std::map<std::string, std::size_t> set{
      {"--messages", 200'000}, {"--group", 100}, {"--payload", 256}, {"--rounds", 5}};
  for (int i = 3; i + 1 < argc; i += 2) {
    const auto found = set.find(argv[i]);
    if (found == set.end()) fail(std::string("unknown option ") + argv[i]);
    found->second = std::strtoull(argv[i + 1], nullptr, 10);
    if (found->second == 0) fail(std::string(argv[i]) + " must be a number above 0");
  }
  std::filesystem::create_directories(directory);
  if (what == "ingest") {
    ingest(directory, set);
  } else if (what == "fill") {
    Bench(directory).ingest(Messages(set["--payload"]), set["--messages"], set["--group"]);
  } else if (what == "fill-single") {
    fill_single(directory, Messages(set["--payload"]), set["--messages"]);
  } else if (what == "open") {
    open(directory);
  } else if (what == "drain") {
    drain(directory);
  } else {
    fail("unknown command " + what);
  }
}
