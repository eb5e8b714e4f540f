// SQLite takes the first frame of a WAL whose checksum is wrong for its end. That is right after a
// power cut; after a bit has flipped it hides commits that were acknowledged, and their sequence
// numbers would be given out again. So the WAL is looked at before SQLite does: are there commits
// of the same generation behind the first bad frame? (What this cannot see, a WAL that ends too
// early, sequence_mark.h does.)
//
//   wal    := header frame*
//   header := magic:u32 version:u32 page_size:u32 counter:u32 salt:u64 checksum:u64     big-endian
//   frame  := page:u32 pages_after_commit:u32 salt:u64 checksum:u64 data      0 = no commit's last
//   checksum of a frame: over what precedes it in the frame's first 8 bytes and its data, begun
//   with that of the frame before
//
// Pure but for reading the file; any thread.
#pragma once

#include <filesystem>

namespace tg::store {

// False when there is no WAL, or nothing in it. What a power cut leaves (at most one commit that
// was not synced) is no loss.
[[nodiscard]] bool has_lost_commits(const std::filesystem::path& wal);

}  // namespace tg::store
