// A Source over the store.
#pragma once

#include <functional>
#include <string>

#include "daemon/uplink/source.h"

namespace tg::uplink {

class StoreSource final : public Source {
 public:
  // The store outlives the source.
  // name: of the export; what save_ranges() keeps stands under it.
  StoreSource(store::Store& store, store::StreamId stream, store::ReaderId reader,
              const std::string& name)
      : store_(store), stream_(stream), reader_(reader), owner_("export/" + name) {}

  [[nodiscard]] store::StreamId stream_id() const override { return stream_; }
  [[nodiscard]] store::ReaderId reader_id() const override { return reader_; }
  [[nodiscard]] const std::string& epoch() const override;
  [[nodiscard]] std::uint32_t boot() const override;
  [[nodiscard]] store::Seq first() const override;
  [[nodiscard]] store::Seq next() const override;
  [[nodiscard]] store::Seq position() const override;
  void advance(store::Seq next) override;
  [[nodiscard]] bool is_paused() const override;
  void read(store::Seq from, std::size_t max_bytes, Done done) override;
  void save_ranges(const std::string& bytes) override;
  void load_ranges(std::function<void(const std::string&)> done) override;

 private:
  store::Store& store_;
  const store::StreamId stream_;
  const store::ReaderId reader_;
  const std::string owner_;
};

}  // namespace tg::uplink
