#include "daemon/app/record_search.h"

#include <memory>
#include <utility>

namespace tg::app {
namespace {

// All below `low` came before the time, all from `high` on at it or later.
struct Search : std::enable_shared_from_this<Search> {
  store::Store& store;
  const store::StreamId stream;
  const std::int64_t wall_ms;
  store::Seq low;
  store::Seq high;
  std::function<void(Result<store::Seq>)> done;

  Search(store::Store& the_store, store::StreamId the_stream, std::int64_t the_wall_ms,
         store::Seq first, store::Seq end, std::function<void(Result<store::Seq>)> when_done)
      : store(the_store),
        stream(the_stream),
        wall_ms(the_wall_ms),
        low(first),
        high(end),
        done(std::move(when_done)) {}

  void step() {
    if (low >= high) return done(high);
    const store::Seq middle = low + (high - low) / 2;
    store.read(stream, middle, 1,
               [self = shared_from_this(), middle](const Result<store::Chunk>& chunk) {
                 if (!chunk) return self->done(tl::unexpected(chunk.error()));
                 self->look(middle, *chunk);
                 self->step();
               });
  }

  void look(store::Seq middle, const store::Chunk& chunk) {
    const bool is_there = !chunk.records.empty() && chunk.first < high;
    if (is_there && chunk.records.front().received.wall_ms < wall_ms) {
      low = chunk.first + 1;
    } else {
      high = middle;  // there is nothing between the middle and the record that was read
    }
  }
};

}  // namespace

void find_by_time(store::Store& store, store::StreamId stream, store::Seq first, store::Seq end,
                  std::int64_t wall_ms, std::function<void(Result<store::Seq>)> done) {
  std::make_shared<Search>(store, stream, wall_ms, first, end, std::move(done))->step();
}

}  // namespace tg::app
