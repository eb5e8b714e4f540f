#include "daemon/store/episode.h"

#include <catch2/catch.hpp>

using tg::store::Episode;

TEST_CASE("an episode begins once, goes on while it is fed, and ends with an hour of quiet") {
  Episode episode;
  CHECK(episode.happens(0));
  CHECK_FALSE(episode.happens(1));
  CHECK_FALSE(episode.happens(1 + Episode::kQuietMs));
  CHECK_FALSE(episode.happens(1 + 2 * Episode::kQuietMs));
  CHECK(episode.happens(2 + 3 * Episode::kQuietMs));
}

TEST_CASE("an episode whose cause has gone ends at once") {
  Episode episode;
  CHECK(episode.happens(0));
  episode.end();
  CHECK(episode.happens(1));
  CHECK_FALSE(episode.happens(2));
}
