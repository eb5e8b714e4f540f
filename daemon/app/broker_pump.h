// Lets the broker run inside the loop: waits for its epoll descriptor and its next timer, and calls
// poll() once per round.
//
// Thread: the loop's. The broker must outlive the pump.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "local-broker/broker/broker.h"

namespace tg::app {

class BrokerPump {
 public:
  BrokerPump(boost::asio::io_context& context, broker::Broker& broker);
  ~BrokerPump();
  BrokerPump(const BrokerPump&) = delete;
  BrokerPump& operator=(const BrokerPump&) = delete;

  void start();

 private:
  void wait_ready();
  void wait_timer(int delay_ms);

  broker::Broker& broker_;
  boost::asio::posix::stream_descriptor descriptor_;  // the broker's; released, not closed
  boost::asio::steady_timer timer_;
};

}  // namespace tg::app
