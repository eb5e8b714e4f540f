// Commits groups: one transaction, one sync each. Knows no threads; the store runs it on its own.
//
// After any failed commit the connection is closed; the next one opens it again and loads what the
// database says, so that a commit whose outcome was unclear is neither lost nor done twice.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/store/broker_tables.h"
#include "daemon/store/group.h"
#include "daemon/store/schema.h"
#include "daemon/store/segments.h"

namespace tg::store {

class Writer {
 public:
  Writer(std::filesystem::path file, StoreOptions options, std::string boot_id);

  // What is found there. Also the way back after a failure.
  Result<Opened> open();
  // The group keeps what it holds; the caller gives it back with the result.
  Result<Committed> commit(const Group& group);
  // When the WAL is long, or `idle` and it holds anything.
  Result<void> checkpoint(bool idle);

  [[nodiscard]] Committed summary() const;

 private:
  Result<void> apply(const Group& group, Committed& result);
  Result<void> apply_stream(std::size_t stream, const Group& group, Committed& result);
  Result<void> apply_readers(const Group& group);
  Result<void> apply_state(const Group& group);
  [[nodiscard]] std::optional<Seq> slowest_reader(std::size_t stream, const Group& group) const;

  const std::filesystem::path file_;
  StoreOptions options_;
  const std::string boot_id_;

  std::optional<Database> database_;
  std::vector<Segments> segments_;
  std::vector<ReaderStatus> detached_;
  std::vector<std::uint64_t> stream_ids_;
  std::vector<Seq> saved_positions_;
  Statement update_reader_;
  Statement put_state_;
  Statement delete_state_;
  BrokerTables broker_tables_;
};

}  // namespace tg::store
