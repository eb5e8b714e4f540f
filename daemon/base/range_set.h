// A set of 64-bit numbers kept as ranges [first, end), for "which of these are done" above a
// watermark. Pure.
//
//   encoding := { first:varint length:varint }*    first: counted from the end of the one before
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace tg {

class RangeSet {
 public:
  // Joins what touches.
  void add(std::uint64_t first, std::uint64_t end);
  // Everything below `end` is forgotten.
  void drop_below(std::uint64_t end);
  [[nodiscard]] bool contains(std::uint64_t number) const;
  // The first number at or after `from` that is not in the set.
  [[nodiscard]] std::uint64_t skip(std::uint64_t from) const;
  // How many numbers.
  [[nodiscard]] std::uint64_t count() const;
  // How many ranges.
  [[nodiscard]] std::size_t size() const { return ranges_.size(); }
  [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& ranges() const { return ranges_; }

  [[nodiscard]] std::string encode() const;
  // What is malformed ends it.
  [[nodiscard]] static RangeSet decode(std::string_view bytes);

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // first → end
};

}  // namespace tg
