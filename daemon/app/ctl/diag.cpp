// tidegatectl diag: one .tar.gz for support, without secrets and without payloads. It is made when
// the daemon does not answer, too: then what the system says is in it.
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "daemon/app/ctl/archive.h"
#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/redact.h"
#include "daemon/app/ctl/text.h"
#include "daemon/app/version.h"
#include "daemon/config/effective.h"
#include "daemon/config/last_good.h"
#include "daemon/config/load.h"

namespace tg::ctl {
namespace {

constexpr std::size_t kMaxText = 8 << 20;  // of one entry

struct Page {
  const char* name;
  const char* path;
};
constexpr std::array<Page, 8> kPages = {{{"status.json", "/api/v1/status"},
                                         {"metrics.txt", "/metrics"},
                                         {"config.json", "/api/v1/config"},
                                         {"config-diff.json", "/api/v1/config/diff"},
                                         {"log-levels.json", "/api/v1/log"},
                                         {"streams.json", "/api/v1/streams"},
                                         {"plugins.json", "/api/v1/plugins"},
                                         {"clients.json", "/api/v1/clients?limit=10000"}}};
constexpr std::array<const char*, 6> kFiles = {"/etc/os-release", "/proc/meminfo", "/proc/loadavg",
                                               "/proc/uptime",    "/proc/mounts",  "/proc/cpuinfo"};
constexpr std::array<std::pair<const char*, const char*>, 3> kCommands = {
    {{"journal.txt", "journalctl -u tidegate -n 5000 --no-pager -o short-iso-precise 2>&1"},
     {"unit.txt", "systemctl status tidegate --no-pager -l 2>&1"},
     {"clock.txt", "timedatectl 2>&1"}}};

std::string file_text(const char* path) {
  std::ifstream input(path);
  std::string out(std::istreambuf_iterator<char>(input), {});
  return out.substr(0, kMaxText);
}

std::string output_of(const char* command) {
  std::FILE* pipe = ::popen(command, "r");
  if (pipe == nullptr) return "cannot be run\n";
  std::string out;
  std::array<char, 4096> buffer{};
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    if (out.size() < kMaxText) out.append(buffer.data(), count);
  }
  ::pclose(pipe);
  return out;
}

// Sizes of what lies in the data directory, and what is free.
std::string disk_text(const std::string& folder) {
  std::string out = folder + "\n";
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    const auto size = entry.is_regular_file(error) ? entry.file_size(error) : 0;
    out += fmt::format("{:>14} {}\n", size, entry.path().string());
  }
  if (error) out += error.message() + "\n";
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) == 0) {
    out += fmt::format("{} bytes free of {}\n", disk.f_bavail * disk.f_frsize,
                       disk.f_blocks * disk.f_frsize);
  }
  return out;
}

std::string about_text() {
  utsname name{};
  ::uname(&name);
  return fmt::format("tidegatectl {}\n{} {} {} {}\n", app::kVersion, name.sysname, name.release,
                     name.version, name.machine);
}

// The file without secrets, for when the daemon does not run.
std::string written_config(const config::LoadResult& loaded) {
  std::string out;
  for (const auto& problem : loaded.errors) out += "error: " + problem.text() + "\n";
  for (const auto& problem : loaded.warnings) out += "warning: " + problem.text() + "\n";
  if (!loaded.errors.empty()) return out;
  for (const auto& setting : config::effective(loaded.tree)) {
    out += fmt::format("{} = {}\n", setting.path, setting.shown);
  }
  return out;
}

std::string value_of(const Json& config, const std::string& path) {
  if (!config.contains("settings")) return {};
  for (const auto& setting : config["settings"]) {
    if (text(setting, "path") == path) return text(setting, "value");
  }
  return {};
}

using Entries = std::vector<std::pair<std::string, std::string>>;

Entries gather(const Context& context, const std::string& config_file) {
  Entries entries{{"about.txt", about_text()}};
  std::string data_dir;
  for (const auto& page : kPages) {
    const Reply reply = context.request("GET", page.path);
    if (!reply.error.empty()) {
      entries.emplace_back("daemon-does-not-answer.txt", reply.error + "\n");
      break;
    }
    entries.emplace_back(page.name, reply.body);
    if (std::string_view(page.name) == "config.json") {
      data_dir = value_of(Json::parse(reply.body, nullptr, false), "gateway.data_dir");
    }
  }
  const auto loaded = config::load(config_file);
  entries.emplace_back("config-file.txt", written_config(loaded));
  if (data_dir.empty()) data_dir = config::find_data_dir(config_file, loaded).string();
  entries.emplace_back("disk.txt", disk_text(data_dir));
  for (const char* file : kFiles) {
    entries.emplace_back("system" + std::string(file), file_text(file));
  }
  for (const auto& [name, command] : kCommands) entries.emplace_back(name, output_of(command));
  return entries;
}

std::string standard_name() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 64> name{};
  std::strftime(name.data(), name.size(), "tidegate-diag-%Y%m%dT%H%M%SZ", &utc);
  return name.data();
}

Result<void> write_archive(const std::string& file, const std::string& folder,
                           const Entries& entries) {
  auto archive = Archive::create(file);
  if (!archive) return tl::unexpected(archive.error());
  for (const auto& [name, content] : entries) {
    if (auto done = archive->add(folder + "/" + name, redacted(content)); !done) return done;
  }
  return archive->finish();
}

}  // namespace

void add_diag(CLI::App& app, Context& context) {
  auto* command =
      app.add_subcommand("diag", "one archive for support: state, logs, no secrets, no payloads");
  const auto file = std::make_shared<std::string>();
  const auto config_file = std::make_shared<std::string>("/etc/tidegate/tidegate.yaml");
  command->add_option("-o,--output", *file, "file to write [tidegate-diag-TIME.tar.gz]");
  command->add_option("--config", *config_file, "configuration file")->capture_default_str();
  command->callback([&context, file, config_file] {
    const std::string folder = standard_name();
    const std::string target = file->empty() ? folder + ".tar.gz" : *file;
    const Entries entries = gather(context, *config_file);
    if (const auto done = write_archive(target, folder, entries); !done) {
      return context.fail(kRefused, done.error().message);
    }
    Json document{{"file", target}, {"entries", Json::array()}};
    for (const auto& entry : entries) document["entries"].push_back(entry.first);
    context.print(document, [](const Json& made) { return text(made, "file") + "\n"; });
  });
}

}  // namespace tg::ctl
