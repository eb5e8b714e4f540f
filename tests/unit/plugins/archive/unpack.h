// What zstdcat would print.
#pragma once

#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string>

namespace archive {

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Throws at a torn frame.
inline std::string unpack(const std::filesystem::path& path) {
  const std::string packed = bytes_of(path);
  std::string text;
  for (std::size_t at = 0; at < packed.size();) {
    const std::size_t size = ZSTD_findFrameCompressedSize(packed.data() + at, packed.size() - at);
    if (ZSTD_isError(size) != 0U) throw std::runtime_error(ZSTD_getErrorName(size));
    std::string frame(ZSTD_getFrameContentSize(packed.data() + at, size), '\0');
    const std::size_t got = ZSTD_decompress(frame.data(), frame.size(), packed.data() + at, size);
    if (ZSTD_isError(got) != 0U) throw std::runtime_error(ZSTD_getErrorName(got));
    text += frame;
    at += size;
  }
  return text;
}

// In the order of their names, which is that of their making.
inline std::set<std::filesystem::path> files_in(const std::filesystem::path& directory) {
  std::set<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    found.insert(entry.path());
  }
  return found;
}

inline std::string unpack_all(const std::filesystem::path& directory) {
  std::string text;
  for (const auto& path : files_in(directory)) text += unpack(path);
  return text;
}

struct Folder {
  Folder() {
    char name[] = "/tmp/archive-test-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path path;
};

}  // namespace archive
