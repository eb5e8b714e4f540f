// What an exporter reads from: one stream through one durable cursor. The daemon's is StoreSource;
// tests use a fake.
//
// Thread: the loop's (T0). read() answers on the loop, later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "daemon/base/result.h"
#include "daemon/store/store.h"

namespace tg::uplink {

class Source {
 public:
  using Done = std::function<void(Result<store::Chunk>)>;

  virtual ~Source() = default;
  [[nodiscard]] virtual store::StreamId stream_id() const = 0;
  [[nodiscard]] virtual store::ReaderId reader_id() const = 0;
  [[nodiscard]] virtual const std::string& epoch() const = 0;
  // As store::Store::boot().
  [[nodiscard]] virtual std::uint32_t boot() const = 0;
  // The oldest number that is stored; next() when there is none.
  [[nodiscard]] virtual store::Seq first() const = 0;
  // The next number to be committed to the stream.
  [[nodiscard]] virtual store::Seq next() const = 0;
  // The cursor: everything below has been passed for good.
  [[nodiscard]] virtual store::Seq position() const = 0;
  virtual void advance(store::Seq next) = 0;
  // The operator wants nothing to be sent for now. The end of it is told as new records are.
  [[nodiscard]] virtual bool is_paused() const = 0;
  // As store::Store::read().
  virtual void read(store::Seq from, std::size_t max_bytes, Done done) = 0;
  // A few bytes beside the cursor (live_first.h), committed with it when both are changed in one
  // handler of the loop.
  virtual void save_ranges(const std::string& bytes) = 0;
  virtual void load_ranges(std::function<void(const std::string&)> done) = 0;
};

}  // namespace tg::uplink
