// Errors are values: a Result<T> is either a T or an Error that says what failed, where, and with
// which value. Exceptions of libraries stop at the file that wraps them and become a Result.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace tg {

enum class ErrorCode {
  kFailed,     // no finer kind is needed
  kInvalid,    // what came from outside is not well-formed or out of range
  kNotFound,   // what was named does not exist
  kBusy,       // a limit is reached for now: try again later
  kFull,       // a quota or a disk is full
  kIo,         // the operating system refused
  kCorrupt,    // stored bytes are not what was written
  kCancelled,  // shut down in the meantime
};

struct Error {
  ErrorCode code = ErrorCode::kFailed;
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace tg
