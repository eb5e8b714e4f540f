// acl := { "topic" [right] FILTER | "user" NAME | "pattern" [right] FILTER }*     one a line
// right := "read" | "write" | "readwrite" | "deny"; %u and %c stand for the user and the client id
#include <fmt/format.h>

#include <sstream>

#include "daemon/config/mosquitto.h"

namespace tg::config {
namespace {

struct Rule {
  bool may_read = true;
  bool may_write = true;
  bool is_denied = false;
  std::string filter;
};

struct Policy {
  std::string name;
  std::string attach;  // YAML
  std::vector<Rule> rules;
};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

std::string with_variables(std::string filter) {
  replace_all(filter, "%u", "${iot:Connection.Thing.ThingName}");
  replace_all(filter, "%c", "${iot:ClientId}");
  return filter;
}

// A filter as the resource of publish and receive: * is any text, so it allows deeper levels too.
std::string as_resource(std::string filter) {
  replace_all(filter, "+", "*");
  replace_all(filter, "#", "*");
  return filter;
}

Rule rule_of(const std::string& text) {
  std::istringstream input(text);
  std::string first;
  input >> first;
  Rule rule;
  rule.filter = text;
  if (first == "read" || first == "write" || first == "readwrite" || first == "deny") {
    rule.may_read = first != "write";
    rule.may_write = first != "read";
    rule.is_denied = first == "deny";
    std::getline(input >> std::ws, rule.filter);
  }
  return rule;
}

std::string statement(const Rule& rule) {
  const char* effect = rule.is_denied ? "Deny" : "Allow";
  const std::string filter = with_variables(rule.filter);
  std::string out;
  const auto add = [&](const char* action, const std::string& resource) {
    out += fmt::format("        - {{ Effect: {}, Action: {}, Resource: {} }}\n", effect,
                       quoted(action), quoted("arn:aws:iot:*:*:" + resource));
  };
  if (rule.may_write) add("iot:Publish", "topic/" + as_resource(filter));
  if (rule.may_read) {
    add("iot:Subscribe", "topicfilter/" + filter);
    add("iot:Receive", "topic/" + as_resource(filter));
  }
  return out;
}

}  // namespace

std::string import_mosquitto_acl(const std::string& name, std::string_view text,
                                 std::vector<ImportNote>& notes) {
  std::vector<Policy> policies;
  Policy all{"acl-patterns", "things: [\"*\"]", {}};
  std::istringstream input{std::string(text)};
  int number = 0;
  std::string user;
  for (std::string line; std::getline(input, line);) {
    ++number;
    std::istringstream words(line);
    std::string key;
    if (!(words >> key) || key.front() == '#') continue;
    std::string value;
    std::getline(words >> std::ws, value);
    while (!value.empty() && (value.back() == '\r' || value.back() == ' ')) value.pop_back();
    if (key == "user") {
      user = value;
      policies.push_back({"acl-" + user, fmt::format("things: [{}]", quoted(user)), {}});
    } else if (key == "pattern") {
      all.rules.push_back(rule_of(value));
    } else if (key == "topic" && user.empty()) {
      notes.push_back({name, number,
                       fmt::format("topic {} for anonymous clients: policies are for "
                                   "things",
                                   value)});
    } else if (key == "topic") {
      policies.back().rules.push_back(rule_of(value));
    } else {
      notes.push_back({name, number, fmt::format("{} {}", key, value)});
    }
  }
  if (!all.rules.empty()) policies.push_back(std::move(all));
  std::string out;
  for (const auto& policy : policies) {
    if (policy.rules.empty()) continue;
    if (out.empty()) out = "\npolicies:\n";
    out += fmt::format(
        "  - name: {}\n    attach: {{ {} }}\n    document:\n      Version: \"2012-10-17\"\n      "
        "Statement:\n        - {{ Effect: Allow, Action: \"iot:Connect\", Resource: "
        "\"arn:aws:iot:*:*:client/${{iot:Connection.Thing.ThingName}}\" }}\n",
        quoted(policy.name), policy.attach);
    for (const auto& rule : policy.rules) {
      out += statement(rule);
      if (rule.filter.find('+') == std::string::npos) continue;
      notes.push_back(
          {name, 0, fmt::format("{}: + became *, which matches deeper levels too", rule.filter)});
    }
  }
  return out;
}

}  // namespace tg::config
