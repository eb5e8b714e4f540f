#include "daemon/pipeline/dead_letters.h"

#include <algorithm>
#include <utility>

#include "daemon/base/assert.h"
#include "daemon/base/bytes.h"
#include "daemon/base/log.h"

namespace tg::pipeline {

namespace {

const log::Component kLog{"dead-letters"};

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr const char* kGoneKey = "gone";

std::uint64_t as_unsigned(std::int64_t value) {
  return value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

std::string encode(const Cause& cause) {
  std::string out;
  put_str(out, cause.stream);
  put_str(out, cause.reader);
  put_str(out, cause.epoch);
  put_varint(out, cause.seq);
  put_str(out, cause.reason);
  put_varint(out, as_unsigned(cause.first_ms));
  put_varint(out, as_unsigned(cause.last_ms));
  put_varint(out, cause.attempts);
  return out;
}

}  // namespace

std::optional<Cause> read_cause(const store::Record& record) {
  std::optional<Cause> cause;
  store::for_each_tag(record.tail, [&cause](store::Tag tag, std::string_view value) {
    if (tag != store::Tag::kDeadLetter) return;
    ByteReader reader(value);
    Cause found;
    found.stream = reader.str();
    found.reader = reader.str();
    found.epoch = reader.str();
    found.seq = reader.varint();
    found.reason = reader.str();
    found.first_ms = static_cast<std::int64_t>(reader.varint());
    found.last_ms = static_cast<std::int64_t>(reader.varint());
    found.attempts = reader.varint();
    if (!reader.failed()) cause = std::move(found);
  });
  return cause;
}

std::string tail_without_cause(std::string_view tail) {
  std::string out;
  store::for_each_tag(tail, [&out](store::Tag tag, std::string_view value) {
    if (tag != store::Tag::kDeadLetter) store::append_tag(out, tag, value);
  });
  return out;
}

struct DeadLetters::Replay {
  std::vector<store::Seq> ids;  // sorted; empty = all
  store::Seq next = 0;
  store::Seq end = 0;  // what comes back meanwhile is not replayed again
  std::uint64_t done = 0;
  std::function<void(Result<std::uint64_t>)> answer;
};

DeadLetters::DeadLetters(store::Store& store, Metrics& metrics, OnError on_error)
    : store_(store),
      on_error_(std::move(on_error)),
      stream_(store.find_stream(kDeadLetterStream)),
      reader_(*store.find_reader(kDeadLetterStream, kDeadLetterReader)),
      added_(metrics.counter("tidegate_dead_letters_total", "Records that could not be handled")),
      replayed_(metrics.counter("tidegate_dead_letters_replayed_total",
                                "Dead letters put back into their streams")) {
  store_.get_state(kDeadLetterStream, [this, alive = std::weak_ptr(alive_)](auto state) {
    if (alive.expired()) return;
    is_loaded_ = true;
    if (!state) return;
    for (const auto& [key, value] : *state) {
      if (key == kGoneKey) gone_ = RangeSet::decode(value);
    }
    gone_.drop_below(store_.position(reader_));
  });
}

bool DeadLetters::add(const Cause& cause, const store::Record& record) {
  std::vector<store::StreamId> streams;
  const auto from = store_.stream_named(cause.stream);
  if (from && on_error_) streams = on_error_(record.topic, *from);
  if (streams.empty()) streams.push_back(stream_);
  const std::size_t size = store::record_size_bound(record) + encode(cause).size() + 16;
  if (store_.admit(streams, size) != store::Admission::kYes) {
    // An error stream that is full must not cost the record: the queue drops its oldest instead.
    streams.assign(1, stream_);
    if (store_.admit(streams, size) != store::Admission::kYes) return false;
  }
  for (const auto stream : streams) append(stream, cause, record);
  added_.add();
  return true;
}

void DeadLetters::append(store::StreamId stream, const Cause& cause, const store::Record& record) {
  std::string tail = tail_without_cause(record.tail);
  store::append_tag(tail, store::Tag::kDeadLetter, encode(cause));
  store::Record letter = record;
  letter.tail = tail;
  store_.append(stream, letter);
}

bool DeadLetters::is_there(store::Seq id) const {
  const auto status = store_.status(stream_);
  return id >= std::max(status.first, store_.position(reader_)) && id < status.next &&
         !gone_.contains(id);
}

void DeadLetters::list(store::Seq from, std::size_t limit, Visit visit,
                       std::function<void(Result<store::Seq>)> done) {
  if (!is_loaded_) return done(fail(ErrorCode::kBusy, "the dead-letter queue is being opened"));
  from = gone_.skip(std::max(from, store_.position(reader_)));
  store_.read(stream_, from, kReadBytes,
              [this, limit, visit = std::move(visit), done = std::move(done),
               alive = std::weak_ptr(alive_)](Result<store::Chunk> chunk) {
                if (alive.expired()) return done(fail(ErrorCode::kCancelled, "stopping"));
                if (!chunk) return done(tl::unexpected(chunk.error()));
                std::size_t visited = 0;
                store::Seq id = chunk->first;
                for (const auto& record : chunk->records) {
                  if (visited == limit) break;
                  const auto cause = read_cause(record);
                  if (cause && is_there(id)) {
                    visit({id, *cause, record});
                    ++visited;
                  }
                  ++id;
                }
                done(id < store_.status(stream_).next ? id : 0);
              });
}

void DeadLetters::replay(std::vector<store::Seq> ids,
                         std::function<void(Result<std::uint64_t>)> done) {
  if (!is_loaded_) return done(fail(ErrorCode::kBusy, "the dead-letter queue is being opened"));
  std::sort(ids.begin(), ids.end());
  auto replay = std::make_shared<Replay>();
  replay->next = std::max(store_.position(reader_), ids.empty() ? 0 : ids.front());
  replay->end = ids.empty() ? store_.status(stream_).next : ids.back() + 1;
  replay->ids = std::move(ids);
  replay->answer = std::move(done);
  replay_chunk(replay);
}

void DeadLetters::replay_chunk(const std::shared_ptr<Replay>& replay) {
  store_.read(stream_, replay->next, kReadBytes,
              [this, replay, alive = std::weak_ptr(alive_)](Result<store::Chunk> chunk) {
                if (alive.expired()) {
                  return replay->answer(fail(ErrorCode::kCancelled, "stopping"));
                }
                if (!chunk) return replay->answer(tl::unexpected(chunk.error()));
                store::Seq id = chunk->first;
                for (const auto& record : chunk->records) {
                  const bool meant =
                      id < replay->end &&
                      (replay->ids.empty() ||
                       std::binary_search(replay->ids.begin(), replay->ids.end(), id));
                  const auto cause = meant && is_there(id) ? read_cause(record) : std::nullopt;
                  if (cause && store_.stream_named(cause->stream)) {
                    if (!replay_one({id, *cause, record})) {
                      save();
                      return replay->answer(fail(
                          ErrorCode::kFull, "the streams take no more for now; " +
                                                std::to_string(replay->done) + " were replayed"));
                    }
                    ++replay->done;
                  }
                  ++id;
                }
                save();
                replay->next = id;
                if (id >= replay->end || chunk->records.empty()) {
                  return replay->answer(replay->done);
                }
                replay_chunk(replay);
              });
}

bool DeadLetters::replay_one(const Letter& letter) {
  const store::StreamId streams[] = {*store_.stream_named(letter.cause.stream)};
  if (store_.admit(streams, store::record_size_bound(letter.record)) != store::Admission::kYes) {
    return false;
  }
  const std::string tail = tail_without_cause(letter.record.tail);
  store::Record record = letter.record;
  record.tail = tail;
  store_.append(streams[0], record);
  replayed_.add();
  take_out(letter.id);
  return true;
}

Result<std::uint64_t> DeadLetters::purge(std::span<const store::Seq> ids) {
  if (!is_loaded_) return fail(ErrorCode::kBusy, "the dead-letter queue is being opened");
  const std::uint64_t before = count();
  if (ids.empty()) {
    store_.advance(reader_, store_.status(stream_).next);
    gone_ = {};
  }
  for (const auto id : ids) {
    if (is_there(id)) take_out(id);
  }
  save();
  const std::uint64_t purged = before - count();
  if (purged > 0) log::info(kLog, "{} dead letters purged", purged);
  return purged;
}

void DeadLetters::take_out(store::Seq id) { gone_.add(id, id + 1); }

void DeadLetters::save() {
  const auto first = std::max(store_.status(stream_).first, store_.position(reader_));
  auto position = gone_.skip(first);
  // Too many holes: the oldest letters between them are given up, as by a limit.
  while (gone_.size() > kMaxHoles) {
    position = gone_.ranges().begin()->second;
    gone_.drop_below(position);
    log::warning(kLog, "too many holes in the queue: letters below {} are dropped", position);
  }
  gone_.drop_below(position);
  store_.advance(reader_, position);
  store_.put_state(kDeadLetterStream, kGoneKey, gone_.encode());
}

std::uint64_t DeadLetters::count() const {
  const auto status = store_.status(stream_);
  const auto first = std::max(status.first, store_.position(reader_));
  const std::uint64_t all = status.next - std::min(status.next, first);
  RangeSet gone = gone_;
  gone.drop_below(first);
  return all - std::min(all, gone.count());
}

std::uint64_t DeadLetters::bytes() const { return store_.status(stream_).bytes; }

}  // namespace tg::pipeline
