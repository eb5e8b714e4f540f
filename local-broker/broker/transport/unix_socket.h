// A listening Unix socket in the file system: mode 0660, group `tidegate` when there is one, so
// that whoever is in that group may connect. One that a dead process left behind is replaced; one
// that somebody listens on is not, nor is anything that is no socket.
#pragma once

#include <sys/types.h>

#include <string>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"
#include "local-broker/broker/transport/address.h"

namespace tg::broker {

[[nodiscard]] Result<UniqueFd> bind_unix_socket(const Address& address);

// The file of a socket that we have bound.
struct SocketFile {
  std::string path;  // empty = none
  dev_t device = 0;
  ino_t inode = 0;
};
[[nodiscard]] SocketFile socket_file(const std::string& path);
// Unless somebody else's stands there meanwhile.
void remove_socket_file(const SocketFile& file);

}  // namespace tg::broker
