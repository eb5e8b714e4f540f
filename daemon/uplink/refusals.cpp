#include "daemon/uplink/refusals.h"

#include <algorithm>

namespace tg::uplink {

void Refusals::lost(Seq end, std::optional<Seq> alone, const std::string& reason,
                    std::int64_t now_ms) {
  suspect_end_ = std::max(suspect_end_, end);
  if (!alone) {
    alone_.reset();
    return;
  }
  if (!alone_ || alone_->seq != *alone) alone_ = Condemned{*alone, reason, now_ms, now_ms, 0};
  alone_->last_ms = now_ms;
  alone_->reason = reason;
  if (++alone_->attempts < static_cast<std::uint64_t>(kEndsToCondemn)) return;
  condemned_ = alone_;
  alone_.reset();
}

void Refusals::split(Seq end) { suspect_end_ = std::max(suspect_end_, end); }

bool Refusals::lettered(const std::string& reason) {
  condemned_.reset();
  letters_ = reason == letter_reason_ ? letters_ + 1 : 1;
  letter_reason_ = reason;
  if (letters_ < kLettersToBlock) return false;
  blocked_ = reason;
  return true;
}

void Refusals::unblock() {
  blocked_.clear();
  letters_ = 0;
  alone_.reset();
}

}  // namespace tg::uplink
