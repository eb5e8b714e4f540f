#include "daemon/app/certificates.h"

#include <catch2/catch.hpp>
#include <ctime>
#include <string>

#include "tests/unit/local-broker/broker/pki.h"

namespace tg::app {
namespace {

using broker::test::Issued;
using broker::test::Pki;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

config::Config config_of(const Issued& listener, const Issued& cloud) {
  config::Config config;
  config::Listener tls;
  tls.name = "tls";
  tls.tls = {listener.certificate, listener.key, "", ""};
  config.listeners = {config::Listener(), tls};
  config::Cloud uplink;
  uplink.certificate = cloud.certificate;
  uplink.private_key = cloud.key;
  config.uplinks = {uplink, config::Cloud()};
  return config;
}

}  // namespace

TEST_CASE("the gateway's own certificates are listed with their end and what is wrong") {
  Pki pki;
  const Issued good = pki.issue({"gateway.example"});
  const Issued old = pki.issue({"old", "", false, true});
  const auto all = certificates(config_of(good, old));
  REQUIRE(all.size() == 2);
  CHECK(all[0].key == "broker.listeners[tls].tls.certificate");
  CHECK(all[0].file == good.certificate);
  CHECK(all[0].subject == "gateway.example");
  CHECK(all[0].not_after_s > std::time(nullptr));
  CHECK(all[1].key == "cloud.certificate");
  CHECK(all[1].not_after_s > 0);
  CHECK(all[1].not_after_s < std::time(nullptr));
  CHECK_THAT(all[1].problem, EndsWith("has expired"));
}

TEST_CASE("certificates of server names follow that of their listener") {
  Pki pki;
  auto config = config_of(pki.issue({"gateway.example"}), pki.issue({"cloud"}));
  const Issued named = pki.issue({"b"});
  config.listeners[1].tls->names = {
      {"b.example", named.certificate, config.uplinks[0].private_key}};
  const auto all = certificates(config);
  REQUIRE(all.size() == 3);
  CHECK(all[1].key == "broker.listeners[tls].tls.names[b.example].certificate");
  CHECK(all[1].subject == "b");
  CHECK_THAT(all[1].problem, Contains("is not the key of"));
}

TEST_CASE("the certificate of the admin interface comes last") {
  Pki pki;
  auto config = config_of(pki.issue({"gateway.example"}), pki.issue({"cloud"}));
  const Issued admin = pki.issue({"admin"});
  config.admin_tls = {admin.certificate, admin.key};
  const auto all = certificates(config);
  REQUIRE(all.size() == 3);
  CHECK(all[2].key == "admin.tls.certificate");
  CHECK(all[2].subject == "admin");
}

TEST_CASE("what is wrong with a certificate changes as its end comes nearer") {
  CertificateStatus status;
  status.file = "a.crt";
  status.not_after_s = 100 * 86'400;
  CHECK(problem_at(status, 0).empty());
  CHECK(problem_at(status, 71 * 86'400) == "a.crt expires within 30 days");
  CHECK(problem_at(status, 101 * 86'400) == "a.crt has expired");
  status.problem = "a.key is not the key of a.crt";
  CHECK(problem_at(status, 71 * 86'400) == status.problem);
}

TEST_CASE("a certificate that cannot be read is listed as such") {
  Pki pki;
  Issued gone = pki.issue({"gone"});
  gone.certificate = pki.path("nowhere.crt");
  Issued garbage = pki.issue({"garbage"});
  pki.write("garbage.crt", "not a certificate");
  garbage.certificate = pki.path("garbage.crt");
  const auto all = certificates(config_of(gone, garbage));
  REQUIRE(all.size() == 2);
  for (const auto& item : all) {
    CHECK(item.not_after_s == 0);
    CHECK_THAT(item.problem, Contains(item.file));
  }
}

}  // namespace tg::app
