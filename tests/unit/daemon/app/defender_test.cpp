#include "daemon/app/defender.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string_view>

using namespace tg::app;

namespace {

constexpr std::string_view kTcp =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
    "   0: 0100007F:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
    "   1: 0202000A:A028 090200C0:22B3 01 00000000:00000000 02:00000D24 00000000     0\n"
    "   2: nonsense\n"
    "   3: 0202000A:A029 090200C0:22B3 06 00000000:00000000 02:00000D24 00000000     0\n";

constexpr std::string_view kTcp6 =
    "  sl  local_address                         remote_address                        st\n"
    "   0: 00000000000000000000000000000000:075B 00000000000000000000000000000000:0000 0A\n"
    "   1: B80D0120000000000000000001000000:A02A B80D0120000000000000000002000000:01BB 01\n";

constexpr std::string_view kDev =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
    "    lo: 999 9 0 0 0 0 0 0 999 9 0 0 0 0 0 0\n"
    "  eth0: 1200 12 0 0 0 0 0 0 800 9 0 0 0 0 0 0\n"
    "  eth1:300 3 0 0 0 0 0 0 200 2 0 0 0 0 0 0\n"
    "  half: 1 2 3\n";

NetworkFigures figures() {
  NetworkFigures all;
  all.tcp = parse_sockets(kTcp);
  for (auto& socket : parse_sockets(kTcp6)) all.tcp.push_back(socket);
  all.traffic = parse_traffic(kDev);
  return all;
}

}  // namespace

TEST_CASE("sockets of IPv4 and IPv6 are read, lines that make no sense are not") {
  const auto sockets = parse_sockets(kTcp);
  REQUIRE(sockets.size() == 3);
  CHECK(sockets[0].local == "127.0.0.1");
  CHECK(sockets[0].local_port == 1883);
  CHECK(sockets[0].state == 10);
  CHECK(sockets[1].remote == "192.0.2.9");
  CHECK(sockets[1].remote_port == 8883);
  const auto more = parse_sockets(kTcp6);
  REQUIRE(more.size() == 2);
  CHECK(more[1].remote == "2001:db8::2");
  CHECK(parse_sockets("").empty());
}

TEST_CASE("traffic is the sum of all interfaces but the loopback") {
  const auto traffic = parse_traffic(kDev);
  CHECK(traffic.bytes_in == 1500);
  CHECK(traffic.packets_in == 15);
  CHECK(traffic.bytes_out == 1000);
  CHECK(traffic.packets_out == 11);
}

TEST_CASE("the report: ports once, connections that are established, no traffic the first time") {
  const auto report = defender_report(1'700'000'000, figures(), std::nullopt);
  CHECK(report.dump() ==
        R"({"header":{"report_id":1700000000,"version":"1.0"},"metrics":{)"
        R"("listening_tcp_ports":{"ports":[{"port":1883}],"total":1},)"
        R"("listening_udp_ports":{"ports":[],"total":0},)"
        R"("tcp_connections":{"established_connections":{"connections":[)"
        R"({"local_port":41000,"remote_addr":"192.0.2.9:8883"},)"
        R"({"local_port":41002,"remote_addr":"[2001:db8::2]:443"}],"total":2}}}})");
}

TEST_CASE("traffic is what came since the report before, and nothing when a counter went back") {
  const auto report = defender_report(1, figures(), Traffic{500, 400, 5, 4});
  CHECK(report["metrics"]["network_stats"].dump() ==
        R"({"bytes_in":1000,"bytes_out":600,"packets_in":10,"packets_out":7})");
  const auto after_reset = defender_report(2, figures(), Traffic{5000, 400, 5, 4});
  CHECK_FALSE(after_reset["metrics"].contains("network_stats"));
}

TEST_CASE("lists hold fifty entries, totals count all") {
  NetworkFigures many;
  for (std::uint16_t port = 1; port <= 80; ++port) {
    many.tcp.push_back({"0.0.0.0", port, "0.0.0.0", 0, 10});
    many.tcp.push_back({"10.0.0.1", port, "10.0.0.2", 9, 1});
  }
  const auto metrics = defender_report(1, many, std::nullopt)["metrics"];
  CHECK(metrics["listening_tcp_ports"]["ports"].size() == 50);
  CHECK(metrics["listening_tcp_ports"]["total"] == 80);
  const auto& connections = metrics["tcp_connections"]["established_connections"];
  CHECK(connections["connections"].size() == 50);
  CHECK(connections["total"] == 80);
}
