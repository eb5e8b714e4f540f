#include "local-broker/broker/transport/unix_socket.h"

#include <fmt/core.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace tg::broker {
namespace {

constexpr mode_t kMode = 0660;
constexpr const char* kGroup = "tidegate";

UniqueFd open_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

tl::unexpected<Error> failed(const Address& address, std::string_view what) {
  return fail(ErrorCode::kIo, fmt::format("listener unix:{}: {}", address.path, what));
}

std::string error_text() { return std::generic_category().message(errno); }

Result<void> remove_stale(const Address& address) {
  struct stat found {};
  if (::lstat(address.path.c_str(), &found) != 0) return {};
  if (!S_ISSOCK(found.st_mode)) return failed(address, "something else has this name");
  const UniqueFd probe = open_socket();
  const auto* where = reinterpret_cast<const sockaddr*>(&address.storage);
  if (::connect(probe.get(), where, address.length) == 0 || errno != ECONNREFUSED) {
    return failed(address, "somebody listens there already");
  }
  if (::unlink(address.path.c_str()) != 0) return failed(address, error_text());
  return {};
}

}  // namespace

Result<UniqueFd> bind_unix_socket(const Address& address) {
  if (auto done = remove_stale(address); !done) return tl::unexpected(done.error());
  UniqueFd fd = open_socket();
  if (!fd.is_open()) return failed(address, error_text());
  // Closed to all but the owner until its group is set: the file gets the socket's own mode.
  ::fchmod(fd.get(), S_IRUSR | S_IWUSR);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) {
    return failed(address, error_text());
  }
  // Who has no right to that group serves his own.
  if (const group* entry = ::getgrnam(kGroup); entry != nullptr) {
    static_cast<void>(::chown(address.path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) == 0);
  }
  if (::chmod(address.path.c_str(), kMode) != 0) return failed(address, error_text());
  if (::listen(fd.get(), SOMAXCONN) != 0) return failed(address, error_text());
  return fd;
}

SocketFile socket_file(const std::string& path) {
  struct stat found {};
  if (path.empty() || ::lstat(path.c_str(), &found) != 0) return {};
  return {path, found.st_dev, found.st_ino};
}

void remove_socket_file(const SocketFile& file) {
  const SocketFile now = socket_file(file.path);
  if (now.path.empty() || now.device != file.device || now.inode != file.inode) return;
  ::unlink(file.path.c_str());
}

}  // namespace tg::broker
