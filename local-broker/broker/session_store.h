// Where the broker keeps what must outlive it: sessions that last, their subscriptions, messages on
// their way to them, received QoS 2 packet ids, retained messages. The broker knows no store; the
// daemon implements this in daemon/app/session_store. As it stands here nothing is kept: that is
// tidegate-broker's.
//
// Changes are told as they happen and take effect together: all those of one call into the broker
// (one poll(), one publish()) become durable in one commit, in the order of the calls. Nothing here
// waits; await() tells when.
//
// Thread: the loop's. Views are valid during the call only.
#pragma once

#include <cstdint>
#include <string_view>

#include "daemon/base/result.h"
#include "local-broker/broker/hooks.h"
#include "local-broker/broker/message.h"
#include "local-broker/mqtt/packet.h"

namespace tg::broker {

struct StoredSession {
  StoredId id = 0;
  std::string_view client_id;
  std::string_view identity;
  std::uint8_t protocol = 4;
  std::int64_t expires_after_ms = 0;  // Session::kNever too
  bool is_away = false;
  std::int64_t away_ms = 0;  // for so long; from load() as far as the clocks can tell
};

// A message on its way to one session: queued while packet_id is 0, then in flight.
struct StoredCopy {
  StoredId id = 0;
  StoredId session = 0;
  StoredId message = 0;  // 0 = no longer needed: the receiver has it
  std::uint32_t subscription_id = 0;
  std::uint16_t packet_id = 0;
  std::uint8_t qos = 0;
  bool retain = false;
  std::uint8_t step = 0;  // an Await
};

class SessionStore {
 public:
  // What load() found, kind by kind in this order, by ascending id.
  class Visitor {
   public:
    virtual ~Visitor() = default;
    // The highest ids in use; not called when they cannot be told.
    virtual void on_last_ids(StoredId session, StoredId message, StoredId copy) = 0;
    virtual void on_session(const StoredSession& session) = 0;
    virtual void on_subscription(StoredId session, const mqtt::FilterRequest& request,
                                 std::uint32_t subscription_id) = 0;
    virtual void on_held(StoredId session, std::uint16_t packet_id) = 0;
    virtual void on_message(StoredId message, const MessageFields& fields) = 0;
    virtual void on_retained(StoredId message) = 0;
    virtual void on_copy(const StoredCopy& copy) = 0;
  };

  virtual ~SessionStore() = default;

  // False: nothing else is ever called.
  [[nodiscard]] virtual bool keeps() const { return false; }
  virtual Result<void> load(Visitor& visitor) {
    (void)visitor;
    return {};
  }
  // Room for a message of that size? kDone, kHold or kRefuse.
  virtual Intake admit(std::size_t bytes) {
    (void)bytes;
    return Intake::kDone;
  }
  // Broker::complete(token) when everything up to here is durable.
  virtual void await(AckToken token) { (void)token; }

  // What was told before is gone, or will be: what is told from now on is all there is.
  virtual void begin_anew() {}
  virtual void put_session(const StoredSession& session) { (void)session; }
  // With its subscriptions and held packet ids; its copies are erased one by one.
  virtual void erase_session(StoredId session) { (void)session; }
  virtual void put_subscription(StoredId session, const mqtt::FilterRequest& request,
                                std::uint32_t subscription_id) {
    (void)session, (void)request, (void)subscription_id;
  }
  virtual void erase_subscription(StoredId session, const mqtt::FilterRequest& request) {
    (void)session, (void)request;
  }
  virtual void hold(StoredId session, std::uint16_t packet_id) { (void)session, (void)packet_id; }
  virtual void release(StoredId session, std::uint16_t packet_id) {
    (void)session, (void)packet_id;
  }
  // Once for all copies and the retained set; ids follow one another without a gap.
  virtual void put_message(StoredId message, const MessageFields& fields) {
    (void)message, (void)fields;
  }
  virtual void erase_message(StoredId message) { (void)message; }
  virtual void set_retained(StoredId message, bool is_retained) {
    (void)message, (void)is_retained;
  }
  // Ids as for messages.
  virtual void put_copy(const StoredCopy& copy) { (void)copy; }
  virtual void move_copy(const StoredCopy& copy) { (void)copy; }
  virtual void erase_copy(StoredId copy) { (void)copy; }
};

}  // namespace tg::broker
