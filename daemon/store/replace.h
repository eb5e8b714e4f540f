// Puts a backup in the place of the store of a daemon that does not run. The backup is copied into
// the data directory and checked there before anything changes; the database that was there is kept
// in quarantine (quarantine.h) as one that has been salvaged: it is not read again, and goes when
// its room is needed.
//
// The restored database begins a new epoch: its sequence numbers have been given to other records
// since the backup was made.
//
// Thread: any. After a power cut in the middle the next start finds the old records or the
// backup's, or both, none twice lost.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "daemon/base/result.h"

namespace tg::store {

struct Replaced {
  std::string epoch;
  std::filesystem::path old;  // where the database of before lies; empty: there was none
};

// kBusy while a process has the store open, and while a damaged database waits to be salvaged.
Result<Replaced> replace_database(const std::filesystem::path& data_dir,
                                  const std::filesystem::path& backup, std::int64_t wall_ms);

}  // namespace tg::store
