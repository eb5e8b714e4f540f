#include "tests/sim/faults.h"

#include <catch2/catch.hpp>
#include <set>

#include "tests/sim/wire.h"

using namespace tg::sim;

TEST_CASE("what happens at a rate is due as often, however it is asked") {
  Pace seldom(0.5);
  CHECK(seldom.due(1'900'000) == 0);
  CHECK(seldom.due(2'000'000) == 1);
  CHECK(seldom.due(2'000'000) == 0);
  CHECK(seldom.due(10'000'000) == 4);
  Pace never(0);
  CHECK(never.due(1'000'000'000) == 0);
}

TEST_CASE("each kind of malformed bytes is another, and most follow a good CONNECT") {
  std::set<std::string> kinds;
  std::size_t connected = 0;
  for (std::uint64_t kind = 0; kind < kMalformedKinds; ++kind) {
    const std::string bytes = malformed_bytes(kind, "x");
    kinds.insert(bytes);
    wire::Framer framer;
    framer.feed(bytes);
    const auto first = framer.next();
    connected += first && first->type == wire::Type::kConnect && first->body.substr(2, 4) == "MQTT";
  }
  CHECK(kinds.size() == kMalformedKinds);
  CHECK(connected == 4);
}
