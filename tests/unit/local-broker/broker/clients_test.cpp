// What operators ask about clients.
#include "tests/unit/local-broker/broker/test_client.h"

using namespace tg;
using namespace tg::broker;
using namespace tg::broker::test;

TEST_CASE("Clients are listed in order of their ids, page by page") {
  Fixture f;
  std::vector<std::unique_ptr<Client>> clients;
  for (const char* id : {"c", "a", "d", "b"}) {
    clients.push_back(std::make_unique<Client>(f));
    REQUIRE(clients.back()->connect(id) == 0);
  }
  const auto first = f.broker->clients("", 3);
  REQUIRE(first.size() == 3);
  CHECK(first[0].client_id == "a");
  CHECK(first[2].client_id == "c");
  const auto rest = f.broker->clients("c", 3);
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].client_id == "d");
  CHECK(f.broker->clients("d", 3).empty());
}

TEST_CASE("A client tells what it has and whether it is there") {
  Fixture f;
  ConnectOptions options;
  options.clean = false;
  options.keep_alive_s = 30;
  {
    Client sub(f);
    REQUIRE(sub.connect("sub", options) == 0);
    sub.subscribe("t", 1);
    f.advance_ms(2000);
    const auto status = f.broker->client("sub");
    REQUIRE(status);
    CHECK(status->is_connected);
    CHECK(status->listener == "test");
    CHECK(status->keep_alive_s == 30);
    CHECK(status->subscriptions == 1);
    CHECK(status->silent_ms == 2000);
    sub.disconnect();
  }
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  pub.publish("t", "x", 1, 1);
  const auto status = f.broker->client("sub");
  REQUIRE(status);
  CHECK_FALSE(status->is_connected);
  CHECK(status->queued == 1);
  CHECK(status->queued_bytes > 0);
  CHECK_FALSE(f.broker->client("nobody"));
}

TEST_CASE("A client that is disconnected by the operator is told why, and its will is published") {
  Fixture f;
  Client watcher(f);
  REQUIRE(watcher.connect("watcher") == 0);
  watcher.subscribe("will");
  ConnectOptions options;
  options.level = 5;
  options.will_topic = "will";
  options.will_payload = "gone";
  Client client(f);
  REQUIRE(client.connect("client", options) == 0);
  CHECK(f.broker->disconnect_client("client"));
  f.run();
  const Packet packet = client.next();
  CHECK(packet.type == 14);
  CHECK(static_cast<std::uint8_t>(packet.body[0]) == 0x98);
  CHECK(client.is_closed());
  CHECK(watcher.drain() == "will=gone");
  CHECK_FALSE(f.broker->disconnect_client("client"));
  CHECK_FALSE(f.broker->disconnect_client("nobody"));
}

TEST_CASE("A listener is closed by its address; its connections stay") {
  Fixture f;
  const auto second = f.broker->listen({"second", "[::1]:0", true});
  REQUIRE(second);
  Client client(f);
  REQUIRE(client.connect("client") == 0);
  f.broker->stop_listening("127.0.0.1:0");
  f.run();
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(f.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0);
  client.send(packet(0xC0, ""));
  CHECK(client.next().type == 13);
}
