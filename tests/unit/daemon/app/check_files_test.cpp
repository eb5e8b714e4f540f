#include "daemon/app/check_files.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/unit/local-broker/broker/pki.h"

namespace tg::app {
namespace {

using broker::test::Issued;
using broker::test::Pki;
using Catch::Matchers::Contains;

config::LoadResult loaded_with(Pki& pki, const Issued& cloud, const std::string& more = "") {
  return config::load(
      pki.write("t.yaml",
                "gateway: { id: g }\ncloud:\n  endpoints: [\"mqtts://127.0.0.1:8883\"]\n"
                "  certificate: " +
                    cloud.certificate + "\n  private_key: " + cloud.key + "\n" + more));
}

}  // namespace

TEST_CASE("a key that is not the certificate's is an error of its line, an expired one a warning") {
  Pki pki;
  Issued wrong = pki.issue({"a"});
  wrong.key = pki.issue({"b"}).key;
  auto loaded = loaded_with(pki, wrong);
  REQUIRE(loaded.config);
  check_files(loaded);
  CHECK_FALSE(loaded.config);
  REQUIRE(loaded.errors.size() == 1);
  CHECK_THAT(loaded.errors[0].text(), Contains("t.yaml:5: cloud.private_key: "));
  CHECK_THAT(loaded.errors[0].text(), Contains("is not the key of"));

  loaded = loaded_with(pki, pki.issue({"old", "", false, true}));
  REQUIRE(loaded.config);
  const auto before = loaded.warnings.size();
  check_files(loaded);
  CHECK(loaded.config);
  REQUIRE(loaded.warnings.size() == before + 1);
  CHECK_THAT(loaded.warnings.back().text(), Contains("t.yaml:4: cloud.certificate: "));
}

TEST_CASE(
    "a broken key elsewhere hides no problem of a file, and a broken key has one error only") {
  Pki pki;
  Issued wrong = pki.issue({"a"});
  wrong.key = pki.issue({"b"}).key;
  auto loaded = loaded_with(pki, wrong,
                            "  ca: /nowhere/ca.pem\n  keep_alive: soon\n"
                            "broker:\n  listeners:\n  - name: l\n    address: \"0.0.0.0:x\"\n"
                            "    tls: { certificate: /nowhere/a.pem }\n");
  REQUIRE_FALSE(loaded.config);
  check_files(loaded);
  CHECK_FALSE(loaded.config);
  const std::vector<std::string> wanted{"cloud.private_key",
                                        "cloud.ca",
                                        "cloud.keep_alive",
                                        "broker.listeners[0].address",
                                        "broker.listeners[0].tls.certificate",
                                        "broker.listeners[0].tls.private_key"};
  std::vector<std::string> named;
  for (const auto& error : loaded.errors) named.push_back(error.path);
  CHECK(named == wanted);
}

TEST_CASE("the pair of the admin interface is looked at, once it is one") {
  Pki pki;
  const Issued pair = pki.issue({"a"});
  const std::string head = "admin:\n  tls:\n    certificate: " + pair.certificate + "\n";
  auto loaded =
      config::load(pki.write("t.yaml", head + "    private_key: " + pki.issue({"b"}).key + "\n"));
  check_files(loaded);
  REQUIRE(loaded.errors.size() == 1);
  CHECK_THAT(loaded.errors[0].text(), Contains("t.yaml:4: admin.tls.private_key: "));
  CHECK_THAT(loaded.errors[0].text(), Contains("is not the key of"));

  loaded = config::load(pki.write("t.yaml", head));
  check_files(loaded);
  REQUIRE(loaded.errors.size() == 1);
  CHECK_THAT(loaded.errors[0].text(), Contains("admin.tls.private_key: is missing"));
}

TEST_CASE("files of a server name are looked at as the listener's, each with its line") {
  Pki pki;
  const Issued good = pki.issue({"a"});
  const Issued old = pki.issue({"old", "DNS:b.example", false, true});
  auto loaded = config::load(pki.write(
      "t.yaml",
      "broker:\n  listeners:\n  - name: l\n    address: \"127.0.0.1:1\"\n"
      "    tls:\n      certificate: " +
          good.certificate + "\n      private_key: " + good.key + "\n      client_ca: " + pki.ca() +
          "\n      names:\n      - name: b.example\n        certificate: " + old.certificate +
          "\n        private_key: " + good.key + "\n"));
  REQUIRE(loaded.config);
  check_files(loaded);
  REQUIRE(loaded.errors.size() == 1);
  CHECK_THAT(loaded.errors[0].text(),
             Contains("t.yaml:12: broker.listeners[0].tls.names[0].private_key: ") &&
                 Contains("is not the key of"));
  REQUIRE(loaded.warnings.size() == 1);
  CHECK_THAT(loaded.warnings[0].text(),
             Contains("t.yaml:11: broker.listeners[0].tls.names[0].certificate: ") &&
                 Contains("has expired"));
}

TEST_CASE("what is no authority is an error of its line") {
  Pki pki;
  const Issued good = pki.issue({"a"});
  auto loaded = loaded_with(pki, good, "  ca: " + good.key + "\n");
  REQUIRE(loaded.config);
  check_files(loaded);
  CHECK_FALSE(loaded.config);
  REQUIRE(loaded.errors.size() == 1);
  CHECK_THAT(loaded.errors[0].text(), Contains("t.yaml:6: cloud.ca: "));
}

TEST_CASE("an uplink whose certificate is renewed in its place is another one") {
  Pki pki;
  const Issued used = pki.issue({"a"});
  auto before = loaded_with(pki, used);
  auto same = before;
  check_files(before);
  check_files(same);
  REQUIRE(before.config);
  CHECK(before.config->uplinks == same.config->uplinks);

  const Issued renewed = pki.issue({"b"});
  std::filesystem::copy_file(renewed.certificate, used.certificate,
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::copy_file(renewed.key, used.key,
                             std::filesystem::copy_options::overwrite_existing);
  auto after = loaded_with(pki, used);
  check_files(after);
  REQUIRE(after.config);
  CHECK_FALSE(before.config->uplinks == after.config->uplinks);
}

TEST_CASE("a plugin that is not there is a warning with its line and the files that were tried") {
  Pki pki;
  auto loaded = config::load(
      pki.write("t.yaml",
                "plugins: { path: /nowhere }\nstreams: { a: {}, b: {} }\nprocessors:\n"
                "  - { name: p, plugin: surprise, isolation: thread, input: a, output: b }\n"));
  REQUIRE(loaded.config);
  check_files(loaded);
  REQUIRE(loaded.config);
  CHECK_THAT(loaded.warnings.back().text(), Contains("t.yaml:4: processors[0].plugin: ") &&
                                                Contains("/nowhere/libtidegate_surprise.so"));
}

}  // namespace tg::app
