#include "daemon/config/mosquitto.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <map>
#include <sstream>

#include "daemon/config/table.h"

namespace tg::config {
namespace {

constexpr int kMaxLines = 10'000;

struct Word {
  int line = 0;
  std::string value;
};
using Options = std::map<std::string, Word>;

struct Topic {
  int line = 0;
  std::string pattern;
  std::string direction = "out";
  std::string local_prefix;
  std::string remote_prefix;
};

struct Section {
  int line = 0;
  std::string value;  // what stood behind `listener` or `connection`
  Options options;
  std::vector<Topic> topics;
};

// What a listener may have of its own; everything else belongs to the file.
constexpr std::array<std::string_view, 10> kOfListener = {"protocol",
                                                          "certfile",
                                                          "keyfile",
                                                          "cafile",
                                                          "capath",
                                                          "crlfile",
                                                          "require_certificate",
                                                          "allow_anonymous",
                                                          "acl_file",
                                                          "password_file"};
constexpr std::array<std::string_view, 22> kOfBridge = {"address",
                                                        "addresses",
                                                        "bridge_cafile",
                                                        "bridge_certfile",
                                                        "bridge_keyfile",
                                                        "remote_clientid",
                                                        "clientid",
                                                        "remote_username",
                                                        "username",
                                                        "remote_password",
                                                        "password",
                                                        "keepalive_interval",
                                                        "bridge_protocol_version",
                                                        "cleansession",
                                                        "try_private",
                                                        "bridge_insecure",
                                                        "bridge_alpn",
                                                        "restart_timeout",
                                                        "notifications",
                                                        "start_type",
                                                        "bridge_capath",
                                                        "bridge_attempt_unsubscribe"};
// Nothing is lost with these: we have our own way.
constexpr std::array<std::string_view, 12> kNotNeeded = {"user",
                                                         "pid_file",
                                                         "persistence_location",
                                                         "persistence_file",
                                                         "autosave_interval",
                                                         "autosave_on_changes",
                                                         "log_timestamp",
                                                         "log_timestamp_format",
                                                         "connection_messages",
                                                         "set_tcp_nodelay",
                                                         "per_listener_settings",
                                                         "sys_interval"};

bool contains(const auto& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream input(text);
  std::vector<std::string> words;
  for (std::string word; input >> word;) words.push_back(word == "\"\"" ? "" : word);
  return words;
}

std::string word_at(const std::vector<std::string>& words, std::size_t index) {
  return index < words.size() ? words[index] : std::string();
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host.starts_with("127.") || host == "::1";
}

std::string endpoint_text(const std::string& host, const std::string& port) {
  const bool bare_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
  return bare_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

class Importer {
 public:
  Importer(std::string name,
           const std::function<std::optional<std::string>(const std::string&)>& read)
      : name_(std::move(name)), read_(read) {}

  Imported run(std::string_view text) {
    parse(text);
    out_ = fmt::format("# Made from {} by tidegatectl config import.\n", name_);
    add_listeners();
    add_limits();
    add_log();
    add_bridges();
    add_acl();
    note_rest();
    std::stable_sort(notes_.begin(), notes_.end(), [](const auto& a, const auto& b) {
      return a.file == b.file && a.line < b.line;
    });
    if (!notes_.empty()) out_ += "\n# Not carried over, or to be looked at:\n";
    for (const auto& note : notes_) {
      out_ += fmt::format("#   {}:{}: {}\n", note.file, note.line, note.text);
    }
    return {std::move(out_), std::move(notes_)};
  }

 private:
  // --- reading
  void parse(std::string_view text) {
    std::istringstream input{std::string(text)};
    int number = 0;
    for (std::string line; std::getline(input, line);) {
      if (++number > kMaxLines) return note(number, "more than 10,000 lines: the rest is left out");
      const auto begin = line.find_first_not_of(" \t\r");
      if (begin == std::string::npos || line[begin] == '#') continue;
      const auto end = line.find_last_not_of(" \t\r") + 1;
      const auto key_end = std::min(line.find_first_of(" \t", begin), end);
      const auto value = std::min(line.find_first_not_of(" \t", key_end), end);
      take(number, line.substr(begin, key_end - begin), line.substr(value, end - value));
    }
  }

  void take(int line, const std::string& key, const std::string& value) {
    if (key == "listener") {
      listeners_.push_back({line, value, {}, {}});
    } else if (key == "connection") {
      bridges_.push_back({line, value, {}, {}});
    } else if (key == "topic" && !bridges_.empty()) {
      const auto words = words_of(value);
      Topic topic{line, word_at(words, 0), "out", word_at(words, 3), word_at(words, 4)};
      if (words.size() > 1) topic.direction = words[1];
      bridges_.back().topics.push_back(std::move(topic));
    } else if (contains(kOfBridge, key) && !bridges_.empty()) {
      bridges_.back().options[key] = {line, value};
    } else if (contains(kOfListener, key) && !listeners_.empty() && bridges_.empty()) {
      listeners_.back().options[key] = {line, value};
    } else {
      if (options_.contains(key)) note(line, fmt::format("{}: only the last one counts", key));
      options_[key] = {line, value};
    }
  }

  // The section's own, else the file's; marks it as carried over.
  std::string get(const Section& section, const std::string& key) {
    const auto own = section.options.find(key);
    return own != section.options.end() ? own->second.value : get(key);
  }
  std::string get(const std::string& key) {
    used_.push_back(key);
    const auto found = options_.find(key);
    return found != options_.end() ? found->second.value : std::string();
  }

  // --- writing
  void add_listeners() {
    if (options_.contains("port") || listeners_.empty()) {
      Section first{options_.contains("port") ? options_["port"].line : 0, get("port"), {}, {}};
      if (first.value.empty()) first.value = "1883";
      // Without a listener of its own, mosquitto 2 is open to this machine only.
      const std::string address = get("bind_address");
      first.value += " " + (address.empty() ? std::string("127.0.0.1") : address);
      listeners_.insert(listeners_.begin(), std::move(first));
    }
    out_ += "broker:\n  listeners:\n";
    for (const auto& listener : listeners_) add_listener(listener);
  }

  void add_listener(const Section& section) {
    const auto words = words_of(section.value);
    const std::string port = word_at(words, 0);
    const std::string host = words.size() > 1 ? words[1] : "0.0.0.0";
    const bool is_unix = port == "0";
    out_ += fmt::format("    - name: {}\n      address: {}\n",
                        quoted(is_unix ? "socket" : "port-" + port),
                        quoted(is_unix ? "unix:" + host : endpoint_text(host, port)));
    if (get(section, "protocol") == "websockets") out_ += "      protocol: websocket\n";
    const std::string certificate = get(section, "certfile");
    if (!certificate.empty()) add_tls(section, certificate);
    const std::string users = get(section, "password_file");
    if (!users.empty()) {
      note(section.line,
           fmt::format("password_file {}: set the passwords anew with tidegatectl users, then add "
                       "users: FILE to this listener",
                       users));
    }
    if (get(section, "allow_anonymous") == "true") {
      out_ += "      anonymous: true\n";
      if (certificate.empty() && !is_unix && !is_loopback(host)) {
        out_ += "      allow_insecure: true\n";
        note(section.line, "anonymous clients without TLS off loopback, as in mosquitto");
      }
    }
  }

  void add_tls(const Section& section, const std::string& certificate) {
    out_ += fmt::format("      tls:\n        certificate: {}\n        private_key: {}\n",
                        quoted(certificate), quoted(get(section, "keyfile")));
    const std::string ca = get(section, "cafile");
    const std::string crl = get(section, "crlfile");
    if (get(section, "require_certificate") == "true") {
      if (!ca.empty()) out_ += fmt::format("        client_ca: {}\n", quoted(ca));
      if (!crl.empty()) out_ += fmt::format("        crl: {}\n", quoted(crl));
    } else if (!ca.empty()) {
      note(section.line, fmt::format("cafile {}: client certificates are not required there, so it "
                                     "has no use here",
                                     ca));
    }
    if (!get(section, "capath").empty()) {
      note(section.line, "capath: put the certificates into one file and name it client_ca");
    }
  }

  void add_limits() {
    std::string limits;
    const auto number = [&](const char* theirs, const char* ours, const char* unit) {
      const std::string value = get(theirs);
      if (value.empty() || value == "-1" || value == "0") return;  // no limit, or the default
      limits += fmt::format("    {}: {}{}\n", ours, value, unit);
    };
    number("max_connections", "max_connections", "");
    number(options_.contains("max_packet_size") ? "max_packet_size" : "message_size_limit",
           "max_packet_size", "");
    number("max_inflight_messages", "max_inflight", "");
    number("max_queued_messages", "max_queued", "");
    number("max_queued_bytes", "max_queued_bytes", "");
    number("max_keepalive", "max_keep_alive", "s");
    const std::string expiry = get("persistent_client_expiration");
    if (!expiry.empty()) limits += fmt::format("    session_expiry: {}\n", duration_of(expiry));
    if (!limits.empty()) out_ += "  limits:\n" + limits;
    const std::string persistence = get("persistence");
    if (!persistence.empty()) out_ += fmt::format("  persistence: {}\n", persistence);
  }

  // mosquitto: a number and h, d, w, m (months) or y.
  static std::string duration_of(const std::string& text) {
    const std::string count = text.substr(0, text.size() - 1);
    switch (text.back()) {
      case 'w':
        return fmt::format("{}d", std::atol(count.c_str()) * 7);
      case 'm':
        return fmt::format("{}d", std::atol(count.c_str()) * 30);
      case 'y':
        return fmt::format("{}d", std::atol(count.c_str()) * 365);
      default:
        return text;
    }
  }

  void add_log() {
    const std::string type = get("log_type");
    if (type == "debug" || type == "all") out_ += "\nlog: { level: debug }\n";
    const std::string destination = get("log_dest");
    if (!destination.empty() && destination != "stderr" && destination != "syslog") {
      note(options_["log_dest"].line, "log_dest: logs go to the journal, or to stderr");
    }
  }

  void add_bridges() {
    if (bridges_.empty()) return;
    add_cloud(bridges_.front());
    for (std::size_t i = 1; i < bridges_.size(); ++i) {
      note(bridges_[i].line,
           fmt::format("connection {}: only the first bridge is carried over, as section cloud",
                       bridges_[i].value));
    }
    std::string streams;
    std::string routes;
    std::string exports;
    std::string bridge;
    int count = 0;
    for (const auto& topic : bridges_.front().topics) {
      const std::string local = topic.local_prefix + topic.pattern;
      const std::string remote = topic.remote_prefix + topic.pattern;
      const bool is_command = local.starts_with("cmd/") || local.starts_with('$');
      const auto pass = [&bridge, &local, &remote](const char* direction) {
        bridge += fmt::format("  - {{ direction: {}, local: {}, cloud: {} }}\n", direction,
                              quoted(local), quoted(remote));
      };
      if (topic.direction != "out") pass("down");
      if (topic.direction == "in") continue;
      if (is_command) {
        pass("up");
        continue;
      }
      const std::string name = fmt::format("{}-{}", stream_name(), ++count);
      streams += fmt::format("  {}: {{ max_size: 1GiB }}\n", quoted(name));
      routes +=
          fmt::format("  - {{ name: {0}, from: {1}, to: {0} }}\n", quoted(name), quoted(local));
      exports +=
          fmt::format("  - {{ name: {0}, stream: {0}, to: cloud, topic: {1}, format: raw }}\n",
                      quoted(name), quoted(topic.remote_prefix + "{topic}"));
      if (!topic.local_prefix.empty()) {
        note(topic.line, fmt::format("the local prefix {} stays in the topics that are sent",
                                     topic.local_prefix));
      }
    }
    if (!streams.empty()) {
      out_ += "\nstreams:\n" + streams + "\nroutes:\n" + routes + "\nexports:\n" + exports;
    }
    if (!bridge.empty()) out_ += "\nbridge:\n" + bridge;
  }

  [[nodiscard]] std::string stream_name() const {
    std::string name;
    for (const char c : bridges_.front().value) {
      name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '-';
    }
    return name;
  }

  void add_cloud(const Section& bridge) {
    const auto own = [&bridge](const char* key, const char* old = "") {
      for (const char* name : {key, old}) {
        const auto found = bridge.options.find(name);
        if (found != bridge.options.end()) return found->second.value;
      }
      return std::string();
    };
    const std::string ca = own("bridge_cafile");
    const std::string client_id = own("remote_clientid", "clientid");
    if (client_id.empty()) {
      note(bridge.line, "gateway.id is needed with an uplink: write the gateway's name");
    } else {
      out_ += fmt::format("\ngateway: {{ id: {} }}\n", quoted(client_id));
    }
    out_ += "\ncloud:\n  endpoints: [";
    std::string separator;
    for (const auto& address : words_of(own("address", "addresses"))) {
      const bool has_port = address.rfind(':') != std::string::npos;
      out_ += separator + quoted(fmt::format("{}://{}{}", ca.empty() ? "mqtt" : "mqtts", address,
                                             has_port     ? ""
                                             : ca.empty() ? ":1883"
                                                          : ":8883"));
      separator = ", ";
    }
    out_ += "]\n";
    const auto add = [this](const char* key, const std::string& value) {
      if (!value.empty()) out_ += fmt::format("  {}: {}\n", key, quoted(value));
    };
    add("ca", ca);
    add("certificate", own("bridge_certfile"));
    add("private_key", own("bridge_keyfile"));
    add("username", own("remote_username", "username"));
    add("password", own("remote_password", "password"));
    const std::string version = own("bridge_protocol_version");
    if (version == "mqttv50") add("protocol", "5");
    const std::string keep_alive = own("keepalive_interval");
    if (!keep_alive.empty()) add("keep_alive", keep_alive + "s");
    for (const char* key : {"bridge_insecure", "bridge_alpn", "bridge_capath", "restart_timeout"}) {
      const auto found = bridge.options.find(key);
      if (found != bridge.options.end()) {
        note(found->second.line, fmt::format("{} has no counterpart that is filled in here", key));
      }
    }
  }

  void add_acl() {
    std::vector<Word> files;
    if (options_.contains("acl_file")) files.push_back(options_["acl_file"]);
    for (const auto& listener : listeners_) {
      const auto found = listener.options.find("acl_file");
      if (found != listener.options.end()) files.push_back(found->second);
    }
    used_.push_back("acl_file");
    for (std::size_t i = 0; i < files.size(); ++i) {
      const auto text = read_(files[i].value);
      if (i > 0) {
        note(files[i].line, fmt::format("acl_file {}: only the first one is carried over; policies "
                                        "are the same on every listener",
                                        files[i].value));
      } else if (!text) {
        note(files[i].line, fmt::format("acl_file {} cannot be read", files[i].value));
      } else {
        out_ += import_mosquitto_acl(files[i].value, *text, notes_);
        if (!find_key("policies")->available) {
          note(files[i].line,
               fmt::format("acl_file {}: it became policies, which have no effect in "
                           "this version: what it forbids is allowed",
                           files[i].value));
        }
      }
    }
  }

  void note_rest() {
    for (const auto& [key, word] : options_) {
      if (contains(used_, key) || contains(kNotNeeded, key)) continue;
      note(word.line, fmt::format("{} {}", key, word.value));
    }
  }

  void note(int line, std::string text) { notes_.push_back({name_, line, std::move(text)}); }

  const std::string name_;
  const std::function<std::optional<std::string>(const std::string&)>& read_;
  Options options_;
  std::vector<Section> listeners_;
  std::vector<Section> bridges_;
  std::vector<std::string> used_;
  std::vector<ImportNote> notes_;
  std::string out_;
};

}  // namespace

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

Imported import_mosquitto(
    const std::string& name, std::string_view text,
    const std::function<std::optional<std::string>(const std::string& file)>& read) {
  return Importer(name, read).run(text);
}

}  // namespace tg::config
