#include "daemon/uplink/ack_tracker.h"

#include <catch2/catch.hpp>
#include <limits>

using tg::uplink::AckTracker;
using tg::uplink::Seq;

TEST_CASE("the watermark rises with acks in order") {
  AckTracker tracker(41);
  tracker.sent(1, 41, 50);
  tracker.sent(2, 50, 60);
  CHECK(tracker.in_flight() == 2);
  CHECK(tracker.acked(1));
  CHECK(tracker.watermark() == 50);
  CHECK(tracker.acked(2));
  CHECK(tracker.watermark() == 60);
  CHECK(tracker.in_flight() == 0);
}

TEST_CASE("an ack out of order waits for those before it") {
  AckTracker tracker(1);
  tracker.sent(1, 1, 10);
  tracker.sent(2, 10, 20);
  tracker.sent(3, 20, 30);
  CHECK(tracker.acked(3));
  CHECK(tracker.acked(2));
  CHECK(tracker.watermark() == 1);
  CHECK(tracker.acked(1));
  CHECK(tracker.watermark() == 30);
}

TEST_CASE("a second ack and an unknown one are not counted") {
  AckTracker tracker(1);
  tracker.sent(1, 1, 10);
  tracker.sent(2, 10, 20);
  CHECK(tracker.acked(2));
  CHECK_FALSE(tracker.acked(2));
  CHECK_FALSE(tracker.acked(7));
  CHECK(tracker.in_flight() == 1);
}

TEST_CASE("after a lost connection only what was in flight is sent again") {
  AckTracker tracker(1);
  tracker.sent(1, 1, 10);
  tracker.sent(2, 10, 20);
  tracker.sent(3, 20, 30);
  tracker.sent(4, 30, 40);
  CHECK(tracker.acked(2));
  CHECK(tracker.acked(3));
  tracker.forget_unacknowledged();
  CHECK(tracker.watermark() == 1);
  CHECK(tracker.in_flight() == 0);
  CHECK(tracker.barrier(1) == 10);
  CHECK(tracker.skip_acknowledged(1) == 1);
  CHECK(tracker.skip_acknowledged(10) == 30);
  CHECK(tracker.barrier(30) == std::numeric_limits<Seq>::max());
  CHECK_FALSE(tracker.acked(1));
  tracker.sent(5, 1, 10);
  CHECK(tracker.acked(5));
  CHECK(tracker.watermark() == 30);
}

TEST_CASE("what is passed over needs no ack") {
  AckTracker tracker(1);
  tracker.passed(1, 5);
  CHECK(tracker.watermark() == 5);
  tracker.sent(1, 5, 6);
  tracker.passed(6, 9);
  CHECK(tracker.watermark() == 5);
  CHECK(tracker.acked(1));
  CHECK(tracker.watermark() == 9);
}

TEST_CASE("a publish that was not sent after all may be sent again") {
  AckTracker tracker(1);
  tracker.sent(1, 1, 10);
  tracker.forget(1);
  CHECK(tracker.in_flight() == 0);
  tracker.sent(2, 1, 10);
  CHECK(tracker.acked(2));
  CHECK(tracker.watermark() == 10);
}
