// The users of a listener: a file of lines NAME:HASH (password.h), as mosquitto_passwd and
// `tidegatectl users` write it; empty lines and lines that begin with # are skipped.
//
// Thread: read by the loop; a set is never changed, a reload makes a new one. What was right once
// is remembered under a keyed digest, so that a fleet that reconnects does not cost a hash each.
// Limits: 4 MiB, 100,000 users.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemon/base/result.h"

namespace tg::broker {

class Users {
 public:
  // The error names the line.
  static Result<std::unique_ptr<Users>> load(const std::string& file);

  // Empty when there is no such user.
  [[nodiscard]] std::string_view hash_of(std::string_view name) const;
  [[nodiscard]] std::size_t size() const { return hashes_.size(); }

  [[nodiscard]] bool was_right(const std::string& name, std::string_view password) const;
  void remember_right(const std::string& name, std::string_view password);

 private:
  using Digest = std::array<unsigned char, 32>;
  Users();
  [[nodiscard]] Digest digest_of(std::string_view name, std::string_view password) const;

  std::array<unsigned char, 32> secret_{};
  std::unordered_map<std::string, std::string> hashes_;
  std::unordered_map<std::string, Digest> right_;
};

}  // namespace tg::broker
