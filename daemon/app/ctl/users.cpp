// tidegatectl users add|remove FILE NAME: the users of a listener (broker.listeners[].users). Works
// on the file itself, without the daemon; the password is the first line of stdin.
#include <fmt/format.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "daemon/app/ctl/nouns.h"
#include "local-broker/broker/password.h"

namespace tg::ctl {
namespace {

constexpr mode_t kMode = 0640;  // the owner's, read by the daemon's group
constexpr std::size_t kMaxName = 1024;

struct Choice {
  std::string file;
  std::string name;
};

// Typed words are not shown.
std::optional<std::string> read_password() {
  const bool is_terminal = ::isatty(STDIN_FILENO) != 0;
  termios before{};
  if (is_terminal) {
    fmt::print(stderr, "Password: ");
    ::tcgetattr(STDIN_FILENO, &before);
    termios quiet = before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  std::string password;
  const bool there = static_cast<bool>(std::getline(std::cin, password));
  if (is_terminal) {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fmt::print(stderr, "\n");
  }
  if (!there || password.empty()) return std::nullopt;
  return password;
}

// All lines but the user's. A file that is not there has none.
std::vector<std::string> read_others(const Choice& choice, bool& found) {
  std::vector<std::string> lines;
  std::ifstream input(choice.file);
  for (std::string line; std::getline(input, line);) {
    if (line.starts_with(choice.name + ":")) {
      found = true;
    } else {
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

// Whole or not at all: a new file takes the place of the old one.
bool write_lines(Context& context, const std::string& file, const std::vector<std::string>& lines) {
  struct stat old {};
  const bool exists = ::stat(file.c_str(), &old) == 0;
  std::string pattern = file + ".XXXXXX";
  const int fd = ::mkstemp(pattern.data());
  std::FILE* output = fd >= 0 ? ::fdopen(fd, "w") : nullptr;
  bool sound = output != nullptr && ::fchmod(fd, exists ? old.st_mode & 07777 : kMode) == 0;
  if (sound && exists) static_cast<void>(::fchown(fd, old.st_uid, old.st_gid) == 0);
  for (const auto& line : lines) sound = sound && std::fputs((line + "\n").c_str(), output) >= 0;
  if (output != nullptr) {
    sound = std::fflush(output) == 0 && ::fsync(fd) == 0 && sound;
    sound = std::fclose(output) == 0 && sound;
  }
  if (sound && std::rename(pattern.c_str(), file.c_str()) == 0) return true;
  context.fail(kRefused, fmt::format("{} cannot be written: {}", file,
                                     std::generic_category().message(errno)));
  if (fd >= 0) ::unlink(pattern.c_str());
  return false;
}

void say(const Context& context, const Choice& choice, const char* what) {
  Json document;
  document["file"] = choice.file;
  document["user"] = choice.name;
  document["done"] = what;
  context.print(document, [&](const Json&) {
    return fmt::format("{} {} in {}; the daemon reads it at `systemctl reload tidegate`\n",
                       choice.name, what, choice.file);
  });
}

void add(Context& context, const Choice& choice) {
  if (choice.name.empty() || choice.name.size() > kMaxName || choice.name.front() == '#' ||
      choice.name.find_first_of(":\n\r") != std::string::npos) {
    return context.fail(kUsage, "a user's name is not empty and has no colon, and no # in front");
  }
  const auto password = read_password();
  if (!password) return context.fail(kUsage, "the password is read from stdin, and was empty");
  bool found = false;
  auto lines = read_others(choice, found);
  lines.push_back(choice.name + ":" + broker::hash_password(*password));
  if (write_lines(context, choice.file, lines)) {
    say(context, choice, found ? "changed" : "added");
  }
}

void remove(Context& context, const Choice& choice) {
  bool found = false;
  const auto lines = read_others(choice, found);
  if (!found) {
    return context.fail(kRefused, fmt::format("{} has no user {}", choice.file, choice.name));
  }
  if (write_lines(context, choice.file, lines)) say(context, choice, "removed");
}

}  // namespace

void add_users(CLI::App& app, Context& context) {
  auto* noun = app.add_subcommand("users", "users of a listener, in its file");
  noun->require_subcommand(1);
  const auto choice = std::make_shared<Choice>();
  const auto verb = [&](const char* name, const char* help, void (*run)(Context&, const Choice&)) {
    auto* command = noun->add_subcommand(name, help);
    command->add_option("file", choice->file, "broker.listeners[].users")->required();
    command->add_option("name", choice->name, "the user")->required();
    command->callback([&context, choice, run] { run(context, *choice); });
  };
  verb("add", "adds a user, or changes the password; reads it from stdin", add);
  verb("remove", "removes a user", remove);
}

}  // namespace tg::ctl
