// Listening sockets that systemd has opened for us (sd_listen_fds(3)): LISTEN_FDS of them, from
// descriptor 3 on, with their names in LISTEN_FDNAMES.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace tg::broker {

class InheritedSockets {
 public:
  // Takes them out of the environment: a child inherits none of it.
  static InheritedSockets from_environment();

  // By the listener's name (FileDescriptorName= of the socket unit), else by its address. Not open
  // when there is none.
  [[nodiscard]] UniqueFd take(std::string_view name, const std::string& address);
  // What nobody has taken.
  [[nodiscard]] std::vector<std::string> left() const;

 private:
  struct Socket {
    UniqueFd fd;
    std::string name;
    std::string address;
  };
  std::vector<Socket> sockets_;
};

}  // namespace tg::broker
