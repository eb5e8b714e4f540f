// An authority made for a test, and what it signs, as PEM files in a folder that goes with it.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace tg::broker::test {

struct IssueOptions {
  std::string common_name = "device";
  std::string alternatives = "";  // "DNS:a,URI:b"; empty = none
  bool rsa = false;
  bool expired = false;
};

struct Issued {
  std::string certificate;  // file names
  std::string key;
  long serial = 0;
};

class Pki {
 public:
  explicit Pki(const std::string& name = "test-ca");
  ~Pki();
  Pki(const Pki&) = delete;
  Pki& operator=(const Pki&) = delete;

  [[nodiscard]] std::string ca() const { return path("ca.crt"); }
  Issued issue(const IssueOptions& options);
  // The list of all that have been revoked, written anew; its file.
  std::string revoke(const std::vector<Issued>& revoked, bool overdue = false);
  [[nodiscard]] std::string path(const std::string& file) const { return folder_ + "/" + file; }
  std::string write(const std::string& file, const std::string& text) const;

 private:
  struct Authority;
  std::string folder_;
  std::unique_ptr<Authority> authority_;
  long last_serial_ = 1;
};

}  // namespace tg::broker::test
