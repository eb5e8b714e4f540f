#include "tests/sim/decode.h"

#include <simdjson.h>

#include <algorithm>

namespace tg::sim {
namespace {

using simdjson::dom::element;

std::string_view text_at(element object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

bool number_at(element object, std::string_view key, std::uint64_t& number) {
  return object[key].get(number) == simdjson::SUCCESS;
}

}  // namespace

class Decoder::Parser {
 public:
  explicit Parser(CloudLedger& ledger) : ledger_(ledger) {}

  std::uint64_t take(std::string_view topic, std::string_view payload, std::int64_t time_us) {
    time_us_ = time_us;
    records_ = 0;
    element body;
    if (parser_.parse(payload.data(), payload.size()).get(body) == simdjson::SUCCESS) {
      document(topic, body);
    } else if (payload.find('\n') != std::string_view::npos) {
      lines(payload);
    } else {
      ledger_.undecodable(time_us);
    }
    return records_;
  }

 private:
  void document(std::string_view topic, element body) {
    simdjson::dom::array records;
    element member;
    if (body["records"].get(records) == simdjson::SUCCESS) {
      for (const element record : records) keyed(body, record);
    } else if (body["payload"].get(member) == simdjson::SUCCESS ||
               body["gap"].get(member) == simdjson::SUCCESS) {
      keyed(body, body);
    } else {
      message(topic, body, RecordKey{});
    }
  }

  void lines(std::string_view payload) {
    while (!payload.empty()) {
      const std::size_t end = std::min(payload.find('\n'), payload.size());
      element record;
      if (parser_.parse(payload.data(), end).get(record) == simdjson::SUCCESS) {
        keyed(record, record);
      } else if (end > 0) {
        ledger_.undecodable(time_us_);
      }
      payload.remove_prefix(std::min(end + 1, payload.size()));
    }
  }

  // head carries stream and epoch, record the rest; in jsonl they are one object.
  void keyed(element head, element record) {
    RecordKey key{text_at(head, "stream"), text_at(head, "epoch"), 0};
    element gap;
    if (record["gap"].get(gap) == simdjson::SUCCESS) {
      std::uint64_t last = 0;
      if (number_at(gap, "first", key.seq) && number_at(gap, "last", last)) {
        return ledger_.gap(key, last);
      }
      return ledger_.undecodable(time_us_);
    }
    element payload;
    if (!number_at(record, "seq", key.seq) || key.stream.empty() || key.epoch.empty() ||
        record["payload"].get(payload) != simdjson::SUCCESS) {
      return ledger_.undecodable(time_us_);
    }
    message(text_at(record, "topic"), payload, key);
  }

  void message(std::string_view topic, element body, const RecordKey& key) {
    ++records_;
    std::uint64_t n = 0;
    const std::string_view device = text_at(body, "device");
    if (!device.empty() && !topic.empty() && number_at(body, "n", n) && n > 0) {
      ledger_.arrived(topic, device, n, key, time_us_);
    } else {
      ledger_.other(key, time_us_);
    }
  }

  CloudLedger& ledger_;
  simdjson::dom::parser parser_;
  std::int64_t time_us_ = 0;
  std::uint64_t records_ = 0;
};

Decoder::Decoder(CloudLedger& ledger) : parser_(std::make_unique<Parser>(ledger)) {}

Decoder::~Decoder() = default;

std::uint64_t Decoder::take(std::string_view topic, std::string_view payload,
                            std::int64_t time_us) {
  return parser_->take(topic, payload, time_us);
}

}  // namespace tg::sim
