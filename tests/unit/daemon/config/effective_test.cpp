#include "daemon/config/effective.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/unit/daemon/config/folder.h"

namespace tg::config {
namespace {

Value tree_of(const Folder& folder, const std::string& text) {
  auto loaded = folder.load_text(text);
  INFO(all(loaded.errors));
  REQUIRE(loaded.errors.empty());
  return std::move(loaded.tree);
}

const Setting& find(const std::vector<Setting>& settings, const std::string& path) {
  const auto at = std::find_if(settings.begin(), settings.end(),
                               [&path](const auto& setting) { return setting.path == path; });
  INFO(path);
  REQUIRE(at != settings.end());
  return *at;
}

bool has(const std::vector<Setting>& settings, const std::string& path) {
  return std::any_of(settings.begin(), settings.end(),
                     [&path](const auto& setting) { return setting.path == path; });
}

std::string summary(const std::vector<Change>& changes) {
  std::string text;
  for (const auto& change : changes) {
    text += std::string(to_string(change.kind)) + " " + change.path + " " + change.from + ">" +
            change.to + (change.reload == Reload::kLive ? " live\n" : " restart\n");
  }
  return text;
}

const std::string kBase =
    "gateway: { id: g1 }\nstreams:\n  s: { max_size: 1MiB }\nroutes:\n"
    "  - { name: r, from: \"dt/#\", to: s }\n";

}  // namespace

TEST_CASE("a key says its value and the file and line it comes from, or that it is the default") {
  const Folder folder;
  folder.write("conf.d/10-more.yaml", "streams:\n  s: { priority: 2 }\n");
  const auto settings = effective(tree_of(folder, kBase));
  CHECK(find(settings, "streams.s.max_size").value == "1MiB");
  CHECK(find(settings, "streams.s.max_size").place.line == 3);
  CHECK(find(settings, "streams.s.priority").place.file.ends_with("conf.d/10-more.yaml"));
  CHECK(find(settings, "streams.s.priority").place.line == 2);
  CHECK(find(settings, "streams.s.when_full").value == "drop-oldest");
  CHECK(find(settings, "streams.s.when_full").place.file.empty());
  CHECK(find(settings, "log.level").value == "info");
  CHECK(find(settings, "routes[r].from").value == "dt/#");
}

TEST_CASE("defaults of a section whose absence means something are not listed") {
  const Folder folder;
  CHECK_FALSE(has(effective(tree_of(folder, kBase)), "cloud.window"));
  const auto with_cloud =
      effective(tree_of(folder, kBase + "cloud: { endpoints: [\"mqtt://127.0.0.1:1\"] }\n"));
  CHECK(find(with_cloud, "cloud.window").value == "64");
  CHECK(find(with_cloud, "cloud.endpoints").value == "[\"mqtt://127.0.0.1:1\"]");
}

TEST_CASE("no secret is shown, and a changed one is still seen as a change") {
  const Folder folder;
  const std::string text =
      kBase +
      "cloud: { endpoints: [\"mqtt://127.0.0.1:1\"], username: u, password: PASSWORD }\n"
      "processors:\n  - name: p\n    plugin: aggregate\n    isolation: thread\n    input: s\n"
      "    output: t\n    config: { db_password: hidden1, nested: { api-key: hidden2 },"
      " url: \"https://user:hidden3@host/x\", window: 2s }\n";
  const auto with = [&](const std::string& password) {
    std::string copy = text;
    copy.replace(copy.find("PASSWORD"), 8, password);
    copy.replace(copy.find("  s:"), 0, "  t: {}\n");
    return tree_of(folder, copy);
  };
  const auto before = with("hidden4");
  for (const auto& setting : effective(before)) {
    INFO(setting.path << " " << setting.shown);
    CHECK(setting.shown.find("hidden") == std::string::npos);
  }
  CHECK(find(effective(before), "processors[p].config").shown.find("\"window\":\"2s\"") !=
        std::string::npos);
  const auto changes = differences(before, with("hidden5"));
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].path == "cloud.password");
  CHECK(changes[0].from == "****");
  CHECK(changes[0].to == "****");
}

TEST_CASE("differences name changed keys, added and removed items, and what each of them needs") {
  const Folder folder;
  const auto before = tree_of(folder, kBase + "store: { pending: 2MiB }\n");
  const auto after = tree_of(folder,
                             "gateway: { id: g1, data_dir: /elsewhere }\nlog: { level: debug }\n"
                             "streams:\n  s: { max_size: 2MiB, max_age: 1h }\n  n: {}\n"
                             "routes:\n  - { name: q, from: \"dt/#\", to: n }\n");
  const std::string text = summary(differences(before, after));
  INFO(text);
  CHECK(text.find("changed gateway.data_dir /var/lib/tidegate>/elsewhere restart\n") !=
        std::string::npos);
  CHECK(text.find("changed log.level info>debug live\n") != std::string::npos);
  CHECK(text.find("changed streams.s.max_size 1MiB>2MiB live\n") != std::string::npos);
  CHECK(text.find("added streams.s.max_age >1h live\n") != std::string::npos);
  CHECK(text.find("added streams.n > live\n") != std::string::npos);
  CHECK(text.find("added routes[q] > live\n") != std::string::npos);
  CHECK(text.find("removed routes[r] > live\n") != std::string::npos);
  CHECK(text.find("changed store.pending 2MiB>32MiB") != std::string::npos);
  CHECK(differences(after, after).empty());
}

TEST_CASE("an explicit default is no difference") {
  const Folder folder;
  CHECK(differences(tree_of(folder, kBase), tree_of(folder, kBase + "log: { level: info }\n"))
            .empty());
}

TEST_CASE("credentials inside a URL are hidden, other text is left alone") {
  CHECK(without_credentials("http://u:p@proxy:3128") == "http://****@proxy:3128");
  CHECK(without_credentials("http://u:p@ss@proxy:3128/x@y") == "http://****@proxy:3128/x@y");
  CHECK(without_credentials("mqtts://host:8883") == "mqtts://host:8883");
  CHECK(without_credentials("http://host/a@b") == "http://host/a@b");
  CHECK(without_credentials("a@b") == "a@b");
  for (const char* name : {"password", "db_password", "API-KEY", "key", "client_secret"}) {
    INFO(name);
    CHECK(is_secret_name(name));
  }
  for (const char* name : {"window", "keyword", "group_by"}) {
    INFO(name);
    CHECK_FALSE(is_secret_name(name));
  }
}

}  // namespace tg::config
