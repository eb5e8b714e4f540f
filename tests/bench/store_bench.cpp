// What a durable message costs the store, beside peers in the same run (store_peers.h), and what a
// backlog costs at start.
//
//   store-bench ingest DIR       written only: an append log and the store, in turn
//   store-bench steady DIR       beside a backlog of 20,000 (--backlog) the oldest are read and
//                                deleted as fast as new ones come: a log, two tables, the store
//   store-bench spool DIR        the same for Greengrass' shape, one message a commit
//   store-bench delete DIR       a backlog is read and deleted, a commit for each batch
//   store-bench space DIR        what the files of a compressed store grow by
//   store-bench fill DIR         fills a store, one commit per group
//   store-bench fill-single DIR  N segments of one record, past the merging
//   store-bench turnover DIR     steady, on what fill made
//   store-bench open DIR         opens it: time, records, resident memory
//   store-bench drain DIR        reads all and advances: CPU µs per message
//
// Options: --messages N, --group N (messages a commit), --payload BYTES, --rounds N, --backlog N.
// DIR must not be a tmpfs: fdatasync would be free there. One process, its main thread is the loop.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
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
#include "tests/bench/store_peers.h"

namespace {

using namespace bench;
using tg::store::Store;

std::atomic<std::uint64_t> syncs = 0;

struct Usage {
  double cpu_us = 0;
  double written = 0;  // bytes given to write(), this process
  double syncs = 0;
};

Usage usage() {
  rusage times{};
  ::getrusage(RUSAGE_SELF, &times);
  Usage out;
  out.syncs = static_cast<double>(syncs);
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

// What the block device below the folder has got, with all that is not there yet.
double device_bytes(const std::filesystem::path& folder) {
  const tg::UniqueFd opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (::syncfs(opened.get()) != 0 || ::fstat(opened.get(), &status) != 0)
    fail("cannot sync " + folder.string());
  std::ifstream counters("/sys/dev/block/" + std::to_string(major(status.st_dev)) + ":" +
                         std::to_string(minor(status.st_dev)) + "/stat");
  double sectors = 0;
  for (int field = 0; field < 7; ++field) counters >> sectors;
  return sectors * 512;
}

double ms_since(std::chrono::steady_clock::time_point started) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started)
      .count();
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

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// What each kind of work took, round by round; prints the medians, and the ratios of CPU to the
// first kind.
class Comparison {
 public:
  explicit Comparison(std::filesystem::path directory) : directory_(std::move(directory)) {}

  template <class Work>
  void measure(const std::string& name, std::size_t count, const Messages& messages, Work work) {
    const auto per_message = static_cast<double>(count);
    const double per_byte = per_message * static_cast<double>(messages.payload_bytes());
    commit_ms_.clear();
    commit_syncs_.clear();
    const double device = device_bytes(directory_);
    const Usage before = usage();
    work();
    const Usage after = usage();
    if (!figures_.contains(name)) names_.push_back(name);
    auto& figures = figures_[name];
    figures["cpu"].push_back((after.cpu_us - before.cpu_us) / per_message);
    figures["written"].push_back((after.written - before.written) / per_byte);
    figures["device"].push_back((device_bytes(directory_) - device) / per_byte);
    figures["syncs"].push_back((after.syncs - before.syncs) /
                               static_cast<double>(commit_ms_.size()));
    figures["commit_syncs"].push_back(median(commit_syncs_));
    figures["commit_ms"].push_back(median(commit_ms_));
  }
  // One commit of the work that is being measured.
  template <class Queue>
  void put(Queue& queue, const Messages& messages, std::size_t from, std::size_t to) {
    const std::uint64_t synced = syncs;
    const auto started = std::chrono::steady_clock::now();
    queue.put(messages, from, to);
    commit_ms_.push_back(ms_since(started));
    commit_syncs_.push_back(static_cast<double>(syncs - synced));
  }
  std::size_t commits() const { return commit_ms_.size(); }

  // cpu = µs per message; written = bytes given to write(), and device = bytes that the block
  // device got, for a byte of payload; syncs = per commit, commit_syncs and commit_ms the medians.
  void print() {
    const double base = median(figures_[names_.front()]["cpu"]);
    for (const auto& name : names_) {
      std::printf("%s:", name.c_str());
      for (const auto& [figure, values] : figures_[name])
        std::printf(" %s=%.3f", figure.c_str(), median(values));
      std::printf(" ratio=%.2f\n", median(figures_[name]["cpu"]) / base);
    }
  }

 private:
  std::filesystem::path directory_;
  std::vector<std::string> names_;
  std::map<std::string, std::map<std::string, std::vector<double>>> figures_;
  std::vector<double> commit_ms_, commit_syncs_;
};

using Settings = std::map<std::string, std::size_t>;

// A new folder in it, for one round of one kind.
std::filesystem::path emptied(const std::filesystem::path& directory) {
  std::filesystem::remove_all(directory / "work");
  std::filesystem::create_directory(directory / "work");
  return directory / "work";
}

template <class Queue>
void fill(Queue& queue, const Messages& messages, std::size_t count, std::size_t group) {
  for (std::size_t put = 0; put < count; put += group)
    queue.put(messages, put, std::min(count, put + group));
}

void ingest(const std::filesystem::path& directory, Settings& set) {
  const Messages messages(set["--payload"]);
  const std::size_t count = set["--messages"];
  Comparison comparison(directory);
  const auto work = [&](auto queue) {
    for (std::size_t done = 0; done < count; done += set["--group"])
      comparison.put(queue, messages, done, std::min(count, done + set["--group"]));
  };
  for (std::size_t round = 0; round < set["--rounds"]; ++round) {
    auto folder = emptied(directory);
    comparison.measure("append log", count, messages, [&] { work(AppendLog(folder / "log")); });
    folder = emptied(directory);
    comparison.measure("store", count, messages, [&] { work(Bench(folder)); });
  }
  comparison.print();
}

// As many as have come are taken.
template <class Queue>
void turn_over(const std::string& name, Queue& queue, const Messages& messages, std::size_t from,
               Settings& set, Comparison& comparison) {
  const std::size_t count = set["--messages"];
  comparison.measure(name, count, messages, [&] {
    std::size_t taken = 0;
    for (std::size_t put = 0; put < count;) {
      comparison.put(queue, messages, from + put, from + put + set["--group"]);
      put += set["--group"];
      while (taken < put) taken += queue.take();
    }
  });
}

void steady(const std::filesystem::path& directory, Settings& set) {
  const Messages messages(set["--payload"]);
  Comparison comparison(directory);
  const auto work = [&](const std::string& name, auto queue) {
    fill(queue, messages, set["--backlog"], set["--group"]);
    turn_over(name, queue, messages, set["--backlog"], set, comparison);
  };
  for (std::size_t round = 0; round < set["--rounds"]; ++round) {
    work("append log", AppendLog(emptied(directory) / "log"));
    work("row per message", RowTable(emptied(directory) / "rows.db"));
    work("Fledge's shape", FledgeTable(emptied(directory) / "fledge.db"));
    work("store", Bench(emptied(directory)));
    work("store, compressed", Bench(emptied(directory), true));
  }
  comparison.print();
}

void spool(const std::filesystem::path& directory, Settings& set) {
  const Messages messages(set["--payload"]);
  Comparison comparison(directory);
  set["--group"] = 1;
  for (std::size_t round = 0; round < set["--rounds"]; ++round) {
    GreengrassSpool queue(emptied(directory) / "spool.db");
    fill(queue, messages, set["--backlog"], 1);
    turn_over("Greengrass' shape", queue, messages, set["--backlog"], set, comparison);
  }
  comparison.print();
}

void turnover(const std::filesystem::path& directory, Settings& set) {
  const Messages messages(set["--payload"]);
  Comparison comparison(directory);
  Bench bench(directory);
  for (std::size_t round = 0; round < set["--rounds"]; ++round)
    turn_over("store", bench, messages, 0, set, comparison);
  comparison.print();
}

// One message comes with each batch that goes: the store does not hurry to commit a deletion alone.
void delete_backlog(const std::filesystem::path& directory, Settings& set) {
  const Messages messages(set["--payload"]);
  const std::size_t count = set["--backlog"];
  Comparison comparison(directory);
  const auto work = [&](const std::string& name, auto& queue) {
    comparison.measure(name, count, messages, [&] {
      std::size_t next = count;
      for (std::size_t taken = 0; taken < count; ++next) {
        taken += queue.take();
        comparison.put(queue, messages, next, next + 1);
      }
    });
  };
  for (std::size_t round = 0; round < set["--rounds"]; ++round) {
    {
      Bench bench(emptied(directory));
      fill(bench, messages, count, set["--group"]);
      work("store", bench);
    }
    RowTable rows(emptied(directory) / "rows.db");
    fill(rows, messages, count, set["--group"]);
    rows.set_batch(count / comparison.commits());  // as large as the store's
    work("row per message", rows);
  }
  comparison.print();
}

// What the files take up more when it is opened and filled once more: neither the room kept free
// nor the WAL counts.
void space(const std::filesystem::path& directory, Settings& set) {
  const Messages messages(set["--payload"]);
  const std::size_t count = set["--messages"];
  const auto folder = emptied(directory);
  const auto filled = [&] {
    {
      Bench bench(folder, true);
      fill(bench, messages, count, set["--group"]);
    }
    double blocks = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      struct stat status {};
      if (::stat(file.path().c_str(), &status) == 0)
        blocks += static_cast<double>(status.st_blocks);
    }
    return blocks * 512;
  };
  const double before = filled();
  std::printf("store, compressed: disk=%.3f\n",
              (filled() - before) / static_cast<double>(count * messages.payload_bytes()));
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
  const double ms = ms_since(started);
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
  const double s = ms_since(started) / 1000;
  std::printf("%.0f records drained in %.2f s, %.2f CPU us/message, peak %ld kB\n", count, s,
              (usage().cpu_us - before.cpu_us) / count, status_kb("VmHWM:"));
}

}  // namespace

// SQLite's come here too.
extern "C" int fdatasync(int file) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}
extern "C" int fsync(int file) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fsync, file));
}

int main(int argc, char** argv) {
  if (argc < 3 || argc % 2 == 0) {
    fail(
        "usage: store-bench ingest|steady|spool|delete|space|fill|fill-single|turnover|open|drain "
        "DIR [--messages N] [--group N] [--payload N] [--rounds N] [--backlog N]");
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
  } else if (what == "spool") {
    spool(directory, set);
  } else if (what == "delete") {
    delete_backlog(directory, set);
  } else if (what == "space") {
    space(directory, set);
  } else if (what == "turnover") {
    turnover(directory, set);
  } else if (what == "fill") {
    Bench bench(directory);
    fill(bench, Messages(set["--payload"]), set["--messages"], set["--group"]);
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
