// SQLite writes a WAL in pieces, a header of 24 bytes and a page for each page that has changed: a
// commit of 300 KB is 150 calls, and they are most of what it costs. This VFS is SQLite's own for
// the platform, but gathers what follows on in the WAL and writes it at once.
//
// Sound for a connection that is synchronous=FULL: SQLite syncs the WAL before it tells readers of
// a new frame or calls it committed, and what is gathered is written before. A write that fails
// shows in the next call, the sync at the latest: the commit fails, as it would have.
//
// Thread: that of the connection.
#pragma once

namespace tg::store {

// Its name for sqlite3_open_v2, registered by the first call.
[[nodiscard]] const char* wal_vfs();

}  // namespace tg::store
