#include "daemon/config/mosquitto.h"

#include "tests/unit/daemon/config/folder.h"

namespace tg::config {
namespace {

using Catch::Matchers::Contains;

Imported import_text(const std::string& text, const std::string& acl = {}) {
  return import_mosquitto("m.conf", text, [acl](const std::string&) -> std::optional<std::string> {
    if (acl.empty()) return std::nullopt;
    return acl;
  });
}

std::string notes_of(const Imported& imported) {
  std::string text;
  for (const auto& note : imported.notes) {
    text += note.file + ":" + std::to_string(note.line) + ": " + note.text + "\n";
  }
  return text;
}

// The import as the daemon would read it.
LoadResult loaded(const Folder& folder, const Imported& imported) {
  INFO(imported.yaml);
  auto result = folder.load_text(imported.yaml);
  INFO(all(result.errors));
  CHECK(result.errors.empty());
  return result;
}

}  // namespace

TEST_CASE("an empty mosquitto.conf is a listener for this machine") {
  const Folder folder;
  const auto imported = import_text("# nothing\nallow_anonymous true\n");
  const auto result = loaded(folder, imported);
  REQUIRE(result.config);
  REQUIRE(result.config->listeners.size() == 1);
  CHECK(result.config->listeners[0].address == "127.0.0.1:1883");
  CHECK(imported.notes.empty());
}

TEST_CASE("listeners keep address, protocol, TLS and who may come") {
  const auto imported = import_text(
      "listener 1883 127.0.0.1\nallow_anonymous true\n"
      "listener 8883\ncertfile /c.pem\nkeyfile /k.pem\ncafile /ca.pem\nrequire_certificate true\n"
      "crlfile /r.pem\nlistener 9001 ::1\nprotocol websockets\nlistener 0 /run/m.sock\n");
  CHECK_THAT(imported.yaml, Contains("address: \"127.0.0.1:1883\"\n      anonymous: true"));
  CHECK_THAT(imported.yaml, Contains("address: \"0.0.0.0:8883\"\n      tls:\n        certificate: "
                                     "\"/c.pem\"\n        private_key: \"/k.pem\"\n        "
                                     "client_ca: \"/ca.pem\"\n        crl: \"/r.pem\""));
  CHECK_THAT(imported.yaml, Contains("address: \"[::1]:9001\"\n      protocol: websocket"));
  CHECK_THAT(imported.yaml, Contains("address: \"unix:/run/m.sock\""));
}

TEST_CASE("limits are carried over with their units") {
  const Folder folder;
  const auto result = loaded(
      folder, import_text("listener 1883 127.0.0.1\nallow_anonymous true\nmax_connections 50\n"
                          "message_size_limit 4096\nmax_inflight_messages 20\n"
                          "max_queued_messages 0\npersistent_client_expiration 2w\n"));
  REQUIRE(result.config);
  CHECK(result.config->limits.max_connections == 50);
  CHECK(result.config->limits.max_packet_size == 4096);
  CHECK(result.config->limits.max_inflight == 20);
  CHECK(result.config->limits.max_queued == 1000);
  CHECK(result.config->limits.session_expiry_ms == 14LL * 86'400'000);
}

TEST_CASE("a bridge becomes the cloud: what it sends is stored, what it gets is bridged") {
  const Folder folder;
  folder.write("ca.pem", "x");
  const auto imported = import_text(
      "listener 1883 127.0.0.1\nallow_anonymous true\nconnection aws cloud\n"
      "address example.com:8883\nbridge_cafile ca.pem\nremote_clientid edge7\n"
      "keepalive_interval 60\ntopic dt/# out 1\ntopic cmd/+/request in 1 \"\" edge7/\n"
      "topic cmd/+/response out 1\n");
  const auto result = loaded(folder, imported);
  REQUIRE(result.config);
  const auto& config = *result.config;
  CHECK(config.gateway_id == "edge7");
  REQUIRE(config.uplinks.size() == 1);
  REQUIRE(config.uplinks[0].endpoints.size() == 1);
  CHECK(config.uplinks[0].endpoints[0].url == "mqtts://example.com:8883");
  CHECK(config.uplinks[0].keep_alive_ms == 60'000);
  REQUIRE(config.bridge.size() == 2);
  REQUIRE(config.exports.size() == 1);
  CHECK(config.exports[0].format == "raw");
  CHECK(config.routes[0].from == std::vector<std::string>{"dt/#"});
  CHECK(config.streams.size() == 1);
  CHECK_THAT(imported.yaml, Contains("{ direction: down, local: \"cmd/+/request\", cloud: "
                                     "\"edge7/cmd/+/request\" }"));
  CHECK_THAT(imported.yaml, Contains("{ direction: up, local: \"cmd/+/response\""));
}

TEST_CASE("an access list becomes policies") {
  const Folder folder;
  const auto imported =
      import_text("listener 1883 127.0.0.1\nallow_anonymous true\nacl_file /acl\n",
                  "topic read $SYS/#\nuser alice\ntopic write dt/alice/#\ntopic deny secret/+\n"
                  "\npattern readwrite things/%u/%c\n");
  (void)loaded(folder, imported);
  CHECK_THAT(imported.yaml, Contains("attach: { things: [\"alice\"] }"));
  CHECK_THAT(imported.yaml, Contains("Effect: Allow, Action: \"iot:Publish\", Resource: "
                                     "\"arn:aws:iot:*:*:topic/dt/alice/*\""));
  CHECK_THAT(imported.yaml, Contains("Effect: Deny, Action: \"iot:Publish\""));
  CHECK_THAT(imported.yaml, Contains("topicfilter/things/${iot:Connection.Thing.ThingName}/"
                                     "${iot:ClientId}"));
  CHECK_THAT(notes_of(imported), Contains("/acl:1: topic read $SYS/#"));
  CHECK_THAT(notes_of(imported), Contains("secret/+: + became *"));
  // Until they count.
  CHECK_THAT(notes_of(imported), Contains("m.conf:3: acl_file /acl: it became policies, which have "
                                          "no effect in this version"));
}

TEST_CASE("what cannot be carried over is listed with its line") {
  const auto imported = import_text(
      "listener 1883\nallow_anonymous true\npassword_file /pw\nplugin /x.so\nacl_file /gone\n"
      "connection one\naddress a\nconnection two\naddress b\n");
  const auto notes = notes_of(imported);
  INFO(notes);
  CHECK_THAT(notes, Contains("m.conf:1: password_file /pw"));
  CHECK_THAT(notes, Contains("m.conf:1: anonymous clients without TLS"));
  CHECK_THAT(notes, Contains("m.conf:4: plugin /x.so"));
  CHECK_THAT(notes, Contains("m.conf:5: acl_file /gone cannot be read"));
  CHECK_THAT(notes, Contains("m.conf:8: connection two"));
  CHECK_THAT(imported.yaml, Contains("m.conf:4: plugin /x.so"));
}

}  // namespace tg::config
