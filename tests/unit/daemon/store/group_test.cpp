#include "daemon/store/group.h"

#include <catch2/catch.hpp>

using namespace tg;
using namespace tg::store;

namespace {

SegmentDraft draft(Seq first, std::uint32_t count, std::string records) {
  SegmentDraft made;
  made.first = first;
  made.count = count;
  made.records = std::move(records);
  return made;
}

}  // namespace

TEST_CASE("a group that could not be committed takes in the next one, in order") {
  Group group;
  group.segments.resize(1);
  group.segments[0].push_back(draft(1, 2, "ab"));
  group.bytes = 2;
  group.positions = {1};
  group.tokens = {1, 2};
  group.state = {{"plugin", "key", "old"}};
  Group later;
  later.segments.resize(2);
  later.segments[0].push_back(draft(3, 1, "c"));
  later.segments[1].push_back(draft(1, 1, "d"));
  later.bytes = 2;
  later.positions = {3, 1};
  later.positions_changed = true;
  later.tokens = {3};
  later.state = {{"plugin", "key", "new"}};
  later.reader_changes = {{ReaderChange::Kind::kPause, "telemetry", "cloud"}};
  later.maintenance = true;
  int ran = 0;
  group.tasks.emplace_back([&ran] { ran = 1; });
  later.tasks.emplace_back([&ran] { ran = ran == 1 ? 2 : -1; });
  group.absorb(std::move(later));

  REQUIRE(group.segments.size() == 2);
  REQUIRE(group.segments[0].size() == 2);
  CHECK(group.segments[0][0].closed);  // perhaps it is in the database: nothing is added to it
  CHECK_FALSE(group.segments[0][1].closed);
  CHECK(group.segments[0][1].first == 3);
  CHECK(group.segments[1].size() == 1);
  CHECK(group.bytes == 4);
  CHECK(group.positions == std::vector<Seq>{3, 1});
  CHECK(group.positions_changed);
  CHECK(group.tokens == std::vector<Token>{1, 2, 3});
  CHECK(group.state.back().value == "new");
  CHECK(group.reader_changes.size() == 1);
  CHECK(group.maintenance);
  for (const auto& task : group.tasks) task();
  CHECK(ran == 2);
}

TEST_CASE("of two sets of options the later counts, of damaged epochs the first") {
  Group group;
  Group later;
  group.options = std::make_shared<StoreOptions>();
  group.damaged_epoch = "first";
  auto newer = std::make_shared<StoreOptions>();
  newer->flash_saver = true;
  later.options = newer;
  later.damaged_epoch = "second";
  group.absorb(std::move(later));
  CHECK(group.options->flash_saver);
  CHECK(group.damaged_epoch == "first");
  Group last;
  group.absorb(std::move(last));
  CHECK(group.options->flash_saver);
  CHECK_FALSE(group.is_empty());
}
