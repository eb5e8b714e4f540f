#include "local-broker/broker/message.h"

#include <cstring>
#include <new>

namespace tg::broker {

MessageRef MessageRef::make(const MessageFields& fields, MessageMemory* memory) {
  const std::size_t size = fields.topic.size() + fields.properties.size() + fields.payload.size();
  auto* message = new (::operator new(sizeof(Message) + size)) Message();
  message->topic_size_ = static_cast<std::uint16_t>(fields.topic.size());
  message->properties_size_ = static_cast<std::uint32_t>(fields.properties.size());
  message->payload_size_ = static_cast<std::uint32_t>(fields.payload.size());
  message->qos_ = fields.qos;
  message->expires_at_ms_ = fields.expires_at_ms;
  auto* p = reinterpret_cast<char*>(message + 1);
  for (const auto part : {fields.topic, fields.properties, fields.payload}) {
    // An empty view may have a null pointer, which memcpy must not see.
    if (!part.empty()) std::memcpy(p, part.data(), part.size());
    p += part.size();
  }
  MessageRef reference;
  reference.message_ = message;
  if (memory != nullptr) reference.count_in(*memory);
  return reference;
}

void MessageRef::count_in(MessageMemory& memory) {
  if (message_->memory_ != nullptr) return;
  message_->memory_ = &memory;
  memory.bytes += message_->size();
  ++memory.count;
  if (message_->expires_at_ms_ != 0) ++memory.expiring;
}

void MessageRef::destroy() {
  if (MessageMemory* memory = message_->memory_) {
    memory->bytes -= message_->size();
    --memory->count;
    if (message_->expires_at_ms_ != 0) --memory->expiring;
  }
  message_->~Message();
  ::operator delete(message_);
}

}  // namespace tg::broker
