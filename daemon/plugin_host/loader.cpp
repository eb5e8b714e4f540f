#include "daemon/plugin_host/loader.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace tg::plugin_host {
namespace {

bool is_plain(std::string_view name) {
  static constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  return !name.empty() && name.find_first_not_of(kAllowed) == std::string_view::npos;
}

Result<const tidegate_plugin*> open_library(const std::string& file) {
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return fail(ErrorCode::kFailed, ::dlerror());
  void* symbol = ::dlsym(library, TIDEGATE_ENTRY_SYMBOL);
  if (symbol == nullptr) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{} is no plugin: it does not export {}", file, TIDEGATE_ENTRY_SYMBOL));
  }
  const auto entry = reinterpret_cast<tidegate_plugin_entry_fn>(symbol);
  const tidegate_plugin* table = entry();
  if (auto checked = check_table(table, file); !checked) return tl::unexpected(checked.error());
  return table;
}

}  // namespace

Result<void> check_table(const tidegate_plugin* table, const std::string& file) {
  if (table == nullptr) {
    return fail(ErrorCode::kInvalid, fmt::format("{}: its entry returned no table", file));
  }
  if (table->abi_major != TIDEGATE_ABI_MAJOR) {
    return fail(
        ErrorCode::kInvalid,
        fmt::format("{}: plugin ABI {}.{}, this gateway has {}.{}; build the plugin anew", file,
                    table->abi_major, table->abi_minor, TIDEGATE_ABI_MAJOR, TIDEGATE_ABI_MINOR));
  }
  // The table of ABI 1.0 ends with destroy.
  if (table->size < offsetof(tidegate_plugin, destroy) + sizeof(table->destroy)) {
    return fail(
        ErrorCode::kInvalid,
        fmt::format("{}: its table of {} bytes is too small for ABI 1.0", file, table->size));
  }
  if (table->kind != TIDEGATE_PROCESSOR && table->kind != TIDEGATE_SINK) {
    return fail(
        ErrorCode::kInvalid,
        fmt::format("{}: plugins of kind {} are not available yet; only processors and sinks are",
                    file, table->kind));
  }
  if (table->create == nullptr || table->process == nullptr || table->destroy == nullptr) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{}: its table lacks create, process or destroy", file));
  }
  return {};
}

Result<std::string> find_plugin(const std::string& name, const std::vector<std::string>& paths) {
  if (!is_plain(name)) {
    return fail(ErrorCode::kInvalid,
                fmt::format("plugin \"{}\": a name is made of letters, digits, - and _", name));
  }
  std::string tried;
  for (const auto& path : paths) {
    const auto file = std::filesystem::path(path) / fmt::format("libtidegate_{}.so", name);
    std::error_code error;
    if (std::filesystem::exists(file, error)) return file.string();
    tried += (tried.empty() ? "" : ", ") + file.string();
  }
  return fail(ErrorCode::kNotFound, fmt::format("plugin {}: there is none of {}", name, tried));
}

Result<const tidegate_plugin*> load_plugin(const std::string& name,
                                           const std::vector<std::string>& paths) {
  const auto file = find_plugin(name, paths);
  if (!file) return tl::unexpected(file.error());
  return open_library(*file);
}

}  // namespace tg::plugin_host
