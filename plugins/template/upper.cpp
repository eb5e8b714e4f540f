// A processor to start from: publishes each payload again in capitals. <tidegate/plugin.h> says
// what is owned by whom, on which thread, with which limits.
#include <cctype>
#include <span>
#include <string>
#include <string_view>
#include <tidegate/plugin.hpp>

namespace {

class Upper : public tidegate::Processor {
 public:
  // `config` is the instance's own part of the configuration, as JSON. What is thrown here is the
  // reason why the gateway does not start it.
  Upper(tidegate::Host host, std::string_view /*config*/) : Processor(host) {}

  // One call is one transaction: what is emitted here and the read position are committed together.
  void process(std::span<const tidegate_record> records,
               std::span<uint32_t> /*verdicts*/) override {
    for (const auto& record : records) {
      std::string text(tidegate::view(record.payload));
      for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      host().emit(tidegate::view(record.topic), text, record.time_ms);
    }
  }
};

}  // namespace

TIDEGATE_PROCESSOR_PLUGIN(Upper, "upper", "1.0", nullptr)
