// archive: keeps every record of a stream in rotating files, to be read with zstdcat and replayed.
//
//   config:
//     directory: /var/lib/archive    required; its last level is made
//     max_file_size: 16MiB           [16MiB] compressed, as it lies on the disk
//     max_file_age: 1d               [1d] since the file was begun
//     max_total_size: 1GiB           [1GiB] of all files; beyond it the oldest finished one goes
//     compression_level: 3           [3] 1 to 19
//     flush_interval: 1s             [1s] between two small flushes, at most 4s
//
// A sink: it emits nothing. Each call writes a zstd frame of JSON lines (record_line.h) and syncs
// it before it returns; only then the read position moves. So nothing is lost, and after a crash
// the records of one call may be there twice, with the same seq. What cannot be written (disk full,
// directory missing or read-only) is tried again until it can.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tidegate/plugin.hpp>

#include "plugins/archive/files.h"
#include "plugins/archive/frames.h"
#include "plugins/archive/record_line.h"
#include "plugins/archive/settings.h"

namespace {

using Steady = std::chrono::steady_clock;

// A flush of this much text is worth a frame and a sync of its own.
constexpr std::size_t kLargeFlush = 32 << 10;

constexpr const char* kSchema = R"({
  "type": "object", "required": ["directory"], "additionalProperties": false,
  "properties": {
    "directory": {"type": "string"}, "max_file_size": {"type": ["string", "integer"]},
    "max_file_age": {"type": "string"}, "max_total_size": {"type": ["string", "integer"]},
    "compression_level": {"type": "integer", "minimum": 1, "maximum": 19},
    "flush_interval": {"type": "string"}
  }})";

// It is a part of file names.
std::string file_name_of(std::string_view instance) {
  if (instance.empty() || instance.find_first_of("/\\") != std::string_view::npos) {
    throw std::invalid_argument("the name \"" + std::string(instance) +
                                "\" cannot be a part of file names");
  }
  return std::string(instance);
}

class Archive : public tidegate::Processor {
 public:
  Archive(tidegate::Host host, std::string_view config)
      : Processor(host),
        settings_(archive::parse_settings(config)),
        files_(settings_.directory, file_name_of(host.name()),
               {settings_.max_file_size, settings_.max_file_age_ms, settings_.max_total_size}),
        compressor_(settings_.compression_level) {}

  void process(std::span<const tidegate_record> records,
               std::span<std::uint32_t> /*verdicts*/) override {
    if (records.empty()) return;  // they were evicted before
    text_.clear();
    for (const auto& record : records) archive::append_line(text_, record);
    if (text_.size() < kLargeFlush) wait_for_interval();
    try {
      files_.append(compressor_.frame(text_), host().now());
    } catch (const std::exception& error) {
      throw tidegate::NoRoom(error.what());
    }
    flushed_ = Steady::now();
    host().set_timer(files_.due_ms());
  }

  void timer(std::int64_t now_ms) override {
    files_.finish_if_old(now_ms);
    host().set_timer(files_.due_ms());
  }

 private:
  // While it sleeps records gather in the stream: larger frames, fewer syncs.
  void wait_for_interval() const {
    std::this_thread::sleep_until(flushed_ +
                                  std::chrono::milliseconds(settings_.flush_interval_ms));
  }

  const archive::Settings settings_;
  archive::Files files_;
  archive::Compressor compressor_;
  std::string text_;  // of one call
  Steady::time_point flushed_{};
};

}  // namespace

TIDEGATE_SINK_PLUGIN(Archive, "archive", "1.0", kSchema)
