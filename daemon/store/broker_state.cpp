#include "daemon/store/broker_state.h"

#include <algorithm>

#include "daemon/base/bytes.h"

namespace tg::store {
namespace {

constexpr std::size_t kRowBytes = 64;  // of a change, beside its strings

}  // namespace

void BrokerChanges::put_session(SessionRow row) {
  const BrokerId id = row.id;
  if (sessions_.find(id) == sessions_.end()) bytes_ += kRowBytes * 2 + row.client_id.size();
  sessions_.insert_or_assign(id, std::move(row));
}

void BrokerChanges::erase_session(BrokerId session) {
  sessions_.erase(session);
  erased_sessions_.push_back(session);
  bytes_ += sizeof(BrokerId);
}

void BrokerChanges::put_subscription(SubscriptionRow row) {
  const std::size_t size = kRowBytes * 2 + row.filter.size() + row.group.size();
  const auto [at, is_new] =
      filters_.insert_or_assign(FilterKey{row.session, std::move(row.group), std::move(row.filter)},
                                Filter{false, row.options, row.subscription_id});
  if (is_new) bytes_ += size;
}

void BrokerChanges::erase_subscription(BrokerId session, std::string_view group,
                                       std::string_view filter) {
  const auto [at, is_new] = filters_.insert_or_assign(
      FilterKey{session, std::string(group), std::string(filter)}, Filter{true});
  if (is_new) bytes_ += kRowBytes * 2 + filter.size() + group.size();
}

void BrokerChanges::set_held(BrokerId session, std::uint16_t packet_id, bool is_held) {
  const auto [at, is_new] = held_.insert_or_assign(held_key(session, packet_id), is_held);
  if (is_new) bytes_ += kRowBytes;
}

void BrokerChanges::put_message(const MessageRow& row) {
  Body body{row.id, {}};
  append_body(body.bytes, row);
  bytes_ += kRowBytes + body.bytes.size();
  messages_.push(std::move(body));
}

void BrokerChanges::erase_message(BrokerId message) {
  if (Body* fresh = messages_.find(message); fresh != nullptr) {
    bytes_ -= fresh->bytes.size();
    *fresh = {};
    bytes_ -= messages_.trim() * kRowBytes;
    return;
  }
  erased_messages_.push_back(message);
  bytes_ += sizeof(BrokerId);
}

void BrokerChanges::set_retained(BrokerId message, bool is_retained) {
  if (!is_retained && messages_.find(message) != nullptr) {
    retained_.erase(message);
  } else {
    retained_[message] = is_retained;
  }
}

void BrokerChanges::put_copy(const CopyRow& row) {
  copies_.push(row);
  bytes_ += kRowBytes;
}

void BrokerChanges::move_copy(const CopyRow& row) {
  if (CopyRow* fresh = copies_.find(row.id); fresh != nullptr) {
    *fresh = row;
    return;
  }
  if (moved_copies_.insert_or_assign(row.id, row).second) bytes_ += kRowBytes;
}

void BrokerChanges::erase_copy(BrokerId copy) {
  if (CopyRow* fresh = copies_.find(copy); fresh != nullptr) {
    *fresh = {};
    bytes_ -= copies_.trim() * kRowBytes;
    return;
  }
  if (moved_copies_.erase(copy) > 0) bytes_ -= kRowBytes;
  erased_copies_.push_back(copy);
  bytes_ += sizeof(BrokerId);
}

void BrokerChanges::absorb(BrokerChanges&& later) {
  if (later.clear_all_) {
    *this = std::move(later);
    return;
  }
  // What is done once more below counts there.
  const std::size_t erased =
      later.erased_sessions_.size() + later.erased_messages_.size() + later.erased_copies_.size();
  bytes_ += later.bytes_ - erased * sizeof(BrokerId) - later.moved_copies_.size() * kRowBytes;
  for (auto& [id, row] : later.sessions_) sessions_.insert_or_assign(id, std::move(row));
  for (const BrokerId session : later.erased_sessions_) erase_session(session);
  for (auto& [key, filter] : later.filters_) filters_.insert_or_assign(key, filter);
  for (const auto& [key, is_held] : later.held_) held_.insert_or_assign(key, is_held);
  for (const auto& [message, is_retained] : later.retained_) set_retained(message, is_retained);
  for (const BrokerId message : later.erased_messages_) erase_message(message);
  for (const auto& [id, row] : later.moved_copies_) move_copy(row);
  for (const BrokerId copy : later.erased_copies_) erase_copy(copy);
  messages_.absorb(std::move(later.messages_));
  copies_.absorb(std::move(later.copies_));
}

bool BrokerChanges::empty() const {
  return !clear_all_ && sessions_.empty() && erased_sessions_.empty() && filters_.empty() &&
         held_.empty() && messages_.empty() && erased_messages_.empty() && retained_.empty() &&
         copies_.empty() && moved_copies_.empty() && erased_copies_.empty();
}

void append_body(std::string& out, const MessageRow& row) {
  out.reserve(out.size() + row.topic.size() + row.properties.size() + row.payload.size() + 24);
  put_u8(out, row.qos);
  put_varint(out, static_cast<std::uint64_t>(row.lifetime_ms));
  if (row.lifetime_ms != 0) {
    put_varint(out, static_cast<std::uint64_t>(row.since.at.wall_ms));
    put_varint(out, static_cast<std::uint64_t>(row.since.at.mono_ms));
    put_varint(out, row.since.boot);
    put_u8(out, static_cast<std::uint8_t>(row.since.at.quality));
  }
  put_str(out, row.topic);
  put_str(out, row.properties);
  out.append(row.payload);
}

bool read_body(std::string_view bytes, MessageRow& row) {
  ByteReader reader(bytes);
  row.qos = reader.u8();
  row.lifetime_ms = static_cast<std::int64_t>(reader.varint());
  if (row.lifetime_ms != 0) {
    row.since.at.wall_ms = static_cast<std::int64_t>(reader.varint());
    row.since.at.mono_ms = static_cast<std::int64_t>(reader.varint());
    row.since.boot = static_cast<std::uint32_t>(reader.varint());
    row.since.at.quality =
        reader.u8() == 1 ? ClockQuality::kSynchronised : ClockQuality::kUnsynchronised;
  }
  row.topic = reader.str();
  row.properties = reader.str();
  row.payload = reader.take(reader.remaining());
  return !reader.failed() && row.qos <= 2 && row.lifetime_ms >= 0;
}

}  // namespace tg::store
