// Turns a mosquitto.conf into our configuration: listeners, limits, access lists, bridges. What
// cannot be carried over is listed with its line, never left out in silence.
//
//   topic … out   a stream, a route into it and a raw export: what the bridge sends is stored first
//   topic … in    an entry of `bridge`, direction down
//   acl_file      policies in the AWS IoT grammar
//
// Pure, but for the access list, which it asks `read` for. Limits: those of read_tree() for the
// result; 10,000 lines.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tg::config {

struct ImportNote {
  std::string file;
  int line = 0;
  std::string text;
};

struct Imported {
  std::string yaml;
  std::vector<ImportNote> notes;
};

// read: the text of a file that the configuration names, nothing when it cannot be read.
[[nodiscard]] Imported import_mosquitto(
    const std::string& name, std::string_view text,
    const std::function<std::optional<std::string>(const std::string& file)>& read);

// The access list as the section `policies`; empty when it has no rules. (mosquitto_acl.cpp)
[[nodiscard]] std::string import_mosquitto_acl(const std::string& name, std::string_view text,
                                               std::vector<ImportNote>& notes);

// A YAML string in double quotes.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace tg::config
