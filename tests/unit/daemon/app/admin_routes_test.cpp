#include "daemon/app/admin_routes.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace tg::app {
namespace {

// A table with one line of each kind; each handler answers what it was asked.
class Table {
 public:
  Table() {
    const auto echo = [](const AdminRequest& request, AdminReply reply) {
      nlohmann::ordered_json seen{{"method", request.method}, {"body", request.body}};
      for (const auto& [name, value] : request.parameters) seen[name] = value;
      reply(json_answer(seen));
    };
    routes.add("GET", "/healthz", Access::kOpen, echo);
    routes.add("GET", "/api/v1/streams/{stream}/records", Access::kRead, echo);
    routes.add("PUT", "/api/v1/log/{component}", Access::kChange, echo);
  }

  AdminAnswer ask(const std::string& method, const std::string& target,
                  Access granted = Access::kChange) const {
    AdminRequest request;
    request.method = method;
    request.caller = "test";
    AdminAnswer got{0, {}, {}};
    routes.handle(std::move(request), target, granted,
                  [&got](AdminAnswer answer) { got = std::move(answer); });
    return got;
  }

  AdminRoutes routes;
};

}  // namespace

TEST_CASE("a path finds its handler, with the names in it and the query decoded") {
  const Table table;
  const auto answer = table.ask("GET", "/api/v1/streams/tele%2Fmetry/records?limit=5&x=a+b%26");
  REQUIRE(answer.status == 200);
  const auto seen = nlohmann::json::parse(answer.body);
  CHECK(seen["stream"] == "tele/metry");
  CHECK(seen["limit"] == "5");
  CHECK(seen["x"] == "a b&");
}

TEST_CASE("HEAD is answered as GET") { CHECK(Table().ask("HEAD", "/healthz").status == 200); }

TEST_CASE("a path that is not there is 404, another method 405, a broken escape 400") {
  const Table table;
  CHECK(table.ask("GET", "/nothing").status == 404);
  CHECK(table.ask("GET", "/healthz/").status == 404);
  CHECK(table.ask("GET", "/api/v1/streams//records").status == 404);
  CHECK(table.ask("POST", "/healthz").status == 405);
  CHECK(table.ask("GET", "/healthz?a=%zz").status == 400);
  CHECK(table.ask("GET", "/healthz?a=%00").status == 400);
  CHECK(table.ask("GET", "/api/v1/streams/%2/records").status == 400);
}

TEST_CASE("a caller gets what it has been granted and no more") {
  const Table table;
  CHECK(table.ask("GET", "/healthz", Access::kOpen).status == 200);
  CHECK(table.ask("GET", "/healthz", Access::kProbe).status == 401);
  CHECK(table.ask("GET", "/api/v1/streams/s/records", Access::kOpen).status == 403);
  CHECK(table.ask("GET", "/api/v1/streams/s/records", Access::kRead).status == 200);
  CHECK(table.ask("PUT", "/api/v1/log/store", Access::kRead).status == 403);
  CHECK(table.ask("PUT", "/api/v1/log/store", Access::kChange).status == 200);
}

TEST_CASE("a number of the query has a default, a form and a limit") {
  AdminRequest request;
  CHECK(request.number("limit", 10, 100) == 10);
  request.parameters["limit"] = "7";
  CHECK(request.number("limit", 10, 100) == 7);
  for (const char* wrong : {"101", "-1", "1x", "99999999999999999999999"}) {
    request.parameters["limit"] = wrong;
    const auto number = request.number("limit", 10, 100);
    REQUIRE_FALSE(number);
    CHECK(error_answer(number.error()).status == 400);
  }
}

TEST_CASE("an error is JSON and keeps bytes that are not UTF-8 from spoiling it") {
  const auto answer = error_answer(404, "no stream \xff");
  CHECK(answer.status == 404);
  CHECK(nlohmann::json::parse(answer.body)["error"].is_string());
}

}  // namespace tg::app
