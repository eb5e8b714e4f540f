#include "daemon/store/segments.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/base/bytes.h"
#include "daemon/store/stored_time.h"

namespace tg::store {
namespace {

constexpr std::uint32_t kLastTier = 9;

std::uint32_t tier_of(std::size_t bytes, std::uint32_t tier) {
  return bytes >= kSegmentBytes / 2 ? kLastTier : std::min(tier, kLastTier);
}

}  // namespace

Result<Segments> Segments::load(Database& database, StreamRow row, std::uint32_t boot,
                                SegmentCodec& codec, bool compress) {
  Segments segments(database, std::move(row), boot, codec, compress);
  if (auto done = segments.prepare(); !done) return tl::unexpected(done.error());
  if (auto done = segments.load_tail(); !done) return tl::unexpected(done.error());
  if (auto done = segments.refresh_front(); !done) return tl::unexpected(done.error());
  return segments;
}

Result<void> Segments::prepare() {
  const std::string table = segment_table(row_.id);
  const auto make = [this](Statement& target, const std::string& sql) -> Result<void> {
    auto made = database_->prepare(sql);
    if (!made) return tl::unexpected(made.error());
    target = std::move(*made);
    return {};
  };
  struct Pair {
    Statement& target;
    std::string sql;
  };
  const Pair statements[] = {
      {insert_, fmt::format("INSERT OR REPLACE INTO {} VALUES(?,?,?,?,?,?,?,?,?,?,?)", table)},
      {delete_below_, fmt::format("DELETE FROM {} WHERE first_seq < ?", table)},
      {delete_range_, fmt::format("DELETE FROM {} WHERE first_seq > ? AND first_seq < ?", table)},
      {select_front_,
       fmt::format("SELECT first_seq, count, bytes, last_wall_ms, last_boot, last_mono_ms, "
                   "first_wall_ms FROM {} ORDER BY first_seq LIMIT {}",
                   table, kMaxDrop)},
      {select_blob_, fmt::format("SELECT crc, data, first_wall_ms, last_wall_ms, last_boot, "
                                 "last_mono_ms, codec, count, bytes FROM {} WHERE first_seq = ?",
                                 table)},
      {update_, "UPDATE stream SET next_seq = ?, bytes = ?, evicted_reason = ? WHERE id = ?"}};
  for (const auto& statement : statements) {
    if (auto made = make(statement.target, statement.sql); !made) return made;
  }
  return {};
}

Result<void> Segments::load_tail() {
  auto select = database_->prepare(
      fmt::format("SELECT first_seq, count, bytes, tier FROM {} ORDER BY first_seq DESC LIMIT {}",
                  segment_table(row_.id), kMaxTail));
  if (!select) return tl::unexpected(select.error());
  for (;;) {
    const auto row = select->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
    const TailSegment segment{select->integer(0), static_cast<std::uint32_t>(select->integer(1)),
                              static_cast<std::size_t>(select->integer(2)),
                              static_cast<std::uint32_t>(select->integer(3))};
    const bool adjacent = tail_.empty() || segment.first + segment.count == tail_.back().first;
    if (segment.tier >= kLastTier || !adjacent) break;
    tail_.push_back(segment);
  }
  std::reverse(tail_.begin(), tail_.end());
  return {};
}

Result<void> Segments::append(const SegmentDraft& draft) {
  if (draft.first < row_.next) return {};
  const std::uint32_t tier = tier_of(draft.records.size(), 0);
  insert_.bind(3, std::uint64_t{tier})
      .bind(4, static_cast<std::uint64_t>(draft.first_wall_ms))
      .bind(5, static_cast<std::uint64_t>(draft.last_wall_ms))
      .bind(6, std::uint64_t{boot_})
      .bind(7, static_cast<std::uint64_t>(draft.last_mono_ms));
  const auto stored = insert(draft.first, draft.count, draft.records);
  if (!stored) return tl::unexpected(stored.error());
  row_.next = draft.first + draft.count;
  row_.bytes += *stored + kSegmentOverhead;
  changed_ = true;
  if (front_end_ == 0) {
    row_.first = draft.first;
    front_end_ = row_.next;
    front_ = {draft.first, row_.next, *stored, draft.last_wall_ms, boot_, draft.last_mono_ms};
    oldest_wall_ms_ = draft.first_wall_ms;
  }
  if (tier >= kLastTier) {
    tail_.clear();
  } else {
    tail_.push_back({draft.first, draft.count, draft.records.size(), tier});
  }
  return {};
}

Result<std::size_t> Segments::insert(Seq first, std::uint64_t count, std::string_view records) {
  const auto encoded = codec_->encode(records, compress_, {row_.id, first, count});
  if (!encoded) return tl::unexpected(encoded.error());
  insert_.bind(1, first)
      .bind(2, count)
      .bind(8, std::uint64_t{encoded->data.size()})
      .bind(9, encoded->codec)
      .bind(10, std::uint64_t{encoded->crc})
      .bind_blob(11, encoded->data);
  if (auto done = insert_.run(); !done) return tl::unexpected(done.error());
  return encoded->data.size();
}

void Segments::skip(const SegmentDraft& draft, const char* reason) {
  if (draft.first < row_.next) return;
  row_.next = draft.first + draft.count;
  if (front_end_ == 0) row_.first = row_.next;
  row_.evicted_reason = reason;
  tail_.clear();  // what follows is not adjacent
  changed_ = true;
}

Result<void> Segments::merge_tail() {
  while (tail_.size() >= kMergeCount) {
    const auto begin = tail_.end() - kMergeCount;
    const std::uint32_t tier = begin->tier;
    const bool level =
        std::all_of(begin, tail_.end(), [tier](const auto& s) { return s.tier == tier; });
    if (!level) break;
    std::size_t total = 0;
    for (auto at = begin; at != tail_.end(); ++at) total += at->bytes;
    if (total > kSegmentBytes) {
      tail_.clear();  // large enough as they are
      break;
    }
    if (auto done = merge_last(kMergeCount); !done) return done;
  }
  if (tail_.size() > kMaxTail) tail_.erase(tail_.begin());
  return {};
}

// The records of tail_[begin..], joined; an empty string when one of them is damaged.
Result<std::string> Segments::read_tail(std::size_t begin) {
  std::string joined;
  for (std::size_t i = begin; i < tail_.size(); ++i) {
    const auto row = select_blob_.bind(1, tail_[i].first).step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return std::string();
    const auto records =
        codec_->decode(select_blob_.integer(6), select_blob_.integer(0), select_blob_.blob(1),
                       {row_.id, tail_[i].first, select_blob_.integer(7)});
    if (records) joined.append(*records);
    merged_bytes_ += select_blob_.integer(8);
    select_blob_.reset();
    if (!records) return std::string();
  }
  return joined;
}

Result<void> Segments::merge_last(std::size_t count) {
  const std::size_t begin = tail_.size() - count;
  const TailSegment head = tail_[begin];
  merged_bytes_ = 0;
  const auto joined = read_tail(begin);
  if (!joined) return tl::unexpected(joined.error());
  // Damaged: left for the reader to report. Or larger, once decompressed, than was thought.
  if (joined->empty() || joined->size() > kSegmentBytes) {
    tail_.clear();
    return {};
  }
  auto row = select_blob_.bind(1, head.first).step();
  if (!row) return tl::unexpected(row.error());
  const std::uint64_t first_wall = select_blob_.integer(2);
  select_blob_.reset();
  row = select_blob_.bind(1, tail_.back().first).step();
  if (!row) return tl::unexpected(row.error());
  const std::uint64_t last_wall = select_blob_.integer(3);
  const std::uint64_t last_boot = select_blob_.integer(4);
  const std::uint64_t last_mono = select_blob_.integer(5);
  select_blob_.reset();
  std::uint32_t records = 0;
  for (std::size_t i = begin; i < tail_.size(); ++i) records += tail_[i].count;
  const std::uint32_t tier = tier_of(joined->size(), head.tier + 1);
  const Seq end = head.first + records;
  if (auto done = delete_range_.bind(1, head.first).bind(2, end).run(); !done) return done;
  insert_.bind(3, std::uint64_t{tier})
      .bind(4, first_wall)
      .bind(5, last_wall)
      .bind(6, last_boot)
      .bind(7, last_mono);
  const auto stored = insert(head.first, records, *joined);
  if (!stored) return tl::unexpected(stored.error());
  row_.bytes -= std::min<std::uint64_t>(row_.bytes, merged_bytes_ + count * kSegmentOverhead);
  row_.bytes += *stored + kSegmentOverhead;
  changed_ = true;
  if (row_.first == head.first) {
    front_end_ = end;
    front_ = {head.first,
              end,
              *stored,
              static_cast<std::int64_t>(last_wall),
              static_cast<std::uint32_t>(last_boot),
              static_cast<std::int64_t>(last_mono)};
  }
  tail_.resize(begin);
  if (tier >= kLastTier) {
    tail_.clear();
  } else {
    tail_.push_back({head.first, records, joined->size(), tier});
  }
  return {};
}

Result<std::vector<Segments::Front>> Segments::read_front() {
  std::vector<Front> front;
  for (;;) {
    const auto row = select_front_.step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return front;
    front.push_back({select_front_.integer(0), select_front_.integer(0) + select_front_.integer(1),
                     select_front_.integer(2), static_cast<std::int64_t>(select_front_.integer(3)),
                     static_cast<std::uint32_t>(select_front_.integer(4)),
                     static_cast<std::int64_t>(select_front_.integer(5))});
  }
}

Result<void> Segments::drop_front(const std::vector<Front>& dropped) {
  if (dropped.empty()) return {};
  const Seq end = dropped.back().end;
  if (auto done = delete_below_.bind(1, end).run(); !done) return done;
  for (const auto& segment : dropped) {
    row_.bytes -= std::min(row_.bytes, segment.bytes + kSegmentOverhead);
  }
  std::erase_if(tail_, [end](const auto& segment) { return segment.first < end; });
  changed_ = true;
  return refresh_front();
}

Result<void> Segments::refresh_front() {
  const auto row = select_front_.step();
  if (!row) return tl::unexpected(row.error());
  if (*row) {
    row_.first = select_front_.integer(0);
    front_end_ = row_.first + select_front_.integer(1);
    front_ = {row_.first,
              front_end_,
              select_front_.integer(2),
              static_cast<std::int64_t>(select_front_.integer(3)),
              static_cast<std::uint32_t>(select_front_.integer(4)),
              static_cast<std::int64_t>(select_front_.integer(5))};
    oldest_wall_ms_ = static_cast<std::int64_t>(select_front_.integer(6));
    select_front_.reset();
  } else {
    row_.first = row_.next;
    row_.bytes = 0;
    front_end_ = 0;
    oldest_wall_ms_ = 0;
  }
  return {};
}

Result<bool> Segments::drop_passed(Seq until) {
  if (front_end_ == 0 || until < front_end_) return false;
  auto front = read_front();
  if (!front) return tl::unexpected(front.error());
  std::erase_if(*front, [until](const Front& segment) { return segment.end > until; });
  if (auto done = drop_front(*front); !done) return tl::unexpected(done.error());
  return front_end_ != 0 && until >= front_end_;
}

Result<std::uint64_t> Segments::evict_bytes(std::uint64_t need, const char* reason) {
  if (front_end_ == 0 || need == 0) return 0;
  auto front = read_front();
  if (!front) return tl::unexpected(front.error());
  std::uint64_t freed = 0;
  std::size_t count = 0;
  while (count < front->size() && freed < need) {
    freed += (*front)[count].bytes + kSegmentOverhead;
    ++count;
  }
  front->resize(count);
  const Seq before = row_.first;
  if (auto done = drop_front(*front); !done) return tl::unexpected(done.error());
  row_.evicted_reason = reason;
  return row_.first - before;
}

std::int64_t Segments::age_of(const Front& segment, const Timestamp& now,
                              const BootOffsets& offsets) const {
  if (segment.last_boot == boot_) return now.mono_ms - segment.last_mono_ms;
  const auto known = offsets.find(segment.last_boot);
  const std::int64_t wall =
      known != offsets.end() ? segment.last_mono_ms + known->second : segment.last_wall_ms;
  return wall_age_ms(wall, now.wall_ms);
}

Result<std::uint64_t> Segments::evict_age(std::int64_t max_age_ms, const Timestamp& now,
                                          const BootOffsets& offsets) {
  if (front_end_ == 0 || now.quality != ClockQuality::kSynchronised) return 0;
  if (age_of(front_, now, offsets) <= max_age_ms) return 0;  // the common case, without a query
  auto front = read_front();
  if (!front) return tl::unexpected(front.error());
  std::size_t count = 0;
  for (const auto& segment : *front) {
    if (age_of(segment, now, offsets) <= max_age_ms) break;
    ++count;
  }
  front->resize(count);
  if (count == 0) return 0;
  const Seq before = row_.first;
  if (auto done = drop_front(*front); !done) return tl::unexpected(done.error());
  row_.evicted_reason = "max_age";
  return row_.first - before;
}

Result<void> Segments::save() {
  if (!changed_) return {};
  update_.bind(1, row_.next).bind(2, row_.bytes).bind(3, row_.evicted_reason).bind(4, row_.id);
  if (auto done = update_.run(); !done) return done;
  changed_ = false;
  return {};
}

}  // namespace tg::store
