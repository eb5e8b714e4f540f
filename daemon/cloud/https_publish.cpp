#include "daemon/cloud/https_publish.h"

#include <fmt/core.h>
#include <openssl/ssl.h>

#include <string_view>
#include <utility>

#include "daemon/base/bytes.h"
#include "daemon/base/text.h"
#include "daemon/cloud/curl.h"

namespace tg::cloud {

namespace {

constexpr long kConnectWaitMs = 10'000;
constexpr long kAnswerWaitMs = 30'000;
constexpr std::size_t kLongestAnswer = 4096;
constexpr std::uint16_t kAlpnPort = 443;
// At AWS a client certificate on port 443 needs this protocol name.
constexpr std::string_view kAlpn = "\x0ex-amzn-http-ca";

std::string user_properties_json(const OutgoingPublish& publish) {
  std::string out = "[";
  for (const auto& [name, value] : publish.user_properties) {
    out += (out.size() > 1 ? ",{" : "{") + json_string(name) + ':' + json_string(value) + '}';
  }
  return out + ']';
}

std::size_t collect(char* data, std::size_t size, std::size_t count, void* target) {
  auto& body = *static_cast<std::string*>(target);
  if (body.size() < kLongestAnswer) body.append(data, size * count);
  return size * count;
}

int look_for_abort(void* abort, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(abort)->load() ? 1 : 0;
}

CURLcode set_alpn(CURL*, void* context, void*) {
  SSL_CTX_set_alpn_protos(static_cast<SSL_CTX*>(context),
                          reinterpret_cast<const unsigned char*>(kAlpn.data()),
                          static_cast<unsigned>(kAlpn.size()));
  return CURLE_OK;
}

DownCause cause_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return DownCause::kResolver;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return DownCause::kCertificate;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
      return DownCause::kUnreachable;
    default:
      return DownCause::kOther;
  }
}

}  // namespace

struct HttpsPublish::Handle {
  Handle(const Curl& library, CURL* handle) : curl(library), easy(handle) {}
  ~Handle() { curl.easy_cleanup(easy); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  template <class Value>
  void set(CURLoption option, Value value) const {
    curl.easy_setopt(easy, option, value);
  }

  const Curl& curl;
  CURL* const easy;
  char error[CURL_ERROR_SIZE] = {};
};

Result<std::unique_ptr<HttpsPublish>> HttpsPublish::open(LinkOptions options,
                                                         const std::atomic<bool>& abort) {
  const auto curl = load_curl();
  if (!curl) return tl::unexpected(curl.error());
  CURL* easy = (*curl)->easy_init();
  if (easy == nullptr) return fail(ErrorCode::kFailed, "libcurl: out of memory");
  auto handle = std::make_unique<Handle>(**curl, easy);
  handle->set(CURLOPT_NOSIGNAL, 1L);
  handle->set(CURLOPT_ERRORBUFFER, handle->error);
  handle->set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  handle->set(CURLOPT_PROTOCOLS_STR, "https");
  handle->set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  handle->set(CURLOPT_CONNECTTIMEOUT_MS, kConnectWaitMs);
  handle->set(CURLOPT_TIMEOUT_MS, kAnswerWaitMs);
  handle->set(CURLOPT_TCP_KEEPALIVE, 1L);
  // An empty string: none, and not the environment's either.
  handle->set(CURLOPT_PROXY, options.proxy.c_str());
  if (!options.ca.empty()) handle->set(CURLOPT_CAINFO, options.ca.c_str());
  if (!options.certificate.empty()) {
    handle->set(CURLOPT_SSLCERT, options.certificate.c_str());
    handle->set(CURLOPT_SSLKEY, options.private_key.c_str());
  }
  if (!options.username.empty()) {
    handle->set(CURLOPT_USERNAME, options.username.c_str());
    handle->set(CURLOPT_PASSWORD, options.password.c_str());
  }
  if (options.endpoint.port == kAlpnPort) handle->set(CURLOPT_SSL_CTX_FUNCTION, &set_alpn);
  handle->set(CURLOPT_WRITEFUNCTION, &collect);
  handle->set(CURLOPT_NOPROGRESS, 0L);
  handle->set(CURLOPT_XFERINFOFUNCTION, &look_for_abort);
  handle->set(CURLOPT_XFERINFODATA, &abort);
  return std::unique_ptr<HttpsPublish>(new HttpsPublish(std::move(options), std::move(handle)));
}

HttpsPublish::HttpsPublish(LinkOptions options, std::unique_ptr<Handle> handle)
    : options_(std::move(options)), handle_(std::move(handle)) {}

HttpsPublish::~HttpsPublish() = default;

std::string https_target(const OutgoingPublish& publish, int protocol) {
  std::string target = "/topics/" + percent_encoded(publish.topic) + "?qos=1";
  if (publish.retain) target += "&retain=true";
  if (protocol < 5) return target;
  if (!publish.content_type.empty()) {
    target += "&contentType=" + percent_encoded(publish.content_type);
  }
  if (!publish.response_topic.empty()) {
    target += "&responseTopic=" + percent_encoded(publish.response_topic);
  }
  if (publish.expiry_s) target += "&messageExpiry=" + std::to_string(*publish.expiry_s);
  return target;
}

HttpsPublish::Answer https_answer(long status, const std::string& body) {
  if (status >= 200 && status < 300) return {};
  const std::string reason = fmt::format("HTTP status {}: {}", status, body.substr(0, 200));
  switch (status) {
    case 400:
    case 403:
    case 404:
    case 413:
      return {Refusal{reason, true}, {}};
    case 401:
      return {{}, Down{DownCause::kRefused, reason}};
    default:
      return {{}, Down{DownCause::kServer, reason}};
  }
}

HttpsPublish::Answer HttpsPublish::publish(const OutgoingPublish& publish) {
  const Handle& handle = *handle_;
  const std::string url = options_.endpoint.url() + https_target(publish, options_.protocol);
  std::string body;
  curl_slist* headers = handle.curl.slist_append(nullptr, "Content-Type: application/octet-stream");
  headers = handle.curl.slist_append(headers, "Expect:");
  if (options_.protocol >= 5) {
    if (!publish.user_properties.empty()) {
      const std::string value = base64(user_properties_json(publish));
      headers =
          handle.curl.slist_append(headers, ("x-amz-mqtt5-user-properties: " + value).c_str());
    }
    if (!publish.correlation_data.empty()) {
      const std::string value = base64(publish.correlation_data);
      headers =
          handle.curl.slist_append(headers, ("x-amz-mqtt5-correlation-data: " + value).c_str());
    }
  }
  handle.set(CURLOPT_URL, url.c_str());
  handle.set(CURLOPT_HTTPHEADER, headers);
  handle.set(CURLOPT_POSTFIELDSIZE, static_cast<long>(publish.payload.size()));
  handle.set(CURLOPT_POSTFIELDS, publish.payload.c_str());
  handle.set(CURLOPT_WRITEDATA, &body);
  handle_->error[0] = '\0';
  const CURLcode code = handle.curl.easy_perform(handle.easy);
  handle.curl.slist_free_all(headers);
  if (code != CURLE_OK) {
    const char* text = handle.error[0] != '\0' ? handle.error : handle.curl.easy_strerror(code);
    return {{}, Down{cause_of(code), text}};
  }
  long status = 0;
  handle.curl.easy_getinfo(handle.easy, CURLINFO_RESPONSE_CODE, &status);
  return https_answer(status, body);
}

}  // namespace tg::cloud
