// libcurl, loaded when the first HTTPS endpoint is used: it and what it needs cost some 4 MB that a
// gateway on MQTT does not have to pay. Only its types come from its header.
//
// Thread: load() on any; handles stay on one thread each.
#pragma once

#include <curl/curl.h>

#include "daemon/base/result.h"

namespace tg::cloud {

struct Curl {
  decltype(&::curl_global_init) global_init = nullptr;
  decltype(&::curl_easy_init) easy_init = nullptr;
  decltype(&::curl_easy_setopt) easy_setopt = nullptr;
  decltype(&::curl_easy_perform) easy_perform = nullptr;
  decltype(&::curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&::curl_easy_strerror) easy_strerror = nullptr;
  decltype(&::curl_slist_append) slist_append = nullptr;
  decltype(&::curl_slist_free_all) slist_free_all = nullptr;
};

// Loaded once and never unloaded.
[[nodiscard]] Result<const Curl*> load_curl();

}  // namespace tg::cloud
