#include "tests/bench/store_peers.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>

#include "daemon/base/clock.h"

namespace bench {
namespace {

using tg::store::Database;
using tg::store::Record;
using tg::store::Statement;

constexpr int kPayloads = 997;  // has no factor in common with the number of devices

std::string telemetry(int seed, std::size_t bytes) {
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

// With SQLite's default VFS. Debian's SQLite overwrites what is deleted, the peers' own does not.
Database open(const std::filesystem::path& file, const std::string& setup) {
  Database database = must(Database::open(file, Database::Mode::kSingleFile));
  must(database.exec("PRAGMA secure_delete=OFF; PRAGMA synchronous=FULL; " + setup));
  return database;
}

}  // namespace

void fail(const std::string& text) {
  std::fprintf(stderr, "store-bench: %s\n", text.c_str());
  std::exit(1);
}

Messages::Messages(std::size_t payload_bytes) {
  for (int device = 0; device < 200; ++device) {
    publishers_.push_back("sensor-" + std::to_string(1000 + device));
    topics_.push_back("plant/line-" + std::to_string(device % 8) + "/" + publishers_.back() + "/t");
  }
  for (int i = 0; i < kPayloads; ++i) payloads_.push_back(telemetry(i, payload_bytes));
}

Record Messages::record(std::size_t index) const {
  Record out;
  out.publisher = publishers_[index % publishers_.size()];
  out.topic = topics_[index % topics_.size()];
  out.payload = payloads_[index % kPayloads];
  out.qos = 1;
  out.received = {static_cast<std::int64_t>(1'790'000'000'000 + index),
                  static_cast<std::int64_t>(index), tg::ClockQuality::kSynchronised};
  return out;
}

AppendLog::AppendLog(const std::filesystem::path& path)
    : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600)) {
  if (file_.get() < 0) fail("cannot make " + path.string());
}

void AppendLog::put(const Messages& messages, std::size_t from, std::size_t to) {
  bytes_.clear();
  for (std::size_t i = from; i < to; ++i) tg::store::append_record(bytes_, messages.record(i));
  if (::write(file_.get(), bytes_.data(), bytes_.size()) != static_cast<ssize_t>(bytes_.size()) ||
      ::fdatasync(file_.get()) != 0) {
    fail("cannot write the log");
  }
  groups_.emplace_back(bytes_.size(), to - from);
}

std::size_t AppendLog::take() {
  const auto [size, count] = groups_.front();
  groups_.pop_front();
  bytes_.resize(size);
  if (::pread(file_.get(), bytes_.data(), size, read_) != static_cast<ssize_t>(size))
    fail("cannot read the log");
  read_ += static_cast<off_t>(size);
  tg::store::RecordCursor cursor(bytes_);
  Record record;
  while (cursor.next(record)) continue;
  return count;
}

Table::Table(const std::filesystem::path& file, const std::string& setup, const std::string& insert)
    : database_(open(file, "PRAGMA journal_mode=WAL; " + setup)),
      insert_(must(database_.prepare(insert))),
      select_(must(database_.prepare("SELECT * FROM message WHERE seq >= ? ORDER BY seq LIMIT ?"))),
      delete_(must(database_.prepare("DELETE FROM message WHERE seq < ?"))) {}

void Table::put(const Messages& messages, std::size_t from, std::size_t to) {
  must(database_.exec("BEGIN IMMEDIATE"));
  for (std::size_t i = from; i < to; ++i) {
    const auto record = messages.record(i);
    bind(insert_, record);
    must(insert_.run());
  }
  delete_.bind(1, next_);
  must(delete_.run());
  must(database_.exec("COMMIT"));
  batch_ = std::max(batch_, to - from);
  if (database_.wal_pages() >= 1000) must(database_.checkpoint());  // SQLite's own default
}

std::size_t Table::take() {
  select_.bind(1, next_).bind(2, std::uint64_t{batch_});
  std::size_t taken = 0;
  for (; must(select_.step()); ++taken) next_ = select_.integer(0) + 1;
  return taken;
}

RowTable::RowTable(const std::filesystem::path& file)
    : Table(file,
            "CREATE TABLE message(seq INTEGER PRIMARY KEY, topic TEXT, publisher TEXT,"
            " qos INTEGER, received INTEGER, payload BLOB)",
            "INSERT INTO message(topic, publisher, qos, received, payload) VALUES(?,?,?,?,?)") {}

void RowTable::bind(Statement& insert, const Record& record) {
  insert.bind(1, record.topic)
      .bind(2, record.publisher)
      .bind(3, std::uint64_t{record.qos})
      .bind(4, static_cast<std::uint64_t>(record.received.wall_ms))
      .bind_blob(5, record.payload);
}

FledgeTable::FledgeTable(const std::filesystem::path& file)
    : Table(file,
            "PRAGMA cache_size=-8000;"
            "CREATE TABLE message(seq INTEGER PRIMARY KEY AUTOINCREMENT, asset TEXT, reading TEXT,"
            " taken TEXT, stored TEXT); CREATE INDEX message_taken ON message(taken)",
            "INSERT INTO message(asset, reading, taken, stored) VALUES(?,?,?,?)") {}

void FledgeTable::bind(Statement& insert, const Record& record) {
  const std::int64_t second = record.received.wall_ms / 1000;
  if (second != second_) {
    second_ = second;
    std::array<char, 40> text{};
    const std::time_t at = second;
    std::tm parts{};
    ::gmtime_r(&at, &parts);
    time_.assign(text.data(),
                 std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S.000+00:00", &parts));
  }
  const std::string fraction = std::to_string(1000 + record.received.wall_ms % 1000);
  time_.replace(20, 3, fraction, 1, 3);
  insert.bind(1, record.topic).bind(2, record.payload).bind(3, time_).bind(4, time_);
}

GreengrassSpool::GreengrassSpool(const std::filesystem::path& file)
    : database_(open(
          file,
          "PRAGMA journal_mode=DELETE;"
          "CREATE TABLE message(seq INTEGER PRIMARY KEY, retries INTEGER, topic TEXT, qos INTEGER,"
          " retain INTEGER, payload BLOB, properties TEXT, expiry INTEGER, correlation BLOB,"
          " response TEXT, format INTEGER, type TEXT)")),
      insert_(must(database_.prepare(
          "INSERT INTO message VALUES(?,0,?,?,0,?,NULL,NULL,NULL,NULL,NULL,NULL)"))),
      select_(must(database_.prepare("SELECT * FROM message WHERE seq = ?"))),
      delete_(must(database_.prepare("DELETE FROM message WHERE seq = ?"))) {}

void GreengrassSpool::put(const Messages& messages, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i) {
    const auto record = messages.record(i);
    insert_.bind(1, std::uint64_t{i + 1})
        .bind(2, record.topic)
        .bind(3, std::uint64_t{record.qos})
        .bind_blob(4, record.payload);
    must(insert_.run());
  }
}

std::size_t GreengrassSpool::take() {
  select_.bind(1, next_);
  must(select_.run());
  delete_.bind(1, next_++);
  must(delete_.run());
  return 1;
}

}  // namespace bench
