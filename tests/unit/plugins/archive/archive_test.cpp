// The plugin through its C table, as the gateway calls it.
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <tidegate/plugin.hpp>
#include <vector>

#include "tests/unit/plugins/archive/unpack.h"

extern "C" const tidegate_plugin* tidegate_plugin_entry();

using namespace archive;
using Catch::Matchers::Contains;

namespace {

struct FakeHost {
  FakeHost() {
    host.size = sizeof host;
    host.self = this;
    host.instance_name = tidegate::slice("raw");
    host.log = [](void* self, tidegate_level, tidegate_slice text) {
      static_cast<FakeHost*>(self)->line = tidegate::view(text);
    };
    host.set_timer = [](void* self, std::int64_t time_ms) {
      static_cast<FakeHost*>(self)->timer_ms = time_ms;
    };
    host.now = [](void* self, std::uint32_t*) { return static_cast<FakeHost*>(self)->now_ms; };
  }
  tidegate_host host{};
  std::string line;
  std::int64_t timer_ms = 0;
  std::int64_t now_ms = 1'700'000'000'000;
};

class Instance {
 public:
  explicit Instance(const std::string& config) {
    instance_ = plugin_.create(&fake.host, tidegate::slice(config), error_, sizeof error_);
  }
  ~Instance() {
    if (instance_ != nullptr) plugin_.destroy(instance_);
  }
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  [[nodiscard]] std::string error() const { return instance_ == nullptr ? error_ : ""; }
  tidegate_status put(const std::string& payload) {
    tidegate_record record{};
    record.size = sizeof record;
    record.seq = ++seq_;
    record.topic = tidegate::slice("t");
    record.payload = tidegate::slice(payload);
    std::uint32_t verdict = TIDEGATE_PASS;
    return plugin_.process(instance_, &record, 1, &verdict);
  }
  tidegate_status timer(std::int64_t now_ms) { return plugin_.timer(instance_, now_ms); }

  FakeHost fake;

 private:
  const tidegate_plugin& plugin_ = *tidegate_plugin_entry();
  char error_[200] = {};
  tidegate_instance* instance_ = nullptr;
  std::uint64_t seq_ = 0;
};

std::string config_for(const std::filesystem::path& directory) {
  return R"({"directory":")" + directory.string() + R"(","flush_interval":"0s"})";
}

}  // namespace

TEST_CASE("it is a sink") {
  CHECK(tidegate_plugin_entry()->kind == TIDEGATE_SINK);
  CHECK(std::string(tidegate_plugin_entry()->name) == "archive");
}

TEST_CASE("what it has taken is on the disk") {
  Folder folder;
  Instance instance(config_for(folder.path));
  REQUIRE(instance.error().empty());
  CHECK(instance.put("one") == TIDEGATE_OK);
  CHECK(instance.put("two") == TIDEGATE_OK);
  const std::string text = unpack_all(folder.path);
  CHECK_THAT(text, Contains(R"("seq":1)") && Contains("one") && Contains(R"("seq":2)"));
}

TEST_CASE("a bad configuration is the reason why there is no instance") {
  const Instance instance(R"({"directory":"here"})");
  CHECK_THAT(instance.error(), Contains("config.directory"));
}

TEST_CASE("without its directory it asks for the records again, and takes them when it is there") {
  Folder folder;
  const auto parent = folder.path / "disk";
  Instance instance(config_for(parent / "archive"));
  REQUIRE(instance.error().empty());
  for (int i = 0; i < 3; ++i) CHECK(instance.put("kept") == TIDEGATE_WOULD_BLOCK);
  CHECK_THAT(instance.fake.line, Contains("No such file") && Contains("disk/archive"));
  std::filesystem::create_directory(parent);
  CHECK(instance.put("kept") == TIDEGATE_OK);
  CHECK_THAT(unpack_all(parent / "archive"), Contains("kept"));
}

TEST_CASE("the timer finishes a file that is too old") {
  Folder folder;
  Instance instance(config_for(folder.path));
  CHECK(instance.put("one") == TIDEGATE_OK);
  const std::int64_t due_ms = instance.fake.timer_ms;
  CHECK(due_ms == instance.fake.now_ms + 86'400'000);
  CHECK(instance.timer(due_ms) == TIDEGATE_OK);
  CHECK(instance.fake.timer_ms == 0);
  CHECK(instance.put("two") == TIDEGATE_OK);
  CHECK(files_in(folder.path).size() == 2);
}
