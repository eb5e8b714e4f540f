#include "plugins/archive/files.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>

#include "plugins/archive/frames.h"
#include "tests/unit/plugins/archive/unpack.h"

using namespace archive;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;  // 20231114T221320Z
constexpr Limits kWide{1 << 20, 3'600'000, 1 << 30};

// An archive in a folder of its own, which can be left and opened again.
struct Bench {
  explicit Bench(Limits the_limits = kWide) : limits(the_limits) { open(); }

  void open() { files.emplace(folder.path, "raw", limits); }
  void put(const std::string& text, std::int64_t now_ms = kNow) {
    files->append(compressor.frame(text), now_ms);
  }
  std::filesystem::path last() { return *files_in(folder.path).rbegin(); }
  void spoil(const std::string& tail) { std::ofstream(last(), std::ios::app) << tail; }

  Folder folder;
  Limits limits;
  Compressor compressor{3};
  std::optional<Files> files;
};

// What goes beyond it fails with EFBIG.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t size) : old_signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit less{size, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &less);
  }
  ~FileSizeLimit() {
    lift();
    std::signal(SIGXFSZ, old_signal_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  void lift() const { ::setrlimit(RLIMIT_FSIZE, &old_); }

 private:
  void (*old_signal_)(int);
  rlimit old_{};
};

}  // namespace

TEST_CASE("frames stand one after the other in a file that is named for its beginning") {
  Bench bench;
  bench.put("a\n");
  bench.put("b\n");
  CHECK(bench.last().filename() == "raw-000000001-20231114T221320Z.jsonl.zst");
  CHECK(unpack_all(bench.folder.path) == "a\nb\n");
}

TEST_CASE("after a start the last file is gone on with") {
  Bench bench;
  bench.put("a\n");
  bench.open();
  bench.put("b\n");
  CHECK(files_in(bench.folder.path).size() == 1);
  CHECK(unpack_all(bench.folder.path) == "a\nb\n");
}

TEST_CASE("a torn tail is cut off at the start, whatever it is") {
  Bench bench;
  bench.put("a\n");
  const std::string frame(bench.compressor.frame("a line that was not finished\n"));
  std::string wrong = frame;
  wrong[wrong.size() - 6] ^= 1;  // found by the checksum only
  const std::string tail =
      GENERATE_COPY(frame.substr(0, 3), frame.substr(0, frame.size() - 1), std::string(50, '\0'),
                    std::string("no frame at all"), wrong);
  bench.spoil(tail);
  bench.open();
  bench.put("b\n");
  CHECK(unpack_all(bench.folder.path) == "a\nb\n");
}

TEST_CASE("a file that is full is followed by the next") {
  Bench bench({60, 3'600'000, 1 << 30});
  for (int i = 0; i < 10; ++i) bench.put("line " + std::to_string(i) + "\n");
  const auto found = files_in(bench.folder.path);
  CHECK(found.size() > 2);
  for (const auto& path : found) CHECK(std::filesystem::file_size(path) <= 60);
  CHECK(unpack_all(bench.folder.path).size() == 70);
}

TEST_CASE("a frame that is larger than a file may be has one of its own") {
  Bench bench({10, 3'600'000, 1 << 30});
  bench.put("a\n");
  bench.put("b\n");
  CHECK(files_in(bench.folder.path).size() == 2);
}

TEST_CASE("a file that is too old is followed by the next, after a start as well") {
  Bench bench;
  CHECK(bench.files->due_ms() == 0);
  bench.put("a\n");
  CHECK(bench.files->due_ms() == kNow + 3'600'000);
  bench.files->finish_if_old(kNow + 3'599'999);
  CHECK(bench.files->due_ms() != 0);
  bench.files->finish_if_old(kNow + 3'600'000);
  CHECK(bench.files->due_ms() == 0);
  bench.put("b\n", kNow + 3'600'000);
  bench.open();
  bench.put("c\n", kNow + 9'000'000);
  CHECK(files_in(bench.folder.path).size() == 3);
  CHECK(unpack_all(bench.folder.path) == "a\nb\nc\n");
}

TEST_CASE("the oldest finished files give way, and no others") {
  Bench bench({100, 3'600'000, 300});
  std::ofstream(bench.folder.path / "raw-notes.txt") << std::string(1000, 'x');
  std::ofstream(bench.folder.path / "raw-2-000000001-20231114T221320Z.jsonl.zst") << "another's";
  for (int i = 0; i < 100; ++i) bench.put("line " + std::to_string(i) + "\n");
  std::uint64_t total = 0;
  std::string text;
  for (const auto& path : files_in(bench.folder.path)) {
    if (!path.filename().string().starts_with("raw-0")) continue;
    total += std::filesystem::file_size(path);
    text += unpack(path);
  }
  CHECK(total <= 300);
  CHECK(text.ends_with("line 98\nline 99\n"));
  CHECK(std::filesystem::exists(bench.folder.path / "raw-notes.txt"));
  CHECK(files_in(bench.folder.path)
            .contains(bench.folder.path / "raw-2-000000001-20231114T221320Z.jsonl.zst"));
}

TEST_CASE("the number goes on when clocks step back and when files are deleted") {
  Bench bench({10, 3'600'000, 1 << 30});
  bench.put("a\n");
  bench.put("b\n", 0);
  CHECK(bench.last().filename() == "raw-000000002-19700101T000000Z.jsonl.zst");
  std::filesystem::remove(bench.last());
  bench.put("c\n");
  CHECK(unpack_all(bench.folder.path) == "a\nc\n");
}

TEST_CASE("a directory that is missing is an error that names it, until it can be made") {
  Bench bench;
  const auto parent = bench.folder.path / "parent";
  Files files(parent / "archive", "raw", kWide);
  const std::string frame(bench.compressor.frame("a\n"));
  CHECK_THROWS_WITH(files.append(frame, kNow), Catch::Matchers::Contains("parent/archive"));
  CHECK_THROWS_AS(files.append(frame, kNow), std::system_error);
  std::filesystem::create_directory(parent);
  files.append(frame, kNow);
  CHECK(unpack_all(parent / "archive") == "a\n");
}

TEST_CASE("a full disk leaves no torn frame, and is written to when there is room") {
  // A limit of the process stands for the disk's: both end a write in its middle.
  Bench bench;
  bench.put("a\n");
  const auto before = std::filesystem::file_size(bench.last());
  const FileSizeLimit limit(before + 5);
  CHECK_THROWS_WITH(bench.put("b\n"), Catch::Matchers::Contains("writing"));
  CHECK(std::filesystem::file_size(bench.last()) == before);
  limit.lift();
  bench.put("b\n");
  CHECK(unpack_all(bench.folder.path) == "a\nb\n");
}
