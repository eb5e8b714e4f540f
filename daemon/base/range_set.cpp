#include "daemon/base/range_set.h"

#include <algorithm>
#include <iterator>

#include "daemon/base/bytes.h"

namespace tg {

void RangeSet::add(std::uint64_t first, std::uint64_t end) {
  if (first >= end) return;
  auto at = ranges_.upper_bound(first);
  if (at != ranges_.begin() && std::prev(at)->second >= first) {
    --at;
    first = at->first;
  }
  while (at != ranges_.end() && at->first <= end) {
    end = std::max(end, at->second);
    at = ranges_.erase(at);
  }
  ranges_.emplace(first, end);
}

void RangeSet::drop_below(std::uint64_t end) {
  while (!ranges_.empty() && ranges_.begin()->first < end) {
    const std::uint64_t last = ranges_.begin()->second;
    ranges_.erase(ranges_.begin());
    if (last > end) ranges_.emplace(end, last);
  }
}

bool RangeSet::contains(std::uint64_t number) const { return skip(number) != number; }

std::uint64_t RangeSet::skip(std::uint64_t from) const {
  const auto after = ranges_.upper_bound(from);
  if (after == ranges_.begin()) return from;
  return std::max(from, std::prev(after)->second);
}

std::uint64_t RangeSet::count() const {
  std::uint64_t count = 0;
  for (const auto& [first, end] : ranges_) count += end - first;
  return count;
}

std::string RangeSet::encode() const {
  std::string out;
  std::uint64_t before = 0;
  for (const auto& [first, end] : ranges_) {
    put_varint(out, first - before);
    put_varint(out, end - first);
    before = end;
  }
  return out;
}

RangeSet RangeSet::decode(std::string_view bytes) {
  RangeSet set;
  ByteReader reader(bytes);
  std::uint64_t before = 0;
  while (reader.remaining() > 0) {
    const std::uint64_t first = before + reader.varint();
    const std::uint64_t end = first + reader.varint();
    if (reader.failed() || first < before || end <= first) break;
    set.add(first, end);
    before = end;
  }
  return set;
}

}  // namespace tg
