#include "daemon/base/text.h"

#include <catch2/catch.hpp>
#include <string>

using namespace tg;

TEST_CASE("a JSON string has its quotes, backslashes and control characters escaped") {
  CHECK(json_string("") == R"("")");
  CHECK(json_string(R"(a "b" \c)") == R"("a \"b\" \\c")");
  CHECK(json_string("line\nend\x01") == R"("line\u000aend\u0001")");
  CHECK(json_string("\xC3\xA9") == "\"\xC3\xA9\"");
}

TEST_CASE("all but the unreserved characters of a URL are percent-encoded") {
  CHECK(percent_encoded("aZ09-_.~") == "aZ09-_.~");
  CHECK(percent_encoded("$aws/a b+#%\xC3\xA9") == "%24aws%2Fa%20b%2B%23%25%C3%A9");
}
