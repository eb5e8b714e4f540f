// The admin API over a store and a configuration, asked without a server.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "daemon/app/api/api.h"
#include "daemon/config/config.h"
#include "tests/unit/daemon/store/test_loop.h"

namespace tg::app {

struct ApiBench {
  explicit ApiBench(store::StoreOptions options) : store(loop, std::move(options)) {
    parts = [this] {
      Parts now;
      now.config = &config;
      now.clock = &loop.clock;
      now.store = &*store;
      now.rates = rates;
      return now;
    };
  }

  // The status and the document of the answer.
  std::pair<unsigned, nlohmann::json> ask(const std::string& method, const std::string& target,
                                          const std::string& body = {}) {
    AdminRequest request;
    request.method = method;
    request.body = body;
    request.caller = "test";
    std::optional<AdminAnswer> got;
    routes.handle(std::move(request), target, Access::kChange,
                  [&got](AdminAnswer answer) { got = std::move(answer); });
    loop.run_until([this, &got] {
      loop.advance_ms(20);
      return got.has_value();
    });
    return {got->status, nlohmann::json::parse(got->body)};
  }

  store::TestLoop loop;
  store::OpenStore store;
  config::Config config;
  const Rates* rates = nullptr;
  AdminRoutes routes;
  PartsNow parts;
};

}  // namespace tg::app
