#include "plugins/archive/settings.h"

#include <charconv>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

namespace archive {
namespace {

using nlohmann::json;
using Units = std::map<std::string_view, std::uint64_t>;

const Units kDurations = {
    {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
const Units kSizes = {
    {"", 1}, {"B", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}};

constexpr std::uint64_t kMinFileSize = 64 << 10;
constexpr std::uint64_t kMaxAgeMs = 366ULL * 86'400'000;
// A gateway that stops waits 5 s for the call in hand.
constexpr std::uint64_t kMaxFlushIntervalMs = 4000;
constexpr int kMaxLevel = 19;

[[noreturn]] void refuse(const std::string& key, const std::string& problem) {
  throw std::invalid_argument("config." + key + problem);
}

std::uint64_t quantity(const json& value, const std::string& key, const Units& units,
                       const char* example) {
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  const auto unit = units.find({at, static_cast<std::size_t>(end - at)});
  if (error != std::errc() || unit == units.end() ||
      number > std::numeric_limits<std::uint64_t>::max() / unit->second) {
    refuse(key, ": \"" + text + "\" is not like " + example);
  }
  return number * unit->second;
}

std::uint64_t read(const json& config, const char* key, const Units& units, const char* example,
                   std::uint64_t otherwise, std::uint64_t least, std::uint64_t most) {
  if (!config.contains(key)) return otherwise;
  const std::uint64_t found = quantity(config[key], key, units, example);
  if (found < least || found > most) refuse(key, " is out of its bounds");
  return found;
}

std::string read_directory(const json& config) {
  if (!config.contains("directory")) refuse("directory", " is missing");
  const json& value = config["directory"];
  if (!value.is_string() || !value.get_ref<const std::string&>().starts_with('/')) {
    refuse("directory", " must be an absolute path");
  }
  return value.get<std::string>();
}

int read_level(const json& config, int otherwise) {
  if (!config.contains("compression_level")) return otherwise;
  const auto level = quantity(config["compression_level"], "compression_level", {{"", 1}}, "3");
  if (level < 1 || level > kMaxLevel) refuse("compression_level", " is not 1 to 19");
  return static_cast<int>(level);
}

void check_keys(const json& config) {
  static const std::set<std::string> kKnown = {"directory",         "max_file_size",
                                               "max_file_age",      "max_total_size",
                                               "compression_level", "flush_interval"};
  if (!config.is_object()) throw std::invalid_argument("config must be a map");
  for (const auto& [key, value] : config.items()) {
    if (!kKnown.contains(key)) refuse(key, ": unknown key");
  }
}

}  // namespace

Settings parse_settings(std::string_view json_text) {
  constexpr auto kNoLimit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const json config = json::parse(json_text);
  check_keys(config);
  Settings settings;
  settings.directory = read_directory(config);
  settings.max_file_size = read(config, "max_file_size", kSizes, "16MiB", settings.max_file_size,
                                kMinFileSize, kNoLimit);
  settings.max_total_size = read(config, "max_total_size", kSizes, "1GiB", settings.max_total_size,
                                 kMinFileSize, kNoLimit);
  settings.max_file_age_ms = static_cast<std::int64_t>(
      read(config, "max_file_age", kDurations, "1d",
           static_cast<std::uint64_t>(settings.max_file_age_ms), 1000, kMaxAgeMs));
  settings.flush_interval_ms = static_cast<std::int64_t>(
      read(config, "flush_interval", kDurations, "1s",
           static_cast<std::uint64_t>(settings.flush_interval_ms), 0, kMaxFlushIntervalMs));
  settings.compression_level = read_level(config, settings.compression_level);
  if (settings.max_total_size < settings.max_file_size) {
    refuse("max_total_size", " is less than max_file_size");
  }
  return settings;
}

}  // namespace archive
