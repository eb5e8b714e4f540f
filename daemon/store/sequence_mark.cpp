#include "daemon/store/sequence_mark.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <sstream>

#include "daemon/base/bytes.h"

namespace tg::store {
namespace {

constexpr std::size_t kLongest = 64 * 1024;
constexpr std::string_view kCrc = "crc32c ";

std::string crc_line(std::string_view text) {
  return fmt::format("{}{:08x}\n", kCrc, crc32c(text));
}

// What a mark says, without its last line; empty when it is damaged. An earlier, longer one may
// lie behind.
std::string read(const std::filesystem::path& file) {
  const UniqueFd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) return {};
  std::string text(kLongest, '\0');
  const auto size = ::pread(descriptor.get(), text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  const std::size_t end = text.find(kCrc);
  if (end == std::string::npos) return {};
  const std::string crc = crc_line(std::string_view(text).substr(0, end));
  if (text.compare(end, crc.size(), crc) != 0) return {};
  text.resize(end);
  return text;
}

}  // namespace

bool SequenceMark::is_ahead_of(const Opened& opened) const {
  std::istringstream lines(read(file_));
  std::string word;
  std::string epoch;
  if (!(lines >> word >> epoch) || epoch != opened.epoch) return false;
  std::uint64_t id = 0;
  Seq next = 0;
  while (lines >> word >> id >> next) {
    const bool ahead =
        std::any_of(opened.streams.begin(), opened.streams.end(),
                    [&](const StreamRow& row) { return row.id == id && row.next < next; });
    if (ahead) return true;
  }
  return false;
}

void SequenceMark::write(std::string_view epoch, std::span<const std::uint64_t> ids,
                         std::span<const Seq> next) {
  std::string text = fmt::format("epoch {}\n", epoch);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    fmt::format_to(std::back_inserter(text), "next {} {}\n", ids[i], next[i]);
  }
  if (text == text_) return;
  if (descriptor_.get() < 0) {
    descriptor_ = UniqueFd(::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  }
  const std::string whole = text + crc_line(text);
  const auto written = ::pwrite(descriptor_.get(), whole.data(), whole.size(), 0);
  if (written == static_cast<ssize_t>(whole.size())) text_ = std::move(text);
}

}  // namespace tg::store
