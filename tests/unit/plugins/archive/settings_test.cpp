#include "plugins/archive/settings.h"

#include <catch2/catch.hpp>
#include <string>

using archive::parse_settings;
using Catch::Matchers::Contains;

TEST_CASE("only the directory is required") {
  const auto settings = parse_settings(R"({"directory":"/d"})");
  CHECK(settings.directory == "/d");
  CHECK(settings.max_file_size == 16 << 20);
  CHECK(settings.max_total_size == 1 << 30);
  CHECK(settings.max_file_age_ms == 86'400'000);
  CHECK(settings.compression_level == 3);
  CHECK(settings.flush_interval_ms == 1000);
}

TEST_CASE("all settings are read") {
  const auto settings = parse_settings(
      R"({"directory":"/d","max_file_size":"1MiB","max_file_age":"90m","max_total_size":2097152,
          "compression_level":19,"flush_interval":"250ms"})");
  CHECK(settings.max_file_size == 1 << 20);
  CHECK(settings.max_file_age_ms == 5'400'000);
  CHECK(settings.max_total_size == 2 << 20);
  CHECK(settings.compression_level == 19);
  CHECK(settings.flush_interval_ms == 250);
}

TEST_CASE("a mistake names its key") {
  const auto [text, key] = GENERATE(table<std::string, std::string>(
      {{R"({})", "config.directory"},
       {R"({"directory":"relative"})", "config.directory"},
       {R"({"directory":"/d","max_file_size":"1 MB"})", "config.max_file_size"},
       {R"({"directory":"/d","max_file_size":"1KiB"})", "config.max_file_size"},
       {R"({"directory":"/d","max_file_size":"99999999999GiB"})", "config.max_file_size"},
       {R"({"directory":"/d","max_file_age":"-1d"})", "config.max_file_age"},
       {R"({"directory":"/d","max_total_size":"1MiB"})", "config.max_total_size"},
       {R"({"directory":"/d","compression_level":20})", "config.compression_level"},
       {R"({"directory":"/d","flush_interval":"5s"})", "config.flush_interval"},
       {R"({"directory":"/d","path":"/e"})", "config.path"}}));
  CHECK_THROWS_WITH(parse_settings(text), Contains(key));
}
