// What one sender knows of publishes that the cloud may be refusing for ever (design §7). AWS
// closes the connection on a denied publish without saying which. So:
//
//   an unexplained end of a connection makes what was in flight suspect; until all of it has been
//     acknowledged the session may send one publish at a time;
//   a record alone in flight at three such ends in a row is condemned: it goes to the dead letters;
//   after five dead letters in a row for one reason the sender is blocked and keeps its data: the
//     cloud's policy is wrong, not the records.
//
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/store/store.h"

namespace tg::uplink {

using store::Seq;

class Refusals {
 public:
  static constexpr int kEndsToCondemn = 3;
  static constexpr int kLettersToBlock = 5;

  struct Condemned {
    Seq seq = 0;
    std::string reason;
    std::int64_t first_ms = 0;  // of the first and the last attempt, wall clock
    std::int64_t last_ms = 0;
    std::uint64_t attempts = 0;
  };

  // The connection has ended, unexplained, with numbers below `end` in flight; `alone`: the one
  // record that was in flight, if it was only one.
  void lost(Seq end, std::optional<Seq> alone, const std::string& reason, std::int64_t now_ms);
  // [first, end) was refused as one publish: its records must be tried one by one.
  void split(Seq end);
  // Everything below has been acknowledged or passed over: is something left to be suspected?
  [[nodiscard]] bool is_suspect(Seq watermark) const { return watermark < suspect_end_; }
  // The record to be taken out, once its number comes.
  [[nodiscard]] const std::optional<Condemned>& condemned() const { return condemned_; }
  // It has become a dead letter, or another record has (for `reason`). True: blocked from now on.
  [[nodiscard]] bool lettered(const std::string& reason);
  // The cloud takes records.
  void acked() { letters_ = 0; }

  [[nodiscard]] const std::string& blocked() const { return blocked_; }  // the reason, or empty
  void unblock();

 private:
  Seq suspect_end_ = 0;
  std::optional<Condemned> alone_;  // attempts: ends in a row
  std::optional<Condemned> condemned_;
  int letters_ = 0;
  std::string letter_reason_;
  std::string blocked_;
};

}  // namespace tg::uplink
