#include "daemon/store/unread.h"

#include <algorithm>

#include "daemon/store/schema.h"
#include "daemon/store/sqlite.h"

namespace tg::store {

Result<std::uint64_t> count_unread(const std::filesystem::path& directory) {
  const auto file = directory / "streams.db";
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return std::uint64_t{0};
  auto database = Database::open(file, Database::Mode::kReadOnly);
  if (!database) return tl::unexpected(database.error());
  auto readers = database->prepare("SELECT stream_id, next_seq FROM reader");
  if (!readers) return tl::unexpected(readers.error());
  std::uint64_t unread = 0;
  for (;;) {
    const auto row = readers->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return unread;
    const auto stream = load_stream(*database, readers->integer(0));
    if (!stream) return tl::unexpected(stream.error());
    const Seq position = std::max(readers->integer(1), stream->first);
    unread += stream->next - std::min(position, stream->next);
  }
}

}  // namespace tg::store
