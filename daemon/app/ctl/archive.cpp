#include "daemon/app/ctl/archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace tg::ctl {
namespace {

constexpr std::size_t kBlock = 512;

// Offsets and lengths of a ustar header's fields.
struct Field {
  std::size_t at;
  std::size_t length;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUid{108, 8};
constexpr Field kGid{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kTime{136, 12};
constexpr Field kChecksum{148, 8};
constexpr Field kType{156, 1};
constexpr Field kMagic{257, 8};

using Header = std::array<char, kBlock>;

void put(Header& header, Field field, std::string_view text) {
  std::memcpy(header.data() + field.at, text.data(), std::min(text.size(), field.length));
}

Header header_of(const std::string& name, std::size_t size) {
  Header header{};
  put(header, kName, name);
  put(header, kMode, "0000600");
  put(header, kUid, "0000000");
  put(header, kGid, "0000000");
  put(header, kSize, fmt::format("{:011o}", size));
  put(header, kTime, fmt::format("{:011o}", std::time(nullptr)));
  put(header, kType, "0");
  put(header, kMagic, std::string_view("ustar\00000", 8));
  put(header, kChecksum, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(header, kChecksum, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return header;
}

}  // namespace

struct Archive::State {
  gzFile file = nullptr;
  std::string name;
};

Archive::Archive(std::unique_ptr<State> state) : state_(std::move(state)) {}
Archive::Archive(Archive&&) noexcept = default;

Archive::~Archive() {
  if (state_ != nullptr && state_->file != nullptr) gzclose(state_->file);
}

Result<Archive> Archive::create(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return fail(ErrorCode::kIo, fmt::format("{}: {}", file.string(), std::strerror(errno)));
  }
  auto state = std::make_unique<State>();
  state->name = file.string();
  state->file = gzdopen(fd, "wb9");
  if (state->file == nullptr) {
    ::close(fd);
    return fail(ErrorCode::kFailed, "zlib: out of memory");
  }
  return Archive(std::move(state));
}

Result<void> Archive::write(std::string_view bytes) {
  const int written = gzwrite(state_->file, bytes.data(), static_cast<unsigned>(bytes.size()));
  if (written == static_cast<int>(bytes.size())) return {};
  return fail(ErrorCode::kIo, fmt::format("{}: {}", state_->name, std::strerror(errno)));
}

Result<void> Archive::add(const std::string& name, std::string_view text) {
  const Header header = header_of(name, text.size());
  if (auto done = write({header.data(), header.size()}); !done) return done;
  if (!text.empty()) {
    if (auto done = write(text); !done) return done;
  }
  const std::string padding((kBlock - text.size() % kBlock) % kBlock, '\0');
  return padding.empty() ? Result<void>() : write(padding);
}

Result<void> Archive::finish() {
  if (auto done = write(std::string(2 * kBlock, '\0')); !done) return done;
  if (gzclose(std::exchange(state_->file, nullptr)) == Z_OK) return {};
  return fail(ErrorCode::kIo, fmt::format("{}: {}", state_->name, std::strerror(errno)));
}

}  // namespace tg::ctl
