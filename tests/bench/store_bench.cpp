// What a durable message costs the store, beside a plain append log with fdatasync in the same run,
// and what a backlog costs at start.
//
//   store-bench ingest DIR [--messages N] [--group N] [--payload BYTES] [--rounds N]
//     CPU µs per message and bytes written ÷ payload, log and store in turn, medians.
//   store-bench steady DIR [--messages N] [--group N] [--payload BYTES] [--rounds N]
//     The same with a backlog of 20,000 (--backlog) in front of it, whose oldest are read and
//     deleted as fast as new ones come; beside the log a table with a row per message, and the
//     store with compression.
//   store-bench fill DIR --messages N --group N      fills a store, one commit per group
//   store-bench fill-single DIR --messages N         N segments of one record, past the merging
//   store-bench open DIR                             opens it: time, records, resident memory
//   store-bench drain DIR                            reads all and advances: CPU µs per message
//
// DIR must not be a tmpfs: fdatasync would be free there. One process, its main thread is the loop.
// Payloads are telemetry as JSON, each with its own values.
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
#include <random>
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

template <class T>
T must(tg::Result<T> result) {
  if (!result) fail(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
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
    for (int i = 0; i < kPayloads; ++i) payloads_.push_back(telemetry(i, payload_bytes));
  }
  tg::store::Record record(std::size_t index) const {
    tg::store::Record out;
    out.publisher = publishers_[index % publishers_.size()];
    out.topic = topics_[index % topics_.size()];
    out.payload = payloads_[index % kPayloads];
    out.qos = 1;
    out.received = {static_cast<std::int64_t>(1'790'000'000'000 + index),
                    static_cast<std::int64_t>(index), tg::ClockQuality::kSynchronised};
    return out;
  }
  std::size_t payload_bytes() const { return payloads_.front().size(); }

 private:
  static constexpr int kPayloads = 997;  // has no factor in common with the number of devices

  static std::string telemetry(int seed, std::size_t bytes) {
    std::minstd_rand random(static_cast<unsigned>(seed) + 1);
    std::string out = R"({"ts":)" + std::to_string(1'790'000'000'000 + seed * 137);
    for (int value = 0; out.size() + 24 < bytes; ++value) {
      out += ",\"v" + std::to_string(value) + "\":" + std::to_string(random() % 100'000) + "." +
             std::to_string(random() % 100);
    }
    out += R"(,"s":")";
    out.resize(std::max(out.size() + 2, bytes) - 2, 'x');
    return out + "\"}";
  }

  std::vector<std::string> publishers_;
  std::vector<std::string> topics_;
  std::vector<std::string> payloads_;
};

tg::store::StoreOptions options(const std::filesystem::path& directory, bool compress) {
  tg::store::StoreOptions out;
  out.directory = directory;
  tg::store::StreamOptions stream;
  stream.name = "telemetry";
  stream.max_size = 64ULL << 30;
  stream.commit_interval_ms = 0;
  stream.compress = compress;
  out.streams = {stream};
  out.readers = {{"telemetry", "cloud", tg::store::StartAt::kOldest}};
  return out;
}

class Bench {
 public:
  explicit Bench(const std::filesystem::path& directory, bool compress = false) {
    auto opened = Store::open(options(directory, compress), clock_, loop_.timers, loop_.post(),
                              loop_.metrics);
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
      put(messages, done, std::min(count, done + group));
    }
  }
  void put(const Messages& messages, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) store_->append(0, messages.record(i));
    commit();
  }

  // As an export does: a batch is read and passed; the store commits positions each second, or with
  // what else is committed. The number of records.
  std::size_t take() {
    const tg::store::Seq at = store_->position(0);
    std::optional<tg::store::Seq> end;
    store_->read(0, at, 128 << 10, [&](tg::Result<tg::store::Chunk> chunk) {
      if (!chunk) fail(chunk.error().message);
      end = chunk->end();
    });
    loop_.run_until([&] { return end.has_value(); });
    store_->advance(0, *end);
    return *end - at;
  }
  std::uint64_t drain() {
    std::uint64_t taken = 0;
    while (const std::size_t more = take()) taken += more;
    commit();
    return taken;
  }

  const Store& store() const { return *store_; }

 private:
  void commit() {
    store_->await(++token_);
    loop_.run_until([this] { return committed_ == token_; });
  }

  tg::SystemClock clock_;
  Loop loop_;
  std::unique_ptr<Store> store_;
  tg::store::Token token_ = 0;
  tg::store::Token committed_ = 0;
};

// The floor: the same records, appended to a file, one fdatasync per group. What has been taken is
// not deleted.
class AppendLog {
 public:
  explicit AppendLog(const std::filesystem::path& path)
      : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600)) {
    if (file_.get() < 0) fail("cannot make " + path.string());
  }
  void put(const Messages& messages, std::size_t from, std::size_t to) {
    bytes_.clear();
    for (std::size_t i = from; i < to; ++i) tg::store::append_record(bytes_, messages.record(i));
    if (::write(file_.get(), bytes_.data(), bytes_.size()) != static_cast<ssize_t>(bytes_.size()) ||
        ::fdatasync(file_.get()) != 0) {
      fail("cannot write the log");
    }
    groups_.emplace_back(bytes_.size(), to - from);
  }
  std::size_t take() {
    const auto [size, count] = groups_.front();
    groups_.pop_front();
    bytes_.resize(size);
    if (::pread(file_.get(), bytes_.data(), size, read_) != static_cast<ssize_t>(size))
      fail("cannot read the log");
    read_ += static_cast<off_t>(size);
    tg::store::RecordCursor cursor(bytes_);
    tg::store::Record record;
    while (cursor.next(record)) continue;
    return count;
  }

 private:
  tg::UniqueFd file_;
  std::string bytes_;
  std::deque<std::pair<std::size_t, std::size_t>> groups_;  // bytes, records
  off_t read_ = 0;
};

// What most gateways do: a row for each message, deleted with the next commit.
class RowTable {
 public:
  explicit RowTable(const std::filesystem::path& file)
      : database_(must(tg::store::Database::open(file, tg::store::Database::Mode::kSingleFile))) {
    must(database_.exec(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=OFF"));
    must(
        database_.exec("CREATE TABLE message(seq INTEGER PRIMARY KEY, topic TEXT, publisher TEXT,"
                       " qos INTEGER, received INTEGER, payload BLOB)"));
    insert_ = must(database_.prepare("INSERT INTO message VALUES(?,?,?,?,?,?)"));
    select_ =
        must(database_.prepare("SELECT seq, topic, publisher, qos, received, payload"
                               " FROM message WHERE seq >= ? ORDER BY seq LIMIT ?"));
    delete_ = must(database_.prepare("DELETE FROM message WHERE seq < ?"));
  }
  void put(const Messages& messages, std::size_t from, std::size_t to) {
    must(database_.exec("BEGIN IMMEDIATE"));
    for (std::size_t i = from; i < to; ++i) {
      const auto record = messages.record(i);
      insert_.bind(1, std::uint64_t{i + 1})
          .bind(2, record.topic)
          .bind(3, record.publisher)
          .bind(4, std::uint64_t{record.qos})
          .bind(5, static_cast<std::uint64_t>(record.received.wall_ms))
          .bind_blob(6, record.payload);
      must(insert_.run());
    }
    delete_.bind(1, next_);
    must(delete_.run());
    must(database_.exec("COMMIT"));
    group_ = to - from;
    if (database_.wal_pages() >= 1000) must(database_.checkpoint());  // SQLite's own default
  }
  std::size_t take() {
    select_.bind(1, next_).bind(2, std::uint64_t{group_});
    std::size_t taken = 0;
    for (; must(select_.step()); ++taken) next_ = select_.integer(0) + 1;
    return taken;
  }

 private:
  tg::store::Database database_;
  tg::store::Statement insert_, select_, delete_;
  std::uint64_t next_ = 1;
  std::size_t group_ = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// What each kind of work took, round by round; prints the medians, and ratios to the first kind.
class Comparison {
 public:
  Comparison(std::size_t messages, std::size_t payload_bytes)
      : messages_(static_cast<double>(messages)),
        payload_(static_cast<double>(messages * payload_bytes)) {}

  template <class Work>
  void measure(const std::string& name, Work work) {
    const Usage before = usage();
    work();
    const Usage after = usage();
    if (!cpu_.contains(name)) names_.push_back(name);
    cpu_[name].push_back((after.cpu_us - before.cpu_us) / messages_);
    written_[name].push_back((after.written - before.written) / payload_);
  }
  void print() {
    const double base = median(cpu_[names_.front()]);
    for (const auto& name : names_) {
      std::printf("%-24s %7.2f CPU us/message  %5.2f bytes written / payload byte  ratio %.2f\n",
                  name.c_str(), median(cpu_[name]), median(written_[name]),
                  median(cpu_[name]) / base);
    }
  }

 private:
  double messages_;
  double payload_;
  std::vector<std::string> names_;
  std::map<std::string, std::vector<double>> cpu_, written_;
};

using Settings = std::map<std::string, std::size_t>;

void ingest(const std::filesystem::path& directory, Settings& set) {
  const Messages messages(set["--payload"]);
  const std::size_t count = set["--messages"];
  const std::size_t group = set["--group"];
  Comparison comparison(count, messages.payload_bytes());
  for (std::size_t round = 0; round < set["--rounds"]; ++round) {
    comparison.measure("append log", [&] {
      AppendLog log(directory / "log");
      for (std::size_t done = 0; done < count; done += group)
        log.put(messages, done, std::min(count, done + group));
    });
    comparison.measure("store", [&] {
      std::filesystem::create_directory(directory / "store");
      Bench(directory / "store").ingest(messages, count, group);
    });
    std::filesystem::remove(directory / "log");
    std::filesystem::remove_all(directory / "store");
  }
  comparison.print();
}

template <class Queue>
void steady(const std::string& name, Queue queue, const Messages& messages, Settings& set,
            Comparison& comparison) {
  const std::size_t backlog = set["--backlog"];
  const std::size_t group = set["--group"];
  const std::size_t end = backlog + set["--messages"];
  std::size_t put = 0;
  for (; put < backlog; put += group) queue.put(messages, put, put + group);
  std::size_t taken = 0;
  comparison.measure(name, [&] {
    for (; put < end; put += group) {
      queue.put(messages, put, put + group);
      while (put - taken > backlog) taken += queue.take();
    }
  });
}

void steady(const std::filesystem::path& directory, Settings& set) {
  const Messages messages(set["--payload"]);
  Comparison comparison(set["--messages"], messages.payload_bytes());
  for (std::size_t round = 0; round < set["--rounds"]; ++round) {
    const auto folder = [&](const char* name) {
      std::filesystem::remove_all(directory / "steady");
      std::filesystem::create_directory(directory / "steady");
      return directory / "steady" / name;
    };
    steady("append log", AppendLog(folder("log")), messages, set, comparison);
    steady("row per message", RowTable(folder("rows.db")), messages, set, comparison);
    steady("store", Bench(folder(".")), messages, set, comparison);
    steady("store, compressed", Bench(folder("."), true), messages, set, comparison);
    std::filesystem::remove_all(directory / "steady");
  }
  comparison.print();
}

// Each record a segment of its own, which merging would not leave: the worst case for the index.
void insert_single(const std::filesystem::path& directory, const Messages& messages,
                   std::size_t count) {
  auto database = must(
      tg::store::Database::open(directory / "streams.db", tg::store::Database::Mode::kReadWrite));
  must(database.exec("PRAGMA synchronous=OFF; BEGIN"));
  auto insert = must(database.prepare("INSERT INTO segment_1 VALUES(?,1,9,?,?,1,?,?,0,?,?)"));
  std::uint64_t bytes = 0;
  std::string data;
  for (std::size_t i = 0; i < count; ++i) {
    const auto record = messages.record(i);
    data.clear();
    tg::store::append_record(data, record);
    const auto wall = static_cast<std::uint64_t>(record.received.wall_ms);
    insert.bind(1, std::uint64_t{i + 1})
        .bind(2, wall)
        .bind(3, wall)
        .bind(4, static_cast<std::uint64_t>(record.received.mono_ms))
        .bind(5, std::uint64_t{data.size()})
        .bind(6, std::uint64_t{tg::crc32c(data)})
        .bind_blob(7, data);
    must(insert.run());
    bytes += data.size();
  }
  must(database.exec("UPDATE stream SET next_seq = " + std::to_string(count + 1) +
                     ", bytes = " + std::to_string(bytes) + "; COMMIT"));
  must(database.exec("PRAGMA wal_checkpoint(TRUNCATE)"));
}

void fill_single(const std::filesystem::path& directory, const Messages& messages,
                 std::size_t count) {
  { const Bench made(directory); }
  insert_single(directory, messages, count);
  // A start takes the WAL that is not there for a loss and reads everything: this one, not the
  // next.
  const Bench checked(directory);
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
        "usage: store-bench ingest|steady|fill|fill-single|open|drain DIR [--messages N] "
        "[--group N] [--payload N] [--rounds N] [--backlog N]");
  }
  const std::string what = argv[1];
  const std::filesystem::path directory = argv[2];
  Settings set{{"--messages", 200'000},
               {"--group", 100},
               {"--payload", 256},
               {"--rounds", 5},
               {"--backlog", 20'000}};
  for (int i = 3; i + 1 < argc; i += 2) {
    const auto found = set.find(argv[i]);
    if (found == set.end()) fail(std::string("unknown option ") + argv[i]);
    found->second = std::strtoull(argv[i + 1], nullptr, 10);
    if (found->second == 0) fail(std::string(argv[i]) + " must be a number above 0");
  }
  std::filesystem::create_directories(directory);
  if (what == "ingest") {
    ingest(directory, set);
  } else if (what == "steady") {
    steady(directory, set);
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
