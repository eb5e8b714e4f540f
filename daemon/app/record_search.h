// Finds a record of a stream by its time, by halving: records lie in the order in which they came,
// which is that of their times as long as the clock was not set back. About 20 short reads for a
// million records.
//
// Thread: the loop's. The store outlives the search or its answer is dropped with the store's.
#pragma once

#include <cstdint>
#include <functional>

#include "daemon/base/result.h"
#include "daemon/store/store.h"

namespace tg::app {

// The first record of [first, end) that came at wall_ms or later; `end` when there is none.
void find_by_time(store::Store& store, store::StreamId stream, store::Seq first, store::Seq end,
                  std::int64_t wall_ms, std::function<void(Result<store::Seq>)> done);

}  // namespace tg::app
