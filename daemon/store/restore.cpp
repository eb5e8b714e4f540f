#include "daemon/store/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/store/quarantine.h"

namespace tg::store {
namespace {

const log::Component kLog{"store"};

constexpr std::int64_t kWaitForRoomMs = 1000;

}  // namespace

Restore::Restore(Target target, Timers& timers, Metrics& metrics)
    : target_(std::move(target)),
      timers_(timers),
      restored_(metrics.counter("tidegate_store_salvaged_records_total",
                                "Records taken back from a damaged database")),
      damaged_(metrics.counter("tidegate_store_salvage_damaged_segments_total",
                               "Segments of a damaged database that cannot be read")),
      alive_(std::make_shared<bool>(true)) {}

Restore::~Restore() {
  *alive_ = false;
  timers_.cancel(timer_);
}

// A value of the state is `SET END`: of another set it does not count.
void Restore::begin(std::filesystem::path set,
                    const std::vector<std::pair<std::string, std::string>>& state,
                    std::vector<Key> keys, const Post& post) {
  std::map<std::string, Seq> done;
  const std::string name = set.filename().string();
  for (const auto& [stream, value] : state) {
    state_[stream] = value;
    if (!value.starts_with(name + " ")) continue;
    Seq end = 0;
    std::from_chars(value.data() + name.size() + 1, value.data() + value.size(), end);
    done.emplace(stream, end);
  }
  records_ = 0;
  segments_damaged_ = 0;
  salvage_ = std::make_unique<Salvage>(
      std::move(set), std::move(done), std::move(keys),
      [post, alive = alive_](Task task) {
        post([alive, task = std::move(task)] {
          if (*alive) task();
        });
      },
      [this](SalvageBatch batch) { take(std::move(batch)); });
  next();
}

void Restore::note_again() {
  for (const auto& [stream, value] : state_) target_.put_state(stream, value);
}

void Restore::next() {
  if (std::exchange(is_reading_, true)) return;
  std::vector<std::string> without;
  for (const auto& batch : waiting_) without.push_back(batch.stream);
  salvage_->next(std::move(without));
}

void Restore::take(SalvageBatch batch) {
  is_reading_ = false;
  damaged_.add(batch.damaged_segments - std::min(batch.damaged_segments, segments_damaged_));
  segments_damaged_ = batch.damaged_segments;
  if (batch.stream.empty()) {
    if (waiting_.empty() && storing_ == 0) finish(batch);
    return;
  }
  if (!try_store(batch)) waiting_.push_back(std::move(batch));
  go_on();
}

// A batch a commit: what is being stored asks for the next one.
void Restore::go_on() {
  if (!waiting_.empty() && timer_ == 0) {
    timer_ = timers_.after(kWaitForRoomMs, [this] { try_waiting(); });
  }
  if (storing_ == 0) next();
}

// False: its stream has no room.
bool Restore::try_store(const SalvageBatch& batch) {
  const auto stream = target_.find_stream(batch.stream);
  if (!stream) return true;
  if (target_.admit(*stream, batch.records.size()) != Admission::kYes) return false;
  store(batch, *stream);
  return true;
}

void Restore::store(const SalvageBatch& batch, StreamId stream) {
  RecordCursor cursor(batch.records);
  Record record;
  for (std::uint64_t index = 0; cursor.next(record); ++index) {
    if (index < batch.skip) continue;
    target_.append(stream, record);
    ++records_;
    restored_.add();
  }
  auto& value = state_[batch.stream];
  value = fmt::format("{} {}", salvage_->set().filename().string(), batch.end);
  target_.put_state(batch.stream, value);
  ++storing_;
  target_.after_commit([this, alive = alive_] {
    if (!*alive) return;
    --storing_;
    next();
  });
}

void Restore::try_waiting() {
  timer_ = 0;
  for (auto& batch : std::exchange(waiting_, {})) {
    if (!try_store(batch)) waiting_.push_back(std::move(batch));
  }
  go_on();
}

void Restore::finish(const SalvageBatch& last) {
  const auto text = fmt::format("{} records were taken back, {} segments cannot be read", records_,
                                last.damaged_segments);
  log::info(kLog, "salvage of {} has ended: {}", salvage_->set().string(), text);
  mark_salvaged(salvage_->set(), text);
  for (const auto& [stream, value] : state_) target_.put_state(stream, {});
  state_.clear();
  salvage_.reset();
  target_.finished();
}

}  // namespace tg::store
