// What the broker keeps across restarts, as the store sees it: rows of small tables in streams.db,
// written in the transaction of the records that belong to them (a received QoS 2 packet id is
// committed with its record). The tables are broker_tables.h; their meaning is the broker's.
//
// BrokerChanges is what one group changes. A later change of a row replaces the earlier one, and a
// message that comes and goes within one group is never written: what a subscriber acknowledges
// before the commit costs the disk nothing.
//
// Thread: the loop's while the group is open, then the store thread's.
// Limits: that of the state itself, which the broker bounds; bytes() counts towards pending_bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/base/assert.h"
#include "daemon/store/stored_time.h"

namespace tg::store {

// Of a session, a message or a copy. The broker gives them: ascending for each kind, never twice.
using BrokerId = std::uint64_t;

struct SessionRow {
  BrokerId id = 0;
  std::string client_id;
  std::string identity;
  std::uint8_t protocol = 0;
  std::int64_t expires_after_ms = 0;  // negative = never
  bool is_away = false;
  StoredTime left;  // when it is away
};

struct SubscriptionRow {
  BrokerId session = 0;
  std::string filter;
  std::string group;  // of a shared subscription; else empty
  std::uint8_t options = 0;
  std::uint32_t subscription_id = 0;
};

// A message, once for all sessions that wait for it and for the retained set.
struct MessageRow {
  BrokerId id = 0;
  std::uint8_t qos = 0;
  std::int64_t lifetime_ms = 0;  // from `since` on; 0 = no end
  StoredTime since;              // when it has a lifetime
  std::string_view topic;
  std::string_view properties;
  std::string_view payload;
};

// A message on its way to one session.
struct CopyRow {
  BrokerId id = 0;
  BrokerId session = 0;
  BrokerId message = 0;  // 0 = not needed any more, only its packet id is
  std::uint32_t subscription_id = 0;
  std::uint16_t packet_id = 0;  // 0 = not sent yet
  std::uint8_t qos = 0;
  bool retain = false;
  std::uint8_t step = 0;  // of its exchange of packets
};

class BrokerChanges {
 public:
  void put_session(SessionRow row);
  // And its subscriptions and held packet ids. Its copies are erased one by one.
  void erase_session(BrokerId session);
  void put_subscription(SubscriptionRow row);
  void erase_subscription(BrokerId session, std::string_view group, std::string_view filter);
  // Packet ids of QoS 2 publishes that were received and not yet released.
  void hold(BrokerId session, std::uint16_t packet_id) { set_held(session, packet_id, true); }
  void release(BrokerId session, std::uint16_t packet_id) { set_held(session, packet_id, false); }

  void put_message(const MessageRow& row);
  void erase_message(BrokerId message);
  void set_retained(BrokerId message, bool is_retained);
  void put_copy(const CopyRow& row);
  void move_copy(const CopyRow& row);  // its packet id, step and message
  void erase_copy(BrokerId copy);

  // Everything before is deleted first, here and in the database.
  void begin_anew() {
    *this = {};
    clear_all_ = true;
  }

  // Those of a later group, after these.
  void absorb(BrokerChanges&& later);

  [[nodiscard]] bool empty() const;
  // Memory it takes, about.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  friend class BrokerTables;

  // Rows that this group adds. Ids are consecutive; a row that went again has id 0.
  template <class Row>
  class Fresh {
   public:
    void push(Row row) {
      TG_ASSERT(rows_.empty() || row.id == first_ + rows_.size());
      if (rows_.empty()) first_ = row.id;
      rows_.push_back(std::move(row));
    }
    // Null when it is older than this group.
    [[nodiscard]] Row* find(BrokerId id) {
      const bool known = !rows_.empty() && id >= first_ && id - first_ < rows_.size();
      return known ? &rows_[id - first_] : nullptr;
    }
    // Takes rows that went again off the front; they come and go in about the same order. Returns
    // how many.
    std::size_t trim() {
      const std::size_t before = rows_.size();
      for (; !rows_.empty() && rows_.front().id == 0; ++first_) rows_.pop_front();
      return before - rows_.size();
    }
    void absorb(Fresh&& later) {
      if (later.rows_.empty()) return;
      if (rows_.empty()) first_ = later.first_;
      while (first_ + rows_.size() < later.first_) rows_.emplace_back();  // gone again
      for (auto& row : later.rows_) rows_.push_back(std::move(row));
    }
    [[nodiscard]] bool empty() const { return rows_.empty(); }
    [[nodiscard]] auto begin() const { return rows_.begin(); }
    [[nodiscard]] auto end() const { return rows_.end(); }

   private:
    std::deque<Row> rows_;
    BrokerId first_ = 0;
  };
  struct Body {
    BrokerId id = 0;
    std::string bytes;
  };
  using FilterKey = std::tuple<BrokerId, std::string, std::string>;  // session, group, filter
  struct Filter {
    bool erased = false;
    std::uint8_t options = 0;
    std::uint32_t subscription_id = 0;
  };

  void set_held(BrokerId session, std::uint16_t packet_id, bool is_held);

  bool clear_all_ = false;
  std::size_t bytes_ = 0;
  std::unordered_map<BrokerId, SessionRow> sessions_;
  std::vector<BrokerId> erased_sessions_;
  std::map<FilterKey, Filter> filters_;
  std::unordered_map<std::uint64_t, bool> held_;  // by held_key()
  Fresh<Body> messages_;
  std::vector<BrokerId> erased_messages_;  // older ones, as the next two
  std::unordered_map<BrokerId, CopyRow> moved_copies_;
  std::vector<BrokerId> erased_copies_;
  std::unordered_map<BrokerId, bool> retained_;
  Fresh<CopyRow> copies_;
};

[[nodiscard]] inline std::uint64_t held_key(BrokerId session, std::uint16_t packet_id) {
  return session << 16U | packet_id;
}

// The bytes of a message in its row.
//   body := qos:u8 lifetime_ms:varint time? topic:str properties:str payload
//   time := wall_ms:varint mono_ms:varint boot:varint synchronised:u8      with a lifetime
void append_body(std::string& out, const MessageRow& row);
// Views into `bytes`. False when they are malformed.
[[nodiscard]] bool read_body(std::string_view bytes, MessageRow& row);

}  // namespace tg::store
