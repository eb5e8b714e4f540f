// Reads what is still readable out of a quarantined set, segment by segment, around the damage. The
// loop asks for the next batch when it has stored the last: live traffic goes first.
//
// A record comes back when its segment's checksum is right and no reader had passed it; of a stream
// whose readers cannot be read, all come back. In each stream they keep their order.
//
// Thread: constructor, next() and destructor are the loop's; callbacks run there through post.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/base/post.h"
#include "daemon/store/segment_codec.h"
#include "daemon/store/sqlite.h"
#include "daemon/store/store.h"

namespace tg::store {

struct SalvageBatch {
  std::string stream;      // empty: there is nothing more
  std::string records;     // of one segment (record.h)
  Seq first = 0;           // as it was numbered
  std::uint64_t skip = 0;  // that many at its front had been passed
  Seq end = 0;
  std::uint64_t damaged_segments = 0;  // found so far, in all streams
};

class Salvage {
 public:
  // done: by stream, up to where an earlier run came.
  Salvage(std::filesystem::path set, std::map<std::string, Seq> done, std::vector<Key> keys,
          Post post, std::function<void(SalvageBatch)> on_batch);
  ~Salvage();
  Salvage(const Salvage&) = delete;
  Salvage& operator=(const Salvage&) = delete;

  // Of any stream but those.
  void next(std::vector<std::string> without);

  [[nodiscard]] const std::filesystem::path& set() const { return set_; }

 private:
  struct Stream {
    std::string name;
    std::uint64_t table = 0;
    Seq at = 1;
    Seq end = 0;
  };

  void run();
  void open();
  void read_positions();
  SalvageBatch read(const std::vector<std::string>& without);
  bool read_segment(Stream& stream, SalvageBatch& batch);

  const std::filesystem::path set_;
  const std::map<std::string, Seq> done_;
  const Post post_;
  const std::function<void(SalvageBatch)> on_batch_;

  // The thread's alone.
  SegmentCodec codec_;
  std::unique_ptr<Database> database_;
  std::vector<Stream> streams_;
  std::uint64_t damaged_ = 0;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  bool wanted_ = false;
  std::vector<std::string> without_;
  bool closing_ = false;

  std::thread thread_;
};

}  // namespace tg::store
