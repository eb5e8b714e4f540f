// Plugins for the tests, as tables in this program: no shared library needed.
#pragma once

#include <tidegate/plugin.hpp>

#include <atomic>
#include <stdexcept>
#include <string>

namespace tg::plugin_host {

// Emits each payload with a running number that it keeps in its state; a payload "throw" throws
// while the test says so, "drop" is dropped, "bad" is dead-lettered, "block" has no room while the
// test says so.
class Numbering : public tidegate::Processor {
 public:
  Numbering(tidegate::Host host, std::string_view config) : Processor(host) {
    if (config.find("refuse") != std::string_view::npos)
      throw std::runtime_error("refused as told");
    if (config.find("tick") != std::string_view::npos) host.set_timer(1);
    host.each_state([this](std::string_view key, std::string_view value) {
      if (key == "n") count_ = std::stoull(std::string(value));
    });
  }
  void process(std::span<const tidegate_record> records,
               std::span<std::uint32_t> verdicts) override {
    for (std::size_t i = 0; i < records.size(); ++i) {
      const std::string payload(tidegate::view(records[i].payload));
      if (payload == "throw" && throws) throw std::runtime_error("as told");
      if (payload == "bad") {
        host().log(TIDEGATE_WARNING, "no number in it");
        verdicts[i] = TIDEGATE_DEAD_LETTER;
        continue;
      }
      if (payload == "block" && has_no_room) throw tidegate::NoRoom("full as told");
      if (payload == "drop") {
        verdicts[i] = TIDEGATE_DROP;
        continue;
      }
      ++count_;
      emitted = host().emit("out", payload + "#" + std::to_string(count_));
    }
    host().put("n", std::to_string(count_));
  }
  void timer(std::int64_t) override {
    if (timer_throws) throw std::runtime_error("no time");
    host().emit("out", "timer");
  }

  static inline std::atomic<bool> has_no_room = false;
  static inline std::atomic<bool> throws = true;
  static inline std::atomic<bool> timer_throws = false;
  static inline std::atomic<tidegate_status> emitted = TIDEGATE_OK;  // what the last emit() gave

 private:
  unsigned long long count_ = 0;
};

inline tidegate_plugin numbering_table() {
  using Table = tidegate::ProcessorTable<Numbering>;
  return {sizeof(tidegate_plugin),
          TIDEGATE_ABI_MAJOR,
          TIDEGATE_ABI_MINOR,
          TIDEGATE_PROCESSOR,
          "numbering",
          "1.0",
          nullptr,
          &Table::create,
          &Table::process,
          &Table::timer,
          &Table::drain,
          &Table::destroy};
}

}  // namespace tg::plugin_host
