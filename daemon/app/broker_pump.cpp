#include "daemon/app/broker_pump.h"

#include <chrono>

namespace tg::app {

using boost::system::error_code;

BrokerPump::BrokerPump(boost::asio::io_context& context, broker::Broker& broker)
    : broker_(broker), descriptor_(context, broker.poll_fd()), timer_(context) {}

BrokerPump::~BrokerPump() { descriptor_.release(); }

void BrokerPump::start() {
  wait_ready();
  wait_timer(0);
}

void BrokerPump::wait_ready() {
  descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [this](const error_code& error) {
                           if (error) return;
                           broker_.poll(0);
                           wait_ready();
                         });
}

// The broker's wheel turns at least once a second; a sooner timer is seen then at the latest.
void BrokerPump::wait_timer(int delay_ms) {
  timer_.expires_after(std::chrono::milliseconds(delay_ms));
  timer_.async_wait([this](const error_code& error) {
    if (!error) wait_timer(broker_.poll(0));
  });
}

}  // namespace tg::app
