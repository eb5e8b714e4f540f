// One publish by HTTPS, as AWS IoT Core takes it, and what its answers mean:
//
//   POST /topics/TOPIC?qos=1[&retain=true][&contentType=…][&responseTopic=…][&messageExpiry=…]
//   2xx = acknowledged (QoS 1); 400 403 404 413 = this publish is refused for ever; 401 = we are
//   not welcome; anything else = not now
//
// One connection, kept alive; one publish at a time, so that the order holds.
// Thread: one only; blocks up to the time-out, or until `abort` becomes true.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "daemon/base/result.h"
#include "daemon/cloud/link.h"

namespace tg::cloud {

class HttpsPublish {
 public:
  struct Answer {
    std::optional<Refusal> refusal;  // of this publish
    std::optional<Down> down;        // the way is not open
  };

  [[nodiscard]] static Result<std::unique_ptr<HttpsPublish>> open(LinkOptions options,
                                                                  const std::atomic<bool>& abort);
  ~HttpsPublish();
  HttpsPublish(const HttpsPublish&) = delete;
  HttpsPublish& operator=(const HttpsPublish&) = delete;

  [[nodiscard]] Answer publish(const OutgoingPublish& publish);

 private:
  struct Handle;
  HttpsPublish(LinkOptions options, std::unique_ptr<Handle> handle);

  const LinkOptions options_;
  const std::unique_ptr<Handle> handle_;
};

// Path and query of a publish.
[[nodiscard]] std::string https_target(const OutgoingPublish& publish, int protocol);
[[nodiscard]] HttpsPublish::Answer https_answer(long status, const std::string& body);

}  // namespace tg::cloud
