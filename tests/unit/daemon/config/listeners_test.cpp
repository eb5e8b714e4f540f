#include "daemon/config/listeners.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "daemon/config/load.h"

namespace tg::config {
namespace {

using Catch::Matchers::Contains;

// `rest` of one listener, from its address on.
LoadResult load_listener(const std::string& rest) {
  std::string pattern =
      (std::filesystem::temp_directory_path() / "tidegate-listeners-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  const std::filesystem::path folder = pattern;
  std::ofstream(folder / "t.yaml")
      << "broker:\n  listeners:\n    - name: l\n      address: " + rest;
  auto loaded = load(folder / "t.yaml");
  std::filesystem::remove_all(folder);
  return loaded;
}

std::string error_of(const std::string& rest) {
  const auto loaded = load_listener(rest);
  REQUIRE(loaded.errors.size() == 1);
  return loaded.errors[0].text();
}

std::size_t warnings_of(const std::string& rest) {
  const auto loaded = load_listener(rest);
  REQUIRE(loaded.config);
  return loaded.warnings.size();
}

const std::string kTls = "\n      tls: { certificate: s.crt, private_key: s.key";

}  // namespace

TEST_CASE("anonymous clients off loopback need allow_insecure") {
  CHECK_THAT(error_of("\"0.0.0.0:1883\"\n      anonymous: true"),
             Contains("t.yaml:3") && Contains("anonymous clients") && Contains("allow_insecure"));
  CHECK(warnings_of("\"0.0.0.0:1883\"\n      anonymous: true\n      allow_insecure: true") == 0);
  CHECK(warnings_of("\"127.0.0.1:1883\"\n      anonymous: true") == 0);
  CHECK(warnings_of("\"[::1]:1883\"\n      anonymous: true") == 0);
}

TEST_CASE("TLS without a proof of who it is needs allow_insecure") {
  CHECK_THAT(error_of("\"0.0.0.0:8883\"" + kTls + " }"), Contains("tls.client_ca"));
  CHECK(warnings_of("\"0.0.0.0:8883\"" + kTls + ", client_ca: ca.crt }") == 0);
  CHECK(warnings_of("\"0.0.0.0:8883\"\n      anonymous: true\n      allow_insecure: true" + kTls +
                    " }") == 0);
}

TEST_CASE("a listener that nobody can connect to is warned of") {
  const auto loaded = load_listener("\"127.0.0.1:1883\"");
  REQUIRE(loaded.warnings.size() == 1);
  CHECK_THAT(loaded.warnings[0].text(), Contains("nobody can connect to listener l"));
}

TEST_CASE("what belongs together in tls is said with its line") {
  CHECK_THAT(error_of("\"127.0.0.1:1\"\n      anonymous: true\n      allow_insecure: true\n"
                      "      tls:\n        certificate: s.crt"),
             Contains("t.yaml:7") && Contains("tls.private_key") && Contains("is missing"));
  CHECK_THAT(error_of("\"127.0.0.1:1\"\n      anonymous: true\n      allow_insecure: true\n"
                      "      tls:\n        certificate: s.crt\n        private_key: s.key\n"
                      "        crl: x.crl"),
             Contains("t.yaml:10") && Contains("needs client_ca"));
}

TEST_CASE("a server name is a host's, has certificate and key, and stands there once") {
  const auto with_names = [](const std::string& names) {
    return "\"127.0.0.1:1\"" + kTls + ", client_ca: ca.crt, names: [\n" + names + "] }";
  };
  const auto name = [](const std::string& text) {
    return "        { name: \"" + text + "\", certificate: n.crt, private_key: n.key },\n";
  };
  const auto loaded = load_listener(with_names(name("gw.b.example") + name("*.b.example")));
  REQUIRE(loaded.config);
  const auto& names = loaded.config->listeners[0].tls->names;
  REQUIRE(names.size() == 2);
  CHECK(names[0].name == "gw.b.example");
  CHECK_THAT(names[1].certificate, Contains("/n.crt") && Contains("tidegate-listeners-"));
  for (const char* wrong : {"a..b", ".a", "a.", "*", "*.", "a.*.b", "a b", "192.0.2.1", "[::1]"}) {
    INFO(wrong);
    CHECK_THAT(error_of(with_names(name("a") + name(wrong))),
               Contains("t.yaml:7: broker.listeners[0].tls.names[1].name: ") &&
                   Contains("is not a host name"));
  }
  CHECK_THAT(error_of(with_names(name("a.b") + name("A.b"))),
             Contains("t.yaml:7: broker.listeners[0].tls.names[1].name: ") && Contains("twice"));
  CHECK_THAT(error_of(with_names("        { name: a, private_key: n.key }")),
             Contains("t.yaml:6: broker.listeners[0].tls.names[0].certificate: is missing"));
  CHECK_THAT(error_of(with_names("        { name: a, certificate: n.crt }")),
             Contains("t.yaml:6: broker.listeners[0].tls.names[0].private_key: is missing"));
  CHECK_THAT(error_of(with_names("        { certificate: n.crt, private_key: n.key }")),
             Contains("t.yaml:6: broker.listeners[0].tls.names[0].name: is missing"));
  std::string many;
  for (int i = 0; i < 17; ++i) many += name("gw" + std::to_string(i));
  CHECK_THAT(error_of(with_names(many)),
             Contains("t.yaml:5: broker.listeners[0].tls.names: has 17"));
}

TEST_CASE("an address has a port") {
  for (const char* wrong :
       {"\"127.0.0.1:99999\"", "\"127.0.0.1\"", "\":1883\"", "\"127.0.0.1:\""}) {
    INFO(wrong);
    CHECK_THAT(error_of(wrong), Contains("t.yaml:4") && Contains("not ADDRESS:PORT"));
  }
}

TEST_CASE("files of a listener are beside the configuration; tokens are not files") {
  const auto loaded = load_listener(
      "\"127.0.0.1:1\"\n      tls: { certificate: pki/s.crt, "
      "private_key: \"pkcs11:token=x\", client_ca: /etc/ca.crt }");
  REQUIRE(loaded.config);
  const auto& tls = *loaded.config->listeners[0].tls;
  CHECK_THAT(tls.certificate, Contains("/pki/s.crt") && Contains("tidegate-listeners-"));
  CHECK(tls.private_key == "pkcs11:token=x");
  CHECK(tls.client_ca == "/etc/ca.crt");
}

}  // namespace tg::config
