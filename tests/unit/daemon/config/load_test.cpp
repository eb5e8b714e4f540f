#include "daemon/config/load.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

#include "daemon/config/table.h"
#include "daemon/config/units.h"
#include "tests/unit/daemon/config/folder.h"

namespace tg::config {
namespace {

using Catch::Matchers::Contains;

// The text of the one error of a configuration.
std::string error_of(const std::string& text) {
  Folder folder;
  const auto loaded = folder.load_text(text);
  INFO(all(loaded.errors));
  REQUIRE(loaded.errors.size() == 1);
  CHECK_FALSE(loaded.config);
  return loaded.errors[0].text();
}

const std::string kCloud =
    "gateway: { id: g1 }\nstreams: { s: {} }\ncloud:\n  endpoints: [\"mqtt://127.0.0.1:1883\"]\n";

}  // namespace

TEST_CASE("an empty file gives a working gateway on loopback") {
  Folder folder;
  const auto loaded = folder.load_text("");
  INFO(all(loaded.errors));
  REQUIRE(loaded.config);
  CHECK(loaded.config->listeners.size() == 1);
  CHECK(loaded.config->listeners[0].address == "127.0.0.1:1883");
  CHECK_FALSE(loaded.config->gateway_id.empty());
  CHECK(loaded.config->data_dir == "/var/lib/tidegate");
  CHECK(loaded.config->limits.max_packet_size == 256 * 1024);
  CHECK(loaded.config->limits.session_expiry_ms == 7LL * 86'400'000);
  CHECK(loaded.config->store_pending == 32U << 20);
  CHECK(loaded.config->admin_socket == "/run/tidegate/admin.sock");
  CHECK(loaded.config->admin_http.empty());
  CHECK(loaded.config->uplinks.empty());
}

TEST_CASE("a stream, an export and the cloud have the documented defaults") {
  Folder folder;
  const auto loaded =
      folder.load_text(kCloud + "exports: [ { name: e, stream: s, to: cloud, topic: t } ]\n");
  INFO(all(loaded.errors));
  REQUIRE(loaded.config);
  const auto& stream = loaded.config->streams.at(0);
  CHECK(stream.priority == 5);
  CHECK(stream.commit_interval_ms == 20);
  CHECK(stream.max_size == 1U << 30);
  CHECK(stream.max_age_ms == 0);
  CHECK(stream.when_full == "drop-oldest");
  const auto& item = loaded.config->exports.at(0);
  CHECK(item.format == "json");
  CHECK(item.max_records == 500);
  CHECK(item.max_bytes == 60 * 1024);
  CHECK(item.max_age_ms == 5000);
  const auto& cloud = loaded.config->uplinks.at(0);
  CHECK(cloud.client_id == "g1");
  CHECK(cloud.protocol == 4);
  CHECK(cloud.window == 64);
  CHECK(cloud.ack_timeout_ms == 30'000);
  CHECK(cloud.keep_alive_ms == 60'000);
  CHECK(cloud.backoff_min_ms == 1000);
  CHECK(cloud.backoff_max_ms == 120'000);
}

TEST_CASE("an unknown key names its line, its path and the nearest known one") {
  const auto text = error_of("gateway:\n  id: g\nstreams:\n  s:\n    max_sise: 1GiB\n");
  CHECK_THAT(text, Contains("t.yaml:5: streams.s.max_sise: unknown key; did you mean max_size?"));
}

TEST_CASE("an unknown key far from all others lists what is known there") {
  CHECK_THAT(error_of("admin: { colour: red }\n"), Contains("known here: socket, http"));
}

TEST_CASE("every error is told at once, in the order of the lines") {
  Folder folder;
  const auto loaded = folder.load_text(
      "log: { level: loud }\nstreams:\n  s: { priority: 12 }\nroutes:\n"
      "  - { name: r, from: \"dt/#\", to: nowhere }\nstore: { pending: lots }\n");
  INFO(all(loaded.errors));
  REQUIRE(loaded.errors.size() == 4);
  CHECK_THAT(loaded.errors[0].text(), Contains(":1: log.level: \"loud\" is not one of: error"));
  CHECK_THAT(loaded.errors[1].text(),
             Contains(":3: streams.s.priority: \"12\" is not between 1 and 9"));
  CHECK_THAT(loaded.errors[2].text(), Contains(":5: routes[0].to: there is no stream nowhere"));
  CHECK_THAT(loaded.errors[3].text(), Contains(":6: store.pending: \"lots\" is not a size"));
}

TEST_CASE("a key that stands twice is an error") {
  CHECK_THAT(error_of("log: { level: info }\nadmin: {}\nlog: { level: debug }\n"),
             Contains(":3: log: this key stands here twice"));
}

TEST_CASE("text that is not YAML, and a file that is not there, are errors") {
  CHECK_THAT(error_of("log: [unclosed\n"), Contains("not YAML"));
  const auto loaded = load("/no/such/file.yaml");
  REQUIRE(loaded.errors.size() == 1);
  CHECK_THAT(loaded.errors[0].text(), Contains("/no/such/file.yaml"));
}

TEST_CASE("a value of the wrong shape is an error that says the right one") {
  CHECK_THAT(error_of("streams: [a, b]\n"), Contains("streams: must be a map of keys, not a list"));
  CHECK_THAT(error_of("log: { level: [a] }\n"), Contains("must be one value, not a list"));
  CHECK_THAT(error_of("routes: { a: b }\n"), Contains("must be a list, not a map"));
  CHECK_THAT(error_of("log: { level: }\n"), Contains("log.level: has no value"));
  CHECK_THAT(error_of("store: { flash_saver: maybe }\n"), Contains("is not true or false"));
}

TEST_CASE("deep nesting and many aliases end in an error, not in a hang") {
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "[";
  for (int i = 0; i < 200; ++i) deep += "]";
  Folder folder;
  CHECK_THAT(all(folder.load_text("log: " + deep + "\n").errors), Contains("levels"));
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    const std::string before(1, static_cast<char>(c - 1));
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) bomb += (i > 0 ? "," : "") + std::string("*") + before;
    bomb += "]\n";
  }
  CHECK_THAT(all(folder.load_text(bomb).errors), Contains("20000 values"));
}

TEST_CASE("variables are expanded and unknown ones are errors") {
  ::setenv("TIDEGATE_TEST_DIR", "/tmp/x", 1);
  Folder folder;
  const auto loaded = folder.load_text(
      "gateway: { id: g7, data_dir: \"${env:TIDEGATE_TEST_DIR}/${gateway.id}\" }\n");
  REQUIRE(loaded.config);
  CHECK(loaded.config->data_dir == "/tmp/x/g7");
  CHECK_THAT(error_of("gateway: { data_dir: \"${env:TIDEGATE_NOT_SET}\" }\n"),
             Contains("${env:TIDEGATE_NOT_SET}: there is no such variable"));
  CHECK_THAT(error_of("gateway: { data_dir: \"${host}\" }\n"), Contains("${host} is not known"));
}

TEST_CASE("files of conf.d are merged: maps by key, lists by name") {
  Folder folder;
  folder.write("conf.d/10-more.yaml",
               "streams: { s: { priority: 2 }, t: {} }\n"
               "routes: [ { name: r, to: t }, { name: q, from: \"x/#\", to: s } ]\n");
  const auto loaded = folder.load_text(
      "streams: { s: { max_size: 1MiB } }\nroutes: [ { name: r, from: \"dt/#\", to: s } ]\n");
  INFO(all(loaded.errors));
  REQUIRE(loaded.config);
  REQUIRE(loaded.config->streams.size() == 2);
  CHECK(loaded.config->streams[0].priority == 2);
  CHECK(loaded.config->streams[0].max_size == 1U << 20);
  REQUIRE(loaded.config->routes.size() == 2);
  CHECK(loaded.config->routes[0].to == "t");
  CHECK(loaded.config->routes[0].from.at(0) == "dt/#");
}

TEST_CASE("a list of plain values in conf.d takes the place of the one before") {
  Folder folder;
  folder.write("conf.d/10.yaml", "routes: [ { name: r, from: [\"x/#\", \"y/#\"] } ]\n");
  const auto loaded =
      folder.load_text("streams: { s: {} }\nroutes: [ { name: r, from: [\"dt/#\"], to: s } ]\n");
  INFO(all(loaded.errors));
  REQUIRE(loaded.config);
  CHECK(loaded.config->routes[0].from == std::vector<std::string>{"x/#", "y/#"});
}

TEST_CASE("routes: filters must be well-formed and no commands") {
  const auto with = [](const std::string& filter) {
    return "streams: { s: {} }\nroutes: [ { name: r, from: \"" + filter + "\", to: s } ]\n";
  };
  CHECK_THAT(error_of(with("dt/#/x")), Contains("is not a topic filter"));
  CHECK_THAT(error_of(with("dt+")), Contains("is not a topic filter"));
  CHECK_THAT(error_of(with("cmd/a/request")), Contains("command topic"));
  CHECK_THAT(error_of(with("$SYS/#")), Contains("reserved topic"));
  Folder folder;
  CHECK(folder.load_text(with("$aws/events/#")).errors.empty());
  const auto leading = folder.load_text(with("#"));
  CHECK(leading.errors.empty());
  CHECK_THAT(all(leading.warnings), Contains("matches neither"));
}

TEST_CASE("names that stand twice and names that do not exist are errors") {
  CHECK_THAT(error_of("streams: { s: {} }\nroutes:\n  - { name: r, from: a, to: s }\n"
                      "  - { name: r, from: b, to: s }\n"),
             Contains(":4: routes: the name r stands here twice"));
  CHECK_THAT(error_of(kCloud + "exports: [ { name: e, stream: z, to: cloud, topic: t } ]\n"),
             Contains("there is no stream z; did you mean s?"));
  CHECK_THAT(error_of(kCloud + "exports: [ { name: e, stream: s, to: azure, topic: t } ]\n"),
             Contains("there is no uplink azure"));
  CHECK_THAT(
      error_of("streams: { s: {} }\nexports: [ { name: e, stream: s, to: cloud, topic: t } ]\n"),
      Contains("no section cloud"));
}

TEST_CASE("the admin interface over TCP is for this machine, or has TLS") {
  for (const std::string address : {"garbage", "localhost:9464", "127.0.0.1:70000"}) {
    CHECK_THAT(error_of("admin: { http: \"" + address + "\" }\n"),
               Contains("admin.http: \"" + address + "\" is not ADDRESS:PORT"));
  }
  CHECK_THAT(error_of("admin: { http: \"0.0.0.0:9464\" }\n"),
             Contains("is not a loopback address, and there is no TLS"));
  CHECK_THAT(error_of("admin:\n  http: \"0.0.0.0:9464\"\n  tls: { certificate: a.crt }\n"),
             Contains(":3: admin.tls.private_key: is missing"));
  Folder folder;
  const auto open = folder.load_text(
      "admin: { http: \"0.0.0.0:9464\", tls: { certificate: a.crt, private_key: a.key } }\n");
  REQUIRE(open.config);
  CHECK(open.config->admin_tls->private_key == folder.path / "a.key");
  REQUIRE(open.warnings.size() == 1);
  CHECK_THAT(open.warnings[0].text(), Contains("there is no admin.tokens"));
  CHECK(folder.load_text("admin: { http: \"[::1]:9464\" }\n").config);
  CHECK(folder.load_text("admin: { http: off }\n").config);
}

TEST_CASE("isolation: thread must be written until there are plugin processes") {
  const std::string head = "streams: { a: {}, b: {} }\nprocessors:\n  - { name: p, plugin: x, ";
  CHECK_THAT(error_of(head + "input: a, output: b }\n"), Contains("isolation: thread"));
  CHECK_THAT(error_of(head + "input: a, output: b, isolation: process }\n"),
             Contains("isolation: thread"));
  Folder folder;
  const auto loaded = folder.load_text(
      head +
      "input: a, output: b, isolation: thread, config: { window: 30m, n: 5, x: [a, \"1\"] } }\n");
  REQUIRE(loaded.config);
  CHECK(loaded.config->processors.at(0).config_json == R"({"window":"30m","n":5,"x":["a","1"]})");
}

TEST_CASE("an export to a sink is an instance of it, under the export's name") {
  const std::string head =
      "streams: { a: {}, b: {} }\nprocessors:\n  - { name: keep, plugin: archive, "
      "isolation: thread, config: { directory: /x } }\nexports:\n";
  Folder folder;
  const auto loaded = folder.load_text(head + "  - { name: a-kept, stream: a, to: keep }\n" +
                                       "  - { name: keep, stream: b, to: keep, start: now }\n");
  INFO(all(loaded.errors));
  REQUIRE(loaded.config);
  CHECK(loaded.config->exports.empty());
  CHECK(loaded.config->processors ==
        std::vector<Processor>{
            {"a-kept", "archive", "a", "", "oldest", R"({"directory":"/x"})"},
            {"keep", "archive", "b", "", "now", R"({"directory":"/x"})"},
        });
  CHECK_THAT(error_of(head + "  - { name: e, stream: a, to: keep, topic: t }\n"),
             Contains(":5: exports[0].topic: has no meaning for a sink"));
  CHECK_THAT(error_of(head + "  - { name: e, stream: nowhere, to: keep }\n"),
             Contains("there is no stream nowhere"));
  CHECK_THAT(error_of(head), Contains("processors[0].input: is missing; a sink may do without"));
  CHECK_THAT(
      error_of("streams: { a: {} }\nprocessors:\n  - { name: keep, plugin: archive, isolation: "
               "thread, input: a }\nexports:\n  - { name: e, stream: a, to: keep }\n"),
      Contains("processor keep has an input of its own"));
}

TEST_CASE("a processor whose output is a topic is checked, named in a warning, and does not run") {
  const auto with = [](const std::string& output) {
    return "streams: { a: {} }\nprocessors:\n  - { name: p, plugin: x, isolation: thread, input: "
           "a, "
           "output: " +
           output + " }\n";
  };
  Folder folder;
  const auto loaded = folder.load_text(with("{ topic: local/a }") + "shadows: { enabled: true }\n");
  INFO(all(loaded.errors));
  REQUIRE(loaded.config);
  CHECK(loaded.config->processors.empty());
  REQUIRE(loaded.warnings.size() == 1);
  CHECK_THAT(loaded.warnings[0].text(),
             Contains("not available yet and without effect: processors[0].output (its processor "
                      "does not run), shadows"));
  for (const char* wrong : {"[a]", "{ topik: t }", "{ topic: [t] }", "{ topic: t, qos: 1 }"}) {
    CHECK_THAT(error_of(with(wrong)),
               Contains("processors[0].output: must be a stream or {topic: TOPIC}"));
  }
  CHECK_THAT(error_of(with("{ topic: \"a/#\" }")), Contains("output.topic: has a wildcard"));
}

TEST_CASE("a cycle of processors is an error") {
  const std::string text =
      "streams: { a: {}, b: {} }\nprocessors:\n"
      "  - { name: p, plugin: x, isolation: thread, input: a, output: b }\n"
      "  - { name: q, plugin: x, isolation: thread, input: b, output: a }\n";
  Folder folder;
  CHECK_THAT(all(folder.load_text(text).errors), Contains("a cycle"));
}

TEST_CASE("the cloud section is checked as a whole") {
  const auto with = [](const std::string& rest) {
    return "gateway: { id: g }\ncloud:\n  endpoints: [\"mqtt://h:1883\"]\n" + rest;
  };
  CHECK_THAT(error_of("cloud: { endpoints: [\"mqtt://h\"] }\n"), Contains("gateway.id"));
  CHECK_THAT(error_of("gateway: { id: g }\ncloud: { endpoints: [\"ftp://h\"] }\n"),
             Contains("\"ftp://h\" is not mqtts://"));
  CHECK_THAT(error_of(with("  ca: no-such.pem\n")), Contains("no-such.pem cannot be read"));
  CHECK_THAT(error_of(with("  backoff: { min: 5m, max: 1s }\n")), Contains("min is larger"));
  CHECK_THAT(error_of(with("  password: { file: no-such }\n")), Contains("no-such"));
  CHECK_THAT(error_of(with("  window: 0\n")), Contains("between 1 and 500"));
}

TEST_CASE("a secret may come from a file") {
  Folder folder;
  folder.write("secret", "pass word\nsecond line\n");
  const auto loaded = folder.load_text(kCloud + "  username: u\n  password: { file: secret }\n");
  INFO(all(loaded.errors));
  REQUIRE(loaded.config);
  CHECK(loaded.config->uplinks.at(0).password == "pass word");
}

TEST_CASE("raw without a key is a warning, {topic} needs raw") {
  Folder folder;
  const auto raw = folder.load_text(
      kCloud + "exports: [ { name: e, stream: s, to: cloud, topic: \"{topic}\", format: raw } ]\n");
  CHECK(raw.config);
  CHECK_THAT(all(raw.warnings), Contains("carries no key"));
  CHECK_THAT(
      error_of(kCloud + "exports: [ { name: e, stream: s, to: cloud, topic: \"{topic}\" } ]\n"),
      Contains("needs format: raw"));
}

TEST_CASE("features that are not there yet are checked and named in one warning") {
  Folder folder;
  const auto loaded =
      folder.load_text("streams: { s: { compression: zstd } }\nshadows: { enabled: true }\n");
  REQUIRE(loaded.config);
  REQUIRE(loaded.warnings.size() == 1);
  CHECK_THAT(loaded.warnings[0].text(), Contains("shadows"));
  CHECK_THAT(error_of("streams: { s: { compression: rar } }\n"), Contains("none, zstd"));
}

namespace {

// The lines of a section of the example, and the comments between the sections.
std::string section_of(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  std::string out;
  bool is_in = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && std::isalpha(static_cast<unsigned char>(line[0])) != 0) {
      is_in = line.starts_with(name + ':');
    }
    if (is_in || line.starts_with('#')) out += line + '\n';
  }
  return out;
}

// As the value of the key, or in brackets behind it.
bool shows_default(const std::string& section, const std::string& key, const std::string& value) {
  const std::regex special(R"([.*+?(){}|^$\[\]\\])");
  const std::string escaped = std::regex_replace(value, special, R"(\$&)");
  const std::string word = "\\b" + key + "\\b";
  const std::regex as_value(word + ": *\"?" + escaped + "\"?([ ,}#\\]]|$)", std::regex::multiline);
  const std::regex in_brackets(word + "[^\\[]*\\[(one: )?" + escaped + "( =[^\\]]*)?\\]");
  return std::regex_search(section, as_value) || std::regex_search(section, in_brackets);
}

}  // namespace

TEST_CASE("the example file is right, and shows every key with its default") {
  std::ifstream input(TIDEGATE_EXAMPLE);
  REQUIRE(input);
  const std::string text((std::istreambuf_iterator<char>(input)), {});
  Folder folder;
  for (const char* file : {"gateway.crt", "gateway.key", "AmazonRootCA1.pem", "server.crt",
                           "server.key", "devices-ca.crt", "devices.crl"}) {
    folder.write(std::string("pki/") + file, "x");
  }
  const auto loaded = folder.load_text(text);
  INFO(all(loaded.errors));
  CHECK(loaded.config);
  for (const auto& key : keys()) {
    const std::string path(key.path);
    const auto name = path.substr(path.rfind('.') + 1);
    if (name == "*" || name.ends_with("[]")) continue;
    const std::string top = path.substr(0, path.find_first_of(".["));
    const std::string section = section_of(text, top == "uplinks" ? "cloud" : top);
    INFO(path);
    CHECK(section.find(name) != std::string::npos);
    if (!key.standard.empty()) CHECK(shows_default(section, name, std::string(key.standard)));
  }
}

TEST_CASE("ranges and names are told as they are written") {
  CHECK(duration_text(1000) == "1s");
  CHECK(duration_text(1500) == "1500ms");
  CHECK(duration_text(315'360'000'000) == "3650d");
  CHECK(size_text(131'072) == "128KiB");
  CHECK(size_text(1'125'899'906'842'624) == "1048576GiB");
  CHECK(size_text(100) == "100B");
  CHECK(size_text(0) == "0");
  CHECK_THAT(error_of("canary: { timeout: 99999d }\n"), Contains("is not between 1s and "));
  CHECK_THAT(error_of(kCloud + "exports: [ { name: e, stream: zzzzzzz, to: cloud, topic: t } ]\n"),
             Contains("there is no stream zzzzzzz; known here: "));
  CHECK_THAT(error_of("streams: { \"a b\": {} }\n"), Contains("letters, digits, -, _ and . only"));
  CHECK_THAT(error_of("admin: { socket: /" + std::string(107, 's') + " }\n"),
             Contains("admin.socket"));
}

TEST_CASE("sizes, durations and percentages") {
  CHECK(parse_size("0") == 0);
  CHECK(parse_size("256KiB") == 262'144);
  CHECK(parse_size("1GiB") == 1U << 30);
  for (const char* wrong : {"", "KiB", "1kb", "1 KiB", "-1", "1.5MiB", "99999999999GiB"}) {
    INFO(wrong);
    CHECK_FALSE(parse_size(wrong));
  }
  CHECK(parse_duration_ms("100ms") == 100);
  CHECK(parse_duration_ms("7d") == 604'800'000);
  CHECK(parse_duration_ms("0") == 0);
  for (const char* wrong : {"", "5", "5x", "m", "1h30m"}) CHECK_FALSE(parse_duration_ms(wrong));
  CHECK(parse_percent("80%") == 80);
  CHECK_FALSE(parse_percent("101%"));
  CHECK(distance("max_sise", "max_size") == 1);
  CHECK(distance("", "abc") == 3);
}

TEST_CASE("every default of the table passes its own check") {
  for (const auto& key : keys()) {
    if (key.standard.empty() || key.standard.starts_with('[')) continue;
    INFO(key.path);
    if (key.type == Type::kSize) CHECK(parse_size(key.standard));
    if (key.type == Type::kDuration) CHECK(parse_duration_ms(key.standard));
    if (key.type == Type::kInteger) CHECK(parse_integer(key.standard));
    if (key.type == Type::kEnum) CHECK(key.values.find(key.standard) != std::string_view::npos);
    CHECK_FALSE(key.help.empty());
  }
}

TEST_CASE("cloud is short for an uplink of that name; exports name the uplink they go to") {
  const std::string more =
      "uplinks:\n  - { name: site, endpoints: [ \"mqtt://site\", { url: \"https://h:8443\", "
      "expensive: true } ], client_id: c, proxy: \"http://p:3128\" }\n";
  Folder folder;
  const auto loaded = folder.load_text(
      kCloud + more + "exports: [ { name: e, stream: s, to: site, topic: t, expensive: true } ]\n");
  INFO(all(loaded.errors) << all(loaded.warnings));
  REQUIRE(loaded.config);
  REQUIRE(loaded.config->uplinks.size() == 2);
  CHECK(loaded.config->uplinks[0].name == "cloud");
  const auto& site = loaded.config->uplinks[1];
  CHECK(site.name == "site");
  CHECK(site.client_id == "c");
  CHECK(site.proxy == "http://p:3128");
  CHECK_FALSE(site.endpoints.at(0).expensive);
  CHECK(site.endpoints.at(1).url == "https://h:8443");
  CHECK(site.endpoints.at(1).expensive);
  CHECK(loaded.config->exports.at(0).expensive);
  CHECK_THAT(error_of(kCloud + more + "exports: [ { name: e, stream: s, to: nine, topic: t } ]\n"),
             Contains("there is no uplink nine; there is: cloud, site"));
  CHECK_THAT(error_of(kCloud + "uplinks: [ { name: cloud, endpoints: [\"mqtt://h\"] } ]\n"),
             Contains("the name cloud"));
  CHECK_THAT(error_of(kCloud + "  proxy: \"socks://p\"\n"), Contains("not none or http://"));
}

TEST_CASE("a route's error action and the dead letters are read and checked") {
  Folder folder;
  const auto loaded = folder.load_text(
      "streams: { a: {}, b: {} }\ndead_letters: { max_size: 1MiB, max_age: 1d }\n"
      "routes: [ { name: r, from: \"dt/#\", to: a, on_error: { to: b } } ]\n");
  INFO(all(loaded.errors));
  REQUIRE(loaded.config);
  CHECK(loaded.config->routes.at(0).on_error == "b");
  CHECK(loaded.config->dead_letters.max_size == 1U << 20);
  CHECK(loaded.config->dead_letters.max_age_ms == 86'400'000);
  CHECK_THAT(error_of("streams: { a: {} }\nroutes: [ { name: r, from: \"dt/#\", to: a, on_error: "
                      "{ to: b } } ]\n"),
             Contains("on_error.to: there is no stream b"));
  CHECK_THAT(error_of("streams: { $x: {} }\n"), Contains("the gateway's own"));
}

TEST_CASE(
    "bridge rules need the same wildcards on both sides, and keep to the limit of subscriptions") {
  const auto with = [](const std::string& rules) { return kCloud + "bridge: [ " + rules + " ]\n"; };
  Folder folder;
  const auto loaded = folder.load_text(
      with("{ direction: down, cloud: \"cmd/g/+/do\", local: \"cmd/+/do\" }, "
           "{ direction: up, local: \"a/#\", cloud: \"b/#\", expiry: 5s, max_queued: 7 }"));
  INFO(all(loaded.errors) << all(loaded.warnings));
  REQUIRE(loaded.config);
  const auto& rules = loaded.config->bridge;
  REQUIRE(rules.size() == 2);
  CHECK_FALSE(rules[0].is_up);
  CHECK(rules[0].uplink == "cloud");
  CHECK(rules[0].expiry_ms == 60'000);
  CHECK(rules[0].max_queued == 100);
  CHECK(rules[1].is_up);
  CHECK(rules[1].expiry_ms == 5000);
  CHECK(rules[1].max_queued == 7);
  CHECK_THAT(error_of(with("{ direction: up, local: \"a/+\", cloud: b }")),
             Contains("same wildcards"));
  CHECK_THAT(error_of(with("{ direction: up, local: \"a/#/b\", cloud: \"a/#\" }")),
             Contains("not a topic filter"));
  CHECK_THAT(error_of(with("{ direction: up, local: a, cloud: a, uplink: nine }")),
             Contains("there is no uplink nine"));
  CHECK_THAT(
      error_of(kCloud + "  limits: { subscriptions: 1 }\nbridge: [ { direction: down, cloud: a, "
                        "local: a }, { direction: down, cloud: b, local: b } ]\n"),
      Contains("limits.subscriptions"));
}

TEST_CASE("topics beyond the limits of the uplink are errors") {
  const auto with = [](const std::string& topic, const std::string& limits) {
    return kCloud + limits + "exports: [ { name: e, stream: s, to: cloud, " +
           "format: raw, topic: \"" + topic + "\" } ]\n";
  };
  CHECK_THAT(error_of(with("1/2/3/4/5/6/7/8/{topic}", "")),
             Contains("exports[0].topic: a topic of 9 levels, and the cloud takes 8"));
  CHECK_THAT(error_of(with("a/{topic}", "  limits: { topic_levels: 1 }\n")),
             Contains("a topic of 2 levels, and the cloud takes 1"));
  CHECK_THAT(error_of(with(std::string(30, 't'), "  limits: { topic: 29B }\n")),
             Contains("a topic of 30 bytes, and the cloud takes 29"));
  CHECK_THAT(error_of(kCloud + "bridge: [ { direction: down, cloud: 1/2/3/4/5/6/7/8/#, "
                               "local: \"a/#\" } ]\n"),
             Contains("bridge[0].cloud: a topic of 9 levels"));
  Folder folder;
  const auto loaded = folder.load_text(with("$aws/rules/r/2/3/4/5/6/7/8/{topic}", ""));
  INFO(all(loaded.errors));
  CHECK(loaded.config);
}

TEST_CASE("what is missing is named with its place in the list") {
  CHECK_THAT(error_of(kCloud + "exports: [ { name: e, stream: s, to: cloud, topic: t }, 5 ]\n"),
             Contains("exports[1]: must be a map of keys, not a value"));
  CHECK_THAT(error_of(kCloud + "exports: [ { name: e, stream: s, to: cloud } ]\n"),
             Contains("t.yaml:5: exports[0].topic: is missing"));
  CHECK_THAT(error_of("gateway: { id: g }\nuplinks: [ { name: a } ]\n"),
             Contains("uplinks[0].endpoints: is missing"));
}

// Each line of the example in turn with each wrong value, and each left out: errors or none, but
// an answer.
TEST_CASE("whatever stands in the file, the check ends with an answer") {
  Folder folder;
  std::vector<std::string> lines;
  std::ifstream input(TIDEGATE_EXAMPLE);
  for (std::string line; std::getline(input, line);) lines.push_back(line);
  REQUIRE(lines.size() > 50);
  const auto load_with = [&](std::size_t at, const std::string& line) {
    std::string text;
    for (std::size_t i = 0; i < lines.size(); ++i) text += (i == at ? line : lines[i]) + "\n";
    const auto loaded = folder.load_text(text);
    REQUIRE(loaded.config.has_value() == loaded.errors.empty());
  };
  for (std::size_t at = 0; at < lines.size(); ++at) {
    INFO(at + 1 << ": " << lines[at]);
    load_with(at, "");
    load_with(at, "  " + lines[at]);
    const auto colon = lines[at].find(':');
    if (colon == std::string::npos || lines[at].starts_with('#')) continue;
    for (const char* value :
         {"5", "~", "\"\"", "\"\\0\"", "[]", "{}", "[5]", "[{}]", "[[]]", "{a: b}"}) {
      INFO(value);
      load_with(at, lines[at].substr(0, colon + 1) + " " + value);
    }
  }
}

}  // namespace tg::config
