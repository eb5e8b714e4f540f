#include "daemon/store/reader.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "daemon/base/log.h"
#include "daemon/base/thread_name.h"
#include "daemon/store/schema.h"

namespace tg::store {
namespace {

const log::Component kLog{"store"};

constexpr std::size_t kQueue = 1024;
constexpr int kDamaged = 2;  // reads in a row that fail as corrupt

// Adds the records of a segment from `from` on. False when the bytes are damaged: nothing is added.
bool add_segment(Chunk& chunk, Seq first, std::uint64_t count, std::string records, Seq from) {
  chunk.segments.push_back(std::move(records));
  const std::size_t before = chunk.records.size();
  RecordCursor cursor(chunk.segments.back());
  Record record;
  Seq seq = first;
  for (; cursor.next(record); ++seq) {
    if (seq >= from) chunk.records.push_back(record);
  }
  if (!cursor.failed() && seq == first + count) return true;
  chunk.records.resize(before);
  chunk.segments.pop_back();
  return false;
}

}  // namespace

Reader::Reader(std::filesystem::path file, std::vector<std::uint64_t> stream_ids,
               std::vector<Key> keys, Post post, Counter corrupt, std::function<void()> on_damage)
    : file_(std::move(file)),
      post_(std::move(post)),
      queue_(kQueue),
      stream_ids_(std::move(stream_ids)),
      on_damage_(std::move(on_damage)),
      codec_(std::move(keys)),
      corrupt_(corrupt),
      thread_([this] { run(); }) {}

Reader::~Reader() {
  queue_.close();
  thread_.join();
}

void Reader::run() {
  name_thread("reader");
  while (auto request = queue_.pop()) (*request)();
}

void Reader::push(Request request, const std::function<void()>& refused) {
  if (!queue_.push(std::move(request))) post_(refused);
}

void Reader::read(StreamId stream, Seq from, std::size_t max_bytes,
                  std::function<void(Result<Chunk>)> done) {
  push(
      [this, stream, from, max_bytes, done] {
        auto chunk = std::make_shared<Result<Chunk>>(read_now(stream, from, max_bytes));
        post_([chunk, done] { done(std::move(*chunk)); });
      },
      [done] { done(fail(ErrorCode::kBusy, "too many reads at once")); });
}

void Reader::get_state(std::string_view owner, std::function<void(Result<StateEntries>)> done) {
  push(
      [this, owner = std::string(owner), done] {
        auto entries = std::make_shared<Result<StateEntries>>(get_state_now(owner));
        if (!*entries && entries->error().code == ErrorCode::kCorrupt) post_(on_damage_);
        post_([entries, done] { done(std::move(*entries)); });
      },
      [done] { done(fail(ErrorCode::kBusy, "too many reads at once")); });
}

void Reader::set_streams(std::vector<std::uint64_t> stream_ids) {
  push(
      [this, stream_ids = std::move(stream_ids)] {
        stream_ids_ = stream_ids;
        corrupt_in_a_row_ = 0;
        close();  // made anew with the next read
      },
      [] {
        log::error(kLog, "too many reads at once: new streams cannot be read until a restart");
      });
}

Result<void> Reader::connect() {
  if (database_) return {};
  auto database = Database::open(file_, Database::Mode::kReadOnly);
  if (!database) return tl::unexpected(database.error());
  auto opened = std::make_unique<Database>(std::move(*database));
  std::vector<Statements> statements;
  for (const auto id : stream_ids_) {
    const std::string columns =
        "SELECT first_seq, count, crc, data, codec FROM " + segment_table(id);
    auto before =
        opened->prepare(columns + " WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1");
    auto after = opened->prepare(columns + " WHERE first_seq > ? ORDER BY first_seq");
    if (!before || !after) return tl::unexpected(opened->error("prepare"));
    statements.push_back({std::move(*before), std::move(*after)});
  }
  auto offset = opened->prepare(
      "SELECT wall_offset_ms FROM boot WHERE id = ? AND wall_offset_ms IS NOT NULL");
  if (!offset) return tl::unexpected(offset.error());
  boot_offset_ = std::move(*offset);
  database_ = std::move(opened);
  statements_ = std::move(statements);
  return {};
}

Result<Chunk> Reader::read_now(StreamId stream, Seq from, std::size_t max_bytes) {
  // One snapshot for both queries: a merge that is committed between them would hide records.
  auto chunk = [&]() -> Result<Chunk> {
    if (auto connected = connect(); !connected) return tl::unexpected(connected.error());
    if (auto begun = database_->exec("BEGIN"); !begun) return tl::unexpected(begun.error());
    auto rows = read_rows(stream, from, max_bytes);
    if (rows) {
      if (auto corrected = correct_times(*rows); !corrected) {
        rows = tl::unexpected(corrected.error());
      }
    }
    if (auto ended = database_->exec("COMMIT"); !ended) return tl::unexpected(ended.error());
    return rows;
  }();
  corrupt_in_a_row_ =
      !chunk && chunk.error().code == ErrorCode::kCorrupt ? corrupt_in_a_row_ + 1 : 0;
  if (corrupt_in_a_row_ == kDamaged) post_(on_damage_);
  if (!chunk) close();  // a fresh connection sees what a broken one may not
  return chunk;
}

Result<Chunk> Reader::read_rows(StreamId stream, Seq from, std::size_t max_bytes) {
  Chunk chunk;
  chunk.asked = from;
  chunk.first = from;
  Seq expected = from;  // the next sequence number of an unbroken run
  std::size_t bytes = 0;
  // Takes the row of a statement; false = the chunk ends here.
  const auto take = [&](const Statement& row) {
    const Seq first = row.integer(0);
    const std::uint64_t count = row.integer(1);
    if (first + count <= expected) return true;  // passed already
    if (first > expected) {
      if (!chunk.records.empty()) return false;  // the gap is the next chunk's
      expected = first;
    }
    auto records = codec_.decode(row.integer(4), row.integer(2), row.blob(3),
                                 {stream_ids_[stream], first, count});
    if (!records || !add_segment(chunk, first, count, std::move(*records), expected)) {
      if (!chunk.records.empty()) return false;
      corrupt_.add(count);
      log::error(kLog, "records {} to {} of a stream cannot be read and are skipped: {}", first,
                 first + count - 1, records ? "they are damaged" : records.error().message);
      chunk.gap_reason = "corrupt";
      expected = first + count;
      return true;
    }
    if (bytes == 0) chunk.first = expected;
    bytes += chunk.segments.back().size();
    expected = first + count;
    return bytes < max_bytes;
  };
  auto& [at_or_before, after] = statements_[stream];
  auto row = at_or_before.bind(1, from).step();
  if (!row) return tl::unexpected(row.error());
  bool more = !*row || take(at_or_before);
  at_or_before.reset();
  after.bind(1, from);
  while (more) {
    row = after.step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
    more = take(after);
  }
  after.reset();
  if (chunk.records.empty()) chunk.first = expected;
  return chunk;
}

void Reader::close() {
  statements_.clear();
  boot_offset_ = {};
  database_.reset();
}

Result<void> Reader::correct_times(Chunk& chunk) {
  std::map<std::uint32_t, std::optional<std::int64_t>> offsets;
  for (auto& record : chunk.records) {
    auto& received = record.received;
    if (received.quality == ClockQuality::kSynchronised) continue;
    const auto [known, is_new] = offsets.try_emplace(record.boot);
    if (is_new) {
      const auto row = boot_offset_.bind(1, std::uint64_t{record.boot}).step();
      if (!row) return tl::unexpected(row.error());
      if (*row) {
        known->second = static_cast<std::int64_t>(boot_offset_.integer(0));
        boot_offset_.reset();
      }
    }
    if (!known->second) continue;
    received.wall_ms = received.mono_ms + *known->second;
    received.quality = ClockQuality::kSynchronised;
  }
  return {};
}

Result<StateEntries> Reader::get_state_now(const std::string& owner) {
  if (auto connected = connect(); !connected) return tl::unexpected(connected.error());
  auto select = database_->prepare("SELECT key, value FROM state WHERE owner = ?");
  if (!select) return tl::unexpected(select.error());
  select->bind(1, owner);
  StateEntries entries;
  for (;;) {
    const auto row = select->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return entries;
    entries.emplace_back(select->text(0), select->blob(1));
  }
}

}  // namespace tg::store
