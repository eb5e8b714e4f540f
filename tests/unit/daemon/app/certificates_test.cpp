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

config::LoadResult loaded_with(Pki& pki, const Issued& cloud) {
  return config::load(
      pki.write("t.yaml",
                "gateway: { id: g }\ncloud:\n  endpoints: [\"mqtts://127.0.0.1:8883\"]\n"
                "  certificate: " +
                    cloud.certificate + "\n  private_key: " + cloud.key + "\n"));
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

TEST_CASE("a key that is not the certificate's is an error of its line, an expired one a warning") {
  Pki pki;
  Issued wrong = pki.issue({"a"});
  wrong.key = pki.issue({"b"}).key;
  auto loaded = loaded_with(pki, wrong);
  REQUIRE(loaded.config);
  check_uplink_files(loaded);
  CHECK_FALSE(loaded.config);
  REQUIRE(loaded.errors.size() == 1);
  CHECK_THAT(loaded.errors[0].text(), Contains("t.yaml:5: cloud.private_key: "));
  CHECK_THAT(loaded.errors[0].text(), Contains("is not the key of"));

  loaded = loaded_with(pki, pki.issue({"old", "", false, true}));
  REQUIRE(loaded.config);
  const auto before = loaded.warnings.size();
  check_uplink_files(loaded);
  CHECK(loaded.config);
  REQUIRE(loaded.warnings.size() == before + 1);
  CHECK_THAT(loaded.warnings.back().text(), Contains("t.yaml:4: cloud.certificate: "));
}

}  // namespace tg::app
