// The table of keys: all that the configuration file may hold, in one place. Loading, checking,
// documents and `tidegatectl config` read it.
//
// A path names a key from the root; `*` stands for a name that the operator chooses, `[]` for an
// item of a list: streams.*.max_size, exports[].batch.max_bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tg::config {

enum class Type : std::uint8_t {
  kSection,  // a map with the keys that the table lists below it
  kNamed,    // a map whose keys are names (the table lists them as `*`)
  kList,     // a list of sections
  kFree,     // any YAML, handed on as it is
  kString,
  kBool,  // true | false
  kInteger,
  kSize,         // bytes with KiB MiB GiB
  kSizeOrShare,  // a size or a percentage
  kPercent,
  kDuration,   // with ms s m h d
  kEnum,       // one of `values`
  kStrings,    // one string or a list of them
  kSecret,     // a string, {file: …} or {credential: …}
  kEndpoints,  // a list of URLs or of {url, expensive}
  kOutput,     // a stream, or {topic: …}, which is not available yet
};

enum class Reload : std::uint8_t { kLive, kRestart };
[[nodiscard]] constexpr const char* to_string(Reload reload) {
  return reload == Reload::kLive ? "live" : "restart";
}

struct Key {
  std::string_view path;
  Type type;
  std::string_view standard;  // default, as it would be written; empty = none
  Reload reload;
  bool available;           // false: checked, then named in the warning "not available yet"
  std::string_view values;  // kEnum: a|b|c
  std::uint64_t min;        // numbers, sizes in bytes, durations in ms
  std::uint64_t max;
  std::string_view help;
};

[[nodiscard]] std::span<const Key> keys();
// By exact path (with * and []); null when there is none.
[[nodiscard]] const Key* find_key(std::string_view path);

}  // namespace tg::config
