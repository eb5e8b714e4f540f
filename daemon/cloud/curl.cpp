#include "daemon/cloud/curl.h"

#include <dlfcn.h>

#include <string>

namespace tg::cloud {

namespace {

constexpr const char* kLibrary = "libcurl.so.4";

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

Result<const Curl*> load() {
  void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return fail(ErrorCode::kNotFound,
                std::string("HTTPS endpoints need libcurl: ") + (why != nullptr ? why : kLibrary));
  }
  static Curl curl;
  const bool found = find(library, "curl_global_init", curl.global_init) &&
                     find(library, "curl_easy_init", curl.easy_init) &&
                     find(library, "curl_easy_setopt", curl.easy_setopt) &&
                     find(library, "curl_easy_perform", curl.easy_perform) &&
                     find(library, "curl_easy_getinfo", curl.easy_getinfo) &&
                     find(library, "curl_easy_cleanup", curl.easy_cleanup) &&
                     find(library, "curl_easy_strerror", curl.easy_strerror) &&
                     find(library, "curl_slist_append", curl.slist_append) &&
                     find(library, "curl_slist_free_all", curl.slist_free_all);
  if (!found || curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return fail(ErrorCode::kFailed, std::string(kLibrary) + " cannot be used");
  }
  return &curl;
}

}  // namespace

Result<const Curl*> load_curl() {
  static const Result<const Curl*> loaded = load();
  return loaded;
}

}  // namespace tg::cloud
