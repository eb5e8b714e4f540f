#include "daemon/uplink/store_source.h"

#include <utility>

namespace tg::uplink {

namespace {

constexpr const char* kRangesKey = "acknowledged";

}  // namespace

const std::string& StoreSource::epoch() const { return store_.epoch(); }

std::uint32_t StoreSource::boot() const { return store_.boot(); }

store::Seq StoreSource::first() const { return store_.status(stream_).first; }

store::Seq StoreSource::next() const { return store_.status(stream_).next; }

store::Seq StoreSource::position() const { return store_.position(reader_); }

void StoreSource::advance(store::Seq next) { store_.advance(reader_, next); }

bool StoreSource::is_paused() const { return store_.is_paused(reader_); }

void StoreSource::read(store::Seq from, std::size_t max_bytes, Done done) {
  store_.read(stream_, from, max_bytes, std::move(done));
}

void StoreSource::save_ranges(const std::string& bytes) {
  store_.put_state(owner_, kRangesKey, bytes);
}

void StoreSource::load_ranges(std::function<void(const std::string&)> done) {
  store_.get_state(owner_, [done = std::move(done)](const auto& state) {
    std::string ranges;
    if (state) {
      for (const auto& [key, value] : *state) {
        if (key == kRangesKey) ranges = value;
      }
    }
    done(ranges);
  });
}

}  // namespace tg::uplink
