// One publish, immutable, shared by the queues, windows and the retained set that hold it. One
// allocation; the count is not atomic: messages never leave the loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace tg::broker {

// Names a session, a message or a copy of one in the SessionStore: ascending for each kind, never
// given twice. 0 = not stored.
using StoredId = std::uint64_t;

struct MessageFields {
  std::string_view topic;
  std::string_view payload;
  std::string_view properties;  // MQTT 5: what receivers get of them (mqtt::append_passed_on)
  std::uint8_t qos = 0;
  std::int64_t expires_at_ms = 0;  // 0 = never
};

// A message's place in the SessionStore (persist.cpp).
struct StoredPlace {
  StoredId id = 0;
  std::uint32_t references = 0;  // from stored copies and the retained set
  bool is_retained = false;
};

// What the messages of one broker take, each counted once however many hold it.
struct MessageMemory {
  std::size_t bytes = 0;
  std::size_t count = 0;
  std::size_t expiring = 0;  // of them, those that expire
};

class Message {
 public:
  [[nodiscard]] MessageFields fields() const {
    const char* p = bytes();
    return {{p, topic_size_},
            {p + topic_size_ + properties_size_, payload_size_},
            {p + topic_size_, properties_size_},
            qos_,
            expires_at_ms_};
  }
  [[nodiscard]] std::string_view topic() const { return {bytes(), topic_size_}; }
  [[nodiscard]] bool is_expired(std::int64_t now_ms) const {
    return expires_at_ms_ != 0 && expires_at_ms_ <= now_ms;
  }
  // Bookkeeping beside the message, which is itself immutable.
  [[nodiscard]] StoredPlace& stored() const { return stored_; }
  // Memory it takes.
  [[nodiscard]] std::size_t size() const {
    return sizeof(Message) + topic_size_ + properties_size_ + payload_size_;
  }

 private:
  friend class MessageRef;
  Message() = default;
  [[nodiscard]] const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }

  MessageMemory* memory_ = nullptr;
  std::int64_t expires_at_ms_ = 0;
  mutable StoredPlace stored_;
  std::uint32_t references_ = 1;
  std::uint32_t payload_size_ = 0;
  std::uint32_t properties_size_ = 0;
  std::uint16_t topic_size_ = 0;
  std::uint8_t qos_ = 0;
};

class MessageRef {
 public:
  MessageRef() = default;
  // `memory` must outlive it.
  static MessageRef make(const MessageFields& fields, MessageMemory* memory = nullptr);
  // One that was made without: from now on it counts there. No more than once.
  void count_in(MessageMemory& memory);
  MessageRef(const MessageRef& other) : message_(other.message_) {
    if (message_ != nullptr) ++message_->references_;
  }
  MessageRef(MessageRef&& other) noexcept : message_(std::exchange(other.message_, nullptr)) {}
  MessageRef& operator=(const MessageRef& other) {
    MessageRef copy(other);
    std::swap(message_, copy.message_);
    return *this;
  }
  MessageRef& operator=(MessageRef&& other) noexcept {
    std::swap(message_, other.message_);
    return *this;
  }
  ~MessageRef() {
    if (message_ != nullptr && --message_->references_ == 0) destroy();
  }

  const Message* operator->() const { return message_; }
  const Message& operator*() const { return *message_; }
  explicit operator bool() const { return message_ != nullptr; }

 private:
  void destroy();
  Message* message_ = nullptr;
};

}  // namespace tg::broker
