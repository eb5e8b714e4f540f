#include "daemon/store/group.h"

#include <iterator>

namespace tg::store {
namespace {

template <class T>
void append_all(std::vector<T>& to, std::vector<T>&& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

void Group::absorb(Group&& later) {
  if (later.options != nullptr) options = std::move(later.options);
  if (segments.size() < later.segments.size()) segments.resize(later.segments.size());
  for (auto& drafts : segments) {
    if (!drafts.empty()) drafts.back().closed = true;
  }
  for (std::size_t stream = 0; stream < later.segments.size(); ++stream) {
    append_all(segments[stream], std::move(later.segments[stream]));
  }
  positions = std::move(later.positions);
  positions_changed = positions_changed || later.positions_changed;
  if (damaged_epoch.empty()) damaged_epoch = std::move(later.damaged_epoch);
  append_all(reader_changes, std::move(later.reader_changes));
  append_all(state, std::move(later.state));
  broker.absorb(std::move(later.broker));
  append_all(tokens, std::move(later.tokens));
  append_all(tasks, std::move(later.tasks));
  bytes += later.bytes;
  maintenance = maintenance || later.maintenance;
}

}  // namespace tg::store
