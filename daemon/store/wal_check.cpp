#include "daemon/store/wal_check.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

namespace tg::store {
namespace {

constexpr std::uint32_t kMagic = 0x377f0682;  // its last bit: checksums read words big-endian
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kFrameBytes = 24;  // before the page
constexpr int kUnsyncedCommits = 1;

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

std::uint32_t little_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i > 0; --i) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[at + i - 1]);
  }
  return value;
}

struct Checksum {
  bool is_big_endian = false;
  std::uint32_t first = 0;
  std::uint32_t second = 0;

  void add(std::string_view bytes) {
    const auto word = is_big_endian ? big_endian : little_endian;
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      first += word(bytes, at) + second;
      second += word(bytes, at + 4) + first;
    }
  }
  [[nodiscard]] bool stands_at(std::string_view bytes, std::size_t at) const {
    return big_endian(bytes, at) == first && big_endian(bytes, at + 4) == second;
  }
};

}  // namespace

bool has_lost_commits(const std::filesystem::path& wal) {
  std::ifstream input(wal, std::ios::binary);
  std::string header(kHeaderBytes, '\0');
  if (!input.read(header.data(), kHeaderBytes)) return false;
  if (std::all_of(header.begin(), header.end(), [](char c) { return c == '\0'; })) return false;
  Checksum sum;
  const std::uint32_t magic = big_endian(header, 0);
  sum.is_big_endian = (magic & 1) != 0;
  sum.add(std::string_view(header).substr(0, 24));
  if ((magic & ~1U) != kMagic || !sum.stands_at(header, 24)) return true;
  const std::string_view salt = std::string_view(header).substr(16, 8);
  const std::size_t page = big_endian(header, 8);
  if (page < 512 || page > 65'536) return true;
  std::string frame(kFrameBytes + page, '\0');
  bool is_behind = false;  // the first bad frame
  int commits = 0;
  while (input.read(frame.data(), static_cast<std::streamsize>(frame.size()))) {
    const std::string_view view = frame;
    const bool same = view.substr(8, 8) == salt;
    if (!is_behind) {
      sum.add(view.substr(0, 8));
      sum.add(view.substr(kFrameBytes));
      is_behind = !same || !sum.stands_at(view, 16);
    }
    if (is_behind && same && big_endian(view, 4) != 0) ++commits;
  }
  return commits > kUnsyncedCommits;
}

}  // namespace tg::store
