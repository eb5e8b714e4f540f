// What the gateway's exports send (exports.format raw, json, jsonl), taken apart into ledger
// entries. raw: the payload is a device's message. json:
// {"gateway","stream","epoch","first","records":[…]}. jsonl: one record a line, with gateway,
// stream and epoch in each.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "tests/sim/ledger.h"

namespace tg::sim {

class Decoder {
 public:
  explicit Decoder(CloudLedger& ledger);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // One publish that arrived; topic is the publish's own. Returns the number of records in it.
  std::uint64_t take(std::string_view topic, std::string_view payload, std::int64_t time_us);

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace tg::sim
