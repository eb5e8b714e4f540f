#include "daemon/store/salvage.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/base/log.h"
#include "daemon/base/thread_name.h"
#include "daemon/store/quarantine.h"
#include "daemon/store/schema.h"

namespace tg::store {
namespace {

const log::Component kLog{"store"};

constexpr Seq kLongestStep = 1024;  // over what cannot be read

}  // namespace

Salvage::Salvage(std::filesystem::path set, std::map<std::string, Seq> done, std::vector<Key> keys,
                 Post post, std::function<void(SalvageBatch)> on_batch)
    : set_(std::move(set)),
      done_(std::move(done)),
      post_(std::move(post)),
      on_batch_(std::move(on_batch)),
      codec_(std::move(keys)),
      thread_([this] { run(); }) {}

Salvage::~Salvage() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Salvage::next(std::vector<std::string> without) {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
    without_ = std::move(without);
  }
  wake_.notify_all();
}

void Salvage::run() {
  name_thread("salvage");
  open();
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return wanted_ || closing_; });
    if (closing_) return;
    wanted_ = false;
    const auto without = std::move(without_);
    lock.unlock();
    auto batch = std::make_shared<SalvageBatch>(read(without));
    post_([this, batch] { on_batch_(std::move(*batch)); });
    lock.lock();
  }
}

// The streams that the set has, as far as that can be read.
void Salvage::open() {
  const auto file = set_ / "streams.db";
  mend_head(file);
  auto database = Database::open(file, Database::Mode::kReadWrite);
  if (!database) return;
  database_ = std::make_unique<Database>(std::move(*database));
  auto select = database_->prepare("SELECT id, name FROM stream");
  if (!select) {
    log::error(kLog, "nothing can be salvaged from {}: {}", set_.string(), select.error().message);
    return;
  }
  for (;;) {
    const auto row = select->step();
    if (!row || !*row) break;
    Stream stream;
    stream.table = select->integer(0);
    stream.name = std::string(select->text(1));
    streams_.push_back(std::move(stream));
  }
  read_positions();
}

void Salvage::read_positions() {
  for (auto& stream : streams_) {
    stream.end =
        database_
            ->query_integer(fmt::format("SELECT next_seq FROM stream WHERE id = {}", stream.table))
            .value_or(0);
    const auto last = database_->query_integer(
        fmt::format("SELECT max(first_seq) + 1 FROM {}", segment_table(stream.table)));
    stream.end = std::max(stream.end, last.value_or(0));
    const auto passed = database_->query_integer(
        fmt::format("SELECT min(next_seq) FROM reader WHERE stream_id = {}", stream.table));
    stream.at = std::max<Seq>(passed.value_or(1), 1);
    if (const auto found = done_.find(stream.name); found != done_.end()) {
      stream.at = std::max(stream.at, found->second);
    }
  }
}

SalvageBatch Salvage::read(const std::vector<std::string>& without) {
  SalvageBatch batch;
  for (auto& stream : streams_) {
    if (stream.at >= stream.end) continue;
    if (std::find(without.begin(), without.end(), stream.name) != without.end()) continue;
    if (read_segment(stream, batch)) break;
  }
  batch.damaged_segments = damaged_;
  return batch;
}

// The next segment that can be read; false at the end of the stream.
bool Salvage::read_segment(Stream& stream, SalvageBatch& batch) {
  const std::string table = segment_table(stream.table);
  const std::string columns = "SELECT first_seq, count, crc, data, codec FROM " + table;
  // The first time, the segment that the position lies in.
  auto before =
      database_->prepare(columns + " WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1");
  auto after = database_->prepare(columns + " WHERE first_seq > ? ORDER BY first_seq LIMIT 1");
  if (!before || !after) return false;
  Seq step = 1;
  while (stream.at < stream.end) {
    Seq next = stream.at + step;
    for (auto* statement : {&*before, &*after}) {
      const auto row = statement->bind(1, stream.at).step();
      if (!row) {  // a page of the tree: what lies behind it is looked for in steps
        step = std::min(step * 2, kLongestStep);
        continue;
      }
      step = 1;
      if (!*row) {
        if (statement == &*after) next = stream.end;
        continue;
      }
      const Seq first = statement->integer(0);
      const std::uint64_t count = statement->integer(1);
      if (first + count <= stream.at) {
        statement->reset();
        continue;
      }
      auto records = codec_.decode(statement->integer(4), statement->integer(2), statement->blob(3),
                                   {stream.table, first, count});
      statement->reset();
      if (!records) {
        ++damaged_;
        next = first + count;
        break;
      }
      batch.stream = stream.name;
      batch.records = std::move(*records);
      batch.first = first;
      batch.skip = stream.at > first ? stream.at - first : 0;
      batch.end = first + count;
      stream.at = batch.end;
      return true;
    }
    stream.at = next;
  }
  return false;
}

}  // namespace tg::store
