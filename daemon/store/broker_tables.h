// The tables of what the broker keeps (broker_state.h), and how changes get into them and rows out.
//
//   broker_session(id, client_id, identity, protocol, expires_after_ms, is_away,
//                  left_wall_ms, left_mono_ms, left_boot, left_synchronised)
//   broker_filter(session, grp, filter, options, subscription_id)
//   broker_held(key)                       session << 16 | packet id of a received QoS 2 publish
//   broker_message(id, codec, crc, body)   body: broker_state.h, as segment_codec.h encrypts it
//   broker_copy(id, session, message, subscription_id, packet_id, qos, retain, step)
//   broker_retained(message)
//
// Ids ascend, so rows are added at the right-most leaf; deletes are by id; no secondary index.
//
// Thread: the store thread; load_broker_state() any, with a connection of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/store/broker_state.h"
#include "daemon/store/segment_codec.h"
#include "daemon/store/sqlite.h"

namespace tg::store {

inline constexpr char kBrokerTables[] =
    "CREATE TABLE broker_session(id INTEGER PRIMARY KEY, client_id TEXT NOT NULL,"
    " identity TEXT NOT NULL, protocol INTEGER NOT NULL, expires_after_ms INTEGER NOT NULL,"
    " is_away INTEGER NOT NULL, left_wall_ms INTEGER NOT NULL, left_mono_ms INTEGER NOT NULL,"
    " left_boot INTEGER NOT NULL, left_synchronised INTEGER NOT NULL);"
    "CREATE TABLE broker_filter(session INTEGER NOT NULL, grp TEXT NOT NULL,"
    " filter TEXT NOT NULL, options INTEGER NOT NULL, subscription_id INTEGER NOT NULL,"
    " PRIMARY KEY(session, grp, filter));"
    "CREATE TABLE broker_held(key INTEGER PRIMARY KEY);"
    "CREATE TABLE broker_message(id INTEGER PRIMARY KEY, codec INTEGER NOT NULL,"
    " crc INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE broker_copy(id INTEGER PRIMARY KEY, session INTEGER NOT NULL,"
    " message INTEGER NOT NULL, subscription_id INTEGER NOT NULL, packet_id INTEGER NOT NULL,"
    " qos INTEGER NOT NULL, retain INTEGER NOT NULL, step INTEGER NOT NULL);"
    "CREATE TABLE broker_retained(message INTEGER PRIMARY KEY);";

class BrokerTables {
 public:
  // The codec outlives the tables.
  static Result<BrokerTables> prepare(Database& database, SegmentCodec& codec);

  // Messages that are plain, or encrypted with another key than the codec's first, are written
  // anew, in one transaction; damaged ones stay as they are.
  Result<void> rekey();
  // Inside the caller's transaction. Doing it twice is the same as once.
  Result<void> apply(const BrokerChanges& changes);

 private:
  Result<void> clear();
  Result<void> rekey(const std::vector<BrokerId>& messages);
  Result<void> put_message(BrokerId id, std::string_view body);
  Result<void> apply_sessions(const BrokerChanges& changes);
  Result<void> apply_filters(const BrokerChanges& changes);
  Result<void> apply_messages(const BrokerChanges& changes);
  Result<void> apply_copies(const BrokerChanges& changes);

  Statement put_session_;
  Statement erase_session_;
  Statement erase_filters_;
  Statement erase_held_;
  Statement put_filter_;
  Statement erase_filter_;
  Statement hold_;
  Statement release_;
  Statement put_message_;
  Statement erase_message_;
  Statement retain_;
  Statement unretain_;
  Statement put_copy_;
  Statement move_copy_;
  Statement erase_copy_;
  Database* database_ = nullptr;
  SegmentCodec* codec_ = nullptr;
};

// Gets every row, kind by kind in this order, by ascending id; views are valid during the call.
class BrokerLoader {
 public:
  virtual ~BrokerLoader() = default;
  // The highest ids that were ever given, as far as the tables know. Not called when they are
  // damaged.
  virtual void on_last_ids(BrokerId session, BrokerId message, BrokerId copy) = 0;
  virtual void on_session(const SessionRow& row) = 0;
  virtual void on_subscription(const SubscriptionRow& row) = 0;
  virtual void on_held(BrokerId session, std::uint16_t packet_id) = 0;
  virtual void on_message(const MessageRow& row) = 0;
  // Damaged: it is as good as gone.
  virtual void on_damaged_message(BrokerId message) = 0;
  virtual void on_retained(BrokerId message) = 0;
  virtual void on_copy(const CopyRow& row) = 0;
};

// What can be read, also when it fails.
Result<void> load_broker_state(Database& database, const std::vector<Key>& keys,
                               BrokerLoader& loader);

}  // namespace tg::store
