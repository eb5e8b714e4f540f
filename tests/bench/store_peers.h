// What store-bench compares the store with, and the messages that all of them get.
//
// A peer has put(messages, from, to), which is one commit, and take(), which reads the oldest and
// lets them be deleted with the next put().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"
#include "daemon/store/record.h"
#include "daemon/store/sqlite.h"

namespace bench {

[[noreturn]] void fail(const std::string& text);

template <class T>
T must(tg::Result<T> result) {
  if (!result) fail(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// 200 devices, one topic each, telemetry as JSON, each with its own values.
class Messages {
 public:
  explicit Messages(std::size_t payload_bytes);
  [[nodiscard]] tg::store::Record record(std::size_t index) const;
  [[nodiscard]] std::size_t payload_bytes() const { return payloads_.front().size(); }

 private:
  std::vector<std::string> publishers_;
  std::vector<std::string> topics_;
  std::vector<std::string> payloads_;
};

// The floor: the same records, appended to a file, one fdatasync per group. What has been taken is
// not deleted.
class AppendLog {
 public:
  explicit AppendLog(const std::filesystem::path& path);
  void put(const Messages& messages, std::size_t from, std::size_t to);
  std::size_t take();

 private:
  tg::UniqueFd file_;
  std::string bytes_;
  std::deque<std::pair<std::size_t, std::size_t>> groups_;  // bytes, records
  off_t read_ = 0;
};

// A row for each message, with a WAL and a sync for each commit.
class Table {
 public:
  virtual ~Table() = default;
  void put(const Messages& messages, std::size_t from, std::size_t to);
  std::size_t take();
  void set_batch(std::size_t rows) { batch_ = rows; }  // of take()

 protected:
  // The table is `message`, its key `seq`.
  Table(const std::filesystem::path& file, const std::string& setup, const std::string& insert);

 private:
  virtual void bind(tg::store::Statement& insert, const tg::store::Record& record) = 0;

  tg::store::Database database_;
  tg::store::Statement insert_, select_, delete_;
  std::uint64_t next_ = 1;
  std::size_t batch_ = 0;
};

// What most gateways do.
class RowTable : public Table {
 public:
  explicit RowTable(const std::filesystem::path& file);

 private:
  void bind(tg::store::Statement& insert, const tg::store::Record& record) override;
};

// As Fledge's default storage plugin: AUTOINCREMENT, two times as text, one of them with an index.
// One table here, where Fledge has one for each asset.
class FledgeTable : public Table {
 public:
  explicit FledgeTable(const std::filesystem::path& file);

 private:
  void bind(tg::store::Statement& insert, const tg::store::Record& record) override;

  std::int64_t second_ = -1;
  std::string time_;
};

// As Greengrass' disk spooler: twelve columns, a rollback journal, and each message inserted, read
// and deleted by its id, with a commit each time. Without its Java.
class GreengrassSpool {
 public:
  explicit GreengrassSpool(const std::filesystem::path& file);
  void put(const Messages& messages, std::size_t from, std::size_t to);
  std::size_t take();

 private:
  tg::store::Database database_;
  tg::store::Statement insert_, select_, delete_;
  std::uint64_t next_ = 1;
};

}  // namespace bench
