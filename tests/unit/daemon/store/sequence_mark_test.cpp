#include "daemon/store/sequence_mark.h"

#include <array>
#include <fstream>

#include "tests/unit/daemon/store/test_loop.h"

namespace tg::store {
namespace {

Opened opened_at(std::string epoch, std::vector<StreamRow> streams) {
  Opened opened;
  opened.epoch = std::move(epoch);
  opened.streams = std::move(streams);
  return opened;
}

StreamRow row(std::uint64_t id, Seq next) {
  StreamRow row;
  row.id = id;
  row.next = next;
  return row;
}

}  // namespace

TEST_CASE("the mark is ahead of a database that has lost commits of one stream") {
  TempDir dir;
  const auto file = dir.path / "mark";
  const std::array<std::uint64_t, 2> ids{3, 7};
  SequenceMark mark(file);
  CHECK_FALSE(mark.is_ahead_of(opened_at("e1", {row(3, 1)})));  // there is none yet
  mark.write("e1", ids, std::array<Seq, 2>{100, 2'000'000'000'000});
  mark.write("e1", ids, std::array<Seq, 2>{101, 2'000'000'000'001});

  CHECK_FALSE(mark.is_ahead_of(opened_at("e1", {row(7, 2'000'000'000'001), row(3, 101)})));
  CHECK_FALSE(mark.is_ahead_of(opened_at("e1", {row(7, 2'000'000'000'002), row(3, 101)})));
  CHECK(mark.is_ahead_of(opened_at("e1", {row(7, 2'000'000'000'000), row(3, 101)})));
  CHECK(mark.is_ahead_of(opened_at("e1", {row(3, 100)})));
  CHECK_FALSE(mark.is_ahead_of(opened_at("e2", {row(3, 1)})));  // a database of its own
  CHECK_FALSE(mark.is_ahead_of(opened_at("e1", {row(4, 1)})));  // a stream that came later
}

TEST_CASE("a shorter mark stands in front of what was there; a damaged one says nothing") {
  TempDir dir;
  const auto file = dir.path / "mark";
  const std::array<std::uint64_t, 2> ids{1, 2};
  SequenceMark(file).write("e1", ids, std::array<Seq, 2>{500, 600});
  SequenceMark(file).write("e2", std::span(ids).first(1), std::array<Seq, 1>{5});
  const SequenceMark mark(file);
  CHECK(mark.is_ahead_of(opened_at("e2", {row(1, 4), row(2, 1)})));
  CHECK_FALSE(mark.is_ahead_of(opened_at("e2", {row(1, 5), row(2, 1)})));

  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekp(15);
  bytes.put('9');
  bytes.close();
  CHECK_FALSE(mark.is_ahead_of(opened_at("e2", {row(1, 4)})));
  std::ofstream(file) << "next 1 9";
  CHECK_FALSE(mark.is_ahead_of(opened_at("e2", {row(1, 4)})));
  SequenceMark("/nowhere/mark").write("e1", ids, std::array<Seq, 2>{1, 1});  // no error
}

}  // namespace tg::store
