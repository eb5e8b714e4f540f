// A program's command line as JSON, for what is made from it when Tidegate is built: man pages and
// completions (docs/man/make_docs.py). The command line is defined once, with CLI11; this reads it.
//
//   {"name", "help", "options": [{"names", "value", "default", "help", "required"}], "commands":
//   […]}
//
// "names" is empty for a positional; "value" is "" for a flag.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace tg::app {

[[nodiscard]] std::string describe(const CLI::App& app, const std::string& program);

// True when the only argument is --describe: the description has been printed, the program ends.
bool was_described(const CLI::App& app, const std::string& program, int argc,
                   const char* const* argv);

}  // namespace tg::app
