// A Source over the store.
#pragma once

#include "daemon/uplink/source.h"

namespace tg::uplink {

class StoreSource final : public Source {
 public:
  // The store outlives the source.
  StoreSource(store::Store& store, store::StreamId stream, store::ReaderId reader)
      : store_(store), stream_(stream), reader_(reader) {}

  [[nodiscard]] store::StreamId stream_id() const override { return stream_; }
  [[nodiscard]] const std::string& epoch() const override;
  [[nodiscard]] store::Seq next() const override;
  [[nodiscard]] store::Seq position() const override;
  void advance(store::Seq next) override;
  void read(store::Seq from, std::size_t max_bytes, Done done) override;

 private:
  store::Store& store_;
  const store::StreamId stream_;
  const store::ReaderId reader_;
};

}  // namespace tg::uplink
