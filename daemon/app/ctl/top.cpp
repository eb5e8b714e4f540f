// tidegatectl top: rates and backlogs, live.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"

namespace tg::ctl {
namespace {

struct Options {
  int seconds = 1;
  int count = 0;  // 0 = until it is stopped
};

// A number a second, from two looks at a counter.
class Rates {
 public:
  void begin(double now_s) { elapsed_s_ = now_s - std::exchange(now_s_, now_s); }
  double of(const std::string& counter, double value) {
    const auto before = values_.find(counter);
    const double rate = before == values_.end() || elapsed_s_ <= 0
                            ? 0
                            : std::max(value - before->second, 0.0) / elapsed_s_;
    values_[counter] = value;
    return rate;
  }

 private:
  std::map<std::string, double> values_;
  double now_s_ = 0;
  double elapsed_s_ = 0;
};

Json frame_of(const Json& status, Rates& rates) {
  rates.begin(number(status, "uptime_s"));
  const auto& broker = status["broker"];
  Json frame{{"uptime_s", status["uptime_s"]},
             {"state", status["state"]},
             {"connections", broker["connections"]},
             {"received_per_s", rates.of("received", number(broker, "received"))},
             {"delivered_per_s", rates.of("delivered", number(broker, "delivered"))},
             {"streams", Json::array()},
             {"exports", Json::array()},
             {"processors", Json::array()}};
  for (const auto& stream : status["streams"]) {
    const std::string name = text(stream, "name");
    frame["streams"].push_back({{"name", name},
                                {"records", stream["records"]},
                                {"bytes", stream["bytes"]},
                                {"in_per_s", rates.of("s/" + name, number(stream, "next"))}});
  }
  for (const auto& item : status["exports"]) {
    const std::string name = text(item, "name");
    frame["exports"].push_back(
        {{"name", name},
         {"backlog", item["backlog"]},
         {"sent_per_s", rates.of("e/" + name, number(item, "records_sent"))},
         {"bytes_per_s", rates.of("b/" + name, number(item, "bytes_sent"))}});
  }
  for (const auto& item : status["processors"]) {
    const std::string name = text(item, "name");
    frame["processors"].push_back(
        {{"name", name},
         {"backlog", item["backlog"]},
         {"in_per_s", rates.of("p/" + name, number(item, "records_in"))}});
  }
  return frame;
}

std::string frame_text(const Json& frame) {
  std::string out = fmt::format(
      "{}, up {}, {} connected, {} in, {} out\n\n", text(frame, "state"),
      duration_text(number(frame, "uptime_s")), text(frame, "connections"),
      rate_text(number(frame, "received_per_s")), rate_text(number(frame, "delivered_per_s")));
  std::vector<Row> rows;
  for (const auto& s : frame["streams"]) {
    rows.push_back({text(s, "name"), rate_text(number(s, "in_per_s")), text(s, "records"),
                    size_text(number(s, "bytes"))});
  }
  out += table({"STREAM", "IN", "RECORDS", "SIZE"}, rows);
  rows.clear();
  for (const auto& e : frame["exports"]) {
    rows.push_back({text(e, "name"), rate_text(number(e, "sent_per_s")),
                    size_text(number(e, "bytes_per_s")) + "/s", text(e, "backlog")});
  }
  if (!rows.empty()) out += "\n" + table({"EXPORT", "SENT", "BYTES", "BACKLOG"}, rows);
  rows.clear();
  for (const auto& p : frame["processors"]) {
    rows.push_back({text(p, "name"), rate_text(number(p, "in_per_s")), text(p, "backlog")});
  }
  if (!rows.empty()) out += "\n" + table({"PROCESSOR", "IN", "BACKLOG"}, rows);
  return out;
}

void run(Context& context, const Options& options) {
  Rates rates;
  const bool is_terminal = ::isatty(STDOUT_FILENO) != 0 && !context.as_json;
  for (int i = 0; options.count == 0 || i <= options.count; ++i) {
    const auto status = context.get("/api/v1/status");
    if (!status) return;
    const Json frame = frame_of(*status, rates);
    if (i > 0) {  // the first look has no rates
      if (is_terminal) fmt::print("\x1b[H\x1b[2J");
      context.print(frame, frame_text);
      std::fflush(stdout);
    }
    if (options.count == 0 || i < options.count) {
      std::this_thread::sleep_for(std::chrono::seconds(options.seconds));
    }
  }
}

}  // namespace

void add_top(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("top", "rates and backlogs, live, until Ctrl-C");
  const auto options = std::make_shared<Options>();
  command->add_option("--interval", options->seconds, "seconds")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  command->add_option("--count", options->count, "stop after so many; 0 = never")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command->callback([&context, options] { run(context, *options); });
}

}  // namespace tg::ctl
