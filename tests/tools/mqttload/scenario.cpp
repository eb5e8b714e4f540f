#include "tests/tools/mqttload/scenario.h"

#include <algorithm>
#include <random>
#include <string_view>

namespace tg::load {
namespace {

std::string_view first_level(std::string_view path) { return path.substr(0, path.find('/')); }
std::string_view without_first(std::string_view path) {
  const auto slash = path.find('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
}

// Level by level, as [MQTT-4.7.1] has it; no level is empty here.
bool matches(std::string_view filter, std::string_view topic) {
  for (; !filter.empty(); filter = without_first(filter), topic = without_first(topic)) {
    const auto wanted = first_level(filter);
    if (wanted == "#") return true;
    if (topic.empty() || (wanted != "+" && wanted != first_level(topic))) return false;
  }
  return topic.empty();
}

// Topics w/A/B/C/v with 20, 50 and 50 names on the levels; filters of five shapes over the same.
class WildcardMaker {
 public:
  std::string topic() { return "w/" + a() + '/' + b() + '/' + c() + "/v"; }
  std::string filter(int shape) {
    switch (shape) {
      case 0:
        return topic();
      case 1:
        return "w/+/" + b() + '/' + c() + "/v";
      case 2:
        return "w/" + a() + "/+/" + c() + "/v";
      case 3:
        return "w/" + a() + '/' + b() + "/#";
      default:
        return "w/" + a() + '/' + b() + "/+/v";
    }
  }

 private:
  std::string a() { return std::to_string(random_() % 20); }
  std::string b() { return std::to_string(random_() % 50); }
  std::string c() { return std::to_string(random_() % 50); }

  std::mt19937 random_{20};  // the same in every run
};

void make_wildcard(const Options& options, Scenario& scenario) {
  constexpr int kShapes = 5;
  WildcardMaker maker;
  std::vector<Topic> topics(static_cast<std::size_t>(options.topics));
  for (Topic& topic : topics) topic.name = maker.topic();
  for (int i = 0; i < options.filters; ++i) {
    auto& filters = scenario.filters[static_cast<std::size_t>(i % options.subscribers)];
    auto filter = maker.filter(i % kShapes);
    if (std::find(filters.begin(), filters.end(), filter) != filters.end()) continue;
    filters.push_back(std::move(filter));
  }
  for (Topic& topic : topics) {
    for (const auto& filters : scenario.filters) {
      const auto count = std::count_if(filters.begin(), filters.end(), [&](const auto& filter) {
        return matches(filter, topic.name);
      });
      topic.most += static_cast<std::uint64_t>(count);
      topic.fewest += count > 0 ? 1 : 0;
    }
  }
  for (std::size_t i = 0; i < topics.size(); ++i) {
    scenario.topics[i % scenario.topics.size()].push_back(topics[i]);
  }
}

}  // namespace

Scenario make_scenario(const Options& options) {
  Scenario scenario;
  scenario.filters.resize(static_cast<std::size_t>(options.subscribers));
  scenario.topics.resize(static_cast<std::size_t>(options.publishers));
  const auto readers = static_cast<std::uint64_t>(options.subscribers - options.stalled);
  const auto set = [&scenario](std::string_view filter) {
    for (auto& filters : scenario.filters) filters.emplace_back(filter);
  };
  switch (options.mode) {
    case Mode::kFanIn:
      set("sensors/#");
      for (std::size_t i = 0; i < scenario.topics.size(); ++i) {
        scenario.topics[i] = {{"sensors/" + std::to_string(i) + "/telemetry", readers, readers}};
      }
      break;
    case Mode::kFanOut:
      set("fan/topic");
      for (auto& topics : scenario.topics) topics = {{"fan/topic", readers, readers}};
      break;
    case Mode::kPairs:
      for (std::size_t i = 0; i < scenario.topics.size(); ++i) {
        const auto topic = "pair/" + std::to_string(i) + "/d";
        scenario.filters[i] = {topic};
        scenario.topics[i] = {{topic, 1, 1}};
      }
      break;
    case Mode::kWildcard:
      make_wildcard(options, scenario);
      break;
    case Mode::kStorm:
    case Mode::kIdle:
      break;
  }
  return scenario;
}

}  // namespace tg::load
