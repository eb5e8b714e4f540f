// Writes a .tar.gz of text files (ustar, zlib). Mode 0600: what goes in is for the operator first.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/result.h"

namespace tg::ctl {

class Archive {
 public:
  // The file must not be there yet.
  static Result<Archive> create(const std::filesystem::path& file);
  Archive(Archive&&) noexcept;
  ~Archive();

  // name: at most 100 bytes.
  Result<void> add(const std::string& name, std::string_view text);
  Result<void> finish();

 private:
  struct State;
  explicit Archive(std::unique_ptr<State> state);
  Result<void> write(std::string_view bytes);
  std::unique_ptr<State> state_;
};

}  // namespace tg::ctl
