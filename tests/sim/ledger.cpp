#include "tests/sim/ledger.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <utility>

namespace tg::sim {
namespace {

constexpr std::size_t kFlushAt = std::size_t{256} * 1024;

template <class... Args>
void line(LedgerFile& file, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(file.buffer()), format, std::forward<Args>(args)...);
  if (file.buffer().size() >= kFlushAt) file.flush();
}

}  // namespace

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Result<LedgerFile> LedgerFile::open(const std::string& path, bool append) {
  LedgerFile file;
  file.fd_.reset(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0644));
  if (!file.fd_.is_open()) {
    return fail(ErrorCode::kIo, fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  }
  // A line that the last writer could not finish ends here.
  if (append && ::lseek(file.fd_.get(), 0, SEEK_END) > 0) file.buffer_ += '\n';
  return file;
}

void LedgerFile::flush() {
  std::string_view rest = buffer_;
  while (fd_.is_open() && !rest.empty()) {
    const ssize_t written = ::write(fd_.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      failed_ = true;
      break;
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  buffer_.clear();
}

void DevicesLedger::track(const Track& track, std::string_view device) {
  line(file_, "T {} {} {} {}\n", track.id, track.qos, device, track.topic);
}

void DevicesLedger::published(std::uint32_t track, std::uint64_t n, std::int64_t time_us) {
  line(file_, "P {} {} {}\n", track, n, time_us);
}

void DevicesLedger::acknowledged(std::uint32_t track, std::uint64_t n, std::int64_t time_us) {
  line(file_, "A {} {} {}\n", track, n, time_us);
}

void DevicesLedger::down(std::int64_t time_us) { line(file_, "D {}\n", time_us); }

void DevicesLedger::up(std::int64_t time_us) { line(file_, "U {}\n", time_us); }

void DevicesLedger::stage(std::int64_t time_us, int percent) {
  line(file_, "R {} {}\n", time_us, percent);
}

void DevicesLedger::connections(const ConnectionCounts& counts) {
  line(file_, "C {} {}\n", counts.connects, counts.lost);
}

void DevicesLedger::faults(const FaultCounts& counts) {
  line(file_, "F {} {} {} {} {} {}\n", counts.disconnects, counts.floods, counts.flooded,
       counts.malformed, counts.tolerated, counts.slow_readers);
}

void DevicesLedger::local(Pattern pattern, const LocalCounts& counts) {
  line(file_, "L {} {} {} {} {} {} {} {} {}\n", static_cast<int>(pattern), counts.subscriptions,
       counts.received, counts.repeated, counts.repeated_qos2, counts.missed, counts.missed_qos0,
       counts.out_of_order, counts.misdirected);
}

void DevicesLedger::ended(std::uint64_t not_sampled) {
  line(file_, "E {}\n", not_sampled);
  file_.flush();
}

void CloudLedger::listening(std::int64_t time_us) {
  words_.clear();
  line(file_, "S {}\n", time_us);
}

void CloudLedger::cut(std::int64_t time_us) { line(file_, "X {}\n", time_us); }

std::uint32_t CloudLedger::word(std::string_view text) {
  if (text.empty()) return 0;
  std::string clean(text);  // a topic may hold a newline
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return c == '\n'; }, '?');
  const auto [found, is_new] =
      words_.try_emplace(std::move(clean), static_cast<std::uint32_t>(words_.size() + 1));
  if (is_new) line(file_, "W {} {}\n", found->second, found->first);
  return found->second;
}

void CloudLedger::arrived(std::string_view topic, std::string_view device, std::uint64_t n,
                          const RecordKey& key, std::int64_t time_us) {
  const std::uint32_t topic_word = word(topic);
  const std::uint32_t device_word = word(device);
  const std::uint32_t stream = word(key.stream);
  const std::uint32_t epoch = word(key.epoch);
  line(file_, "A {} {} {} {} {} {} {}\n", topic_word, device_word, n, stream, epoch, key.seq,
       time_us);
}

void CloudLedger::other(const RecordKey& key, std::int64_t time_us) {
  const std::uint32_t stream = word(key.stream);
  const std::uint32_t epoch = word(key.epoch);
  line(file_, "O {} {} {} {}\n", stream, epoch, key.seq, time_us);
}

void CloudLedger::gap(const RecordKey& first, std::uint64_t last) {
  const std::uint32_t stream = word(first.stream);
  const std::uint32_t epoch = word(first.epoch);
  line(file_, "G {} {} {} {}\n", stream, epoch, first.seq, last);
}

void CloudLedger::undecodable(std::int64_t time_us) { line(file_, "B {}\n", time_us); }

}  // namespace tg::sim
