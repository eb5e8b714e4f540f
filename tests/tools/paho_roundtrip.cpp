// Paho C++ against a broker: paho-roundtrip PORT. For 3.1.1 and 5: messages of each QoS come back
// once, in order and unchanged, over a connection and a session that waited. Exit code 0 when all
// is well; what is not is printed.
#include <mqtt/async_client.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr int kMessages = 200;

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(EXIT_FAILURE);
}

mqtt::connect_options options_of(int version) {
  mqtt::connect_options options;
  options.set_mqtt_version(version);
  options.set_keep_alive_interval(10);
  if (version == MQTTVERSION_5) {
    options.set_clean_start(false);
    options.set_properties({{mqtt::property::SESSION_EXPIRY_INTERVAL, 60}});
  } else {
    options.set_clean_session(false);
  }
  return options;
}

std::string text_of(int number) { return std::to_string(number) + std::string(number % 50, '.'); }

void publish(mqtt::async_client& client, const std::string& topic, int qos) {
  for (int i = 0; i < kMessages; ++i) client.publish(topic, text_of(i), qos, false)->wait();
}

void expect(mqtt::async_client& client, const std::string& topic, int qos) {
  for (int i = 0; i < kMessages; ++i) {
    mqtt::const_message_ptr message;
    require(client.try_consume_message_for(&message, std::chrono::seconds(5)) && message != nullptr,
            topic + ": message " + std::to_string(i) + " did not come");
    require(message->get_topic() == topic && message->to_string() == text_of(i) &&
                message->get_qos() == qos && !message->is_duplicate(),
            topic + ": message " + std::to_string(i) + " is another one: " + message->to_string());
  }
}

void round_trip(const std::string& uri, int version) {
  const std::string name = "paho-cpp-" + std::to_string(version);
  const mqtt::create_options created(version);
  mqtt::async_client subscriber(uri, name, created);
  mqtt::async_client publisher(uri, name + "-pub", created);
  subscriber.start_consuming();
  require(!subscriber.connect(options_of(version))->get_connect_response().is_session_present(),
          "a session of a new client");
  publisher.connect(options_of(version))->wait();
  for (int qos = 0; qos <= 2; ++qos) {
    const std::string topic = name + "/" + std::to_string(qos);
    subscriber.subscribe(topic, qos)->wait();
    publish(publisher, topic, qos);
    expect(subscriber, topic, qos);
  }
  subscriber.disconnect()->wait();
  publish(publisher, name + "/1", 1);
  require(subscriber.connect(options_of(version))->get_connect_response().is_session_present(),
          "the session that waited");
  expect(subscriber, name + "/1", 1);
  subscriber.disconnect()->wait();
  publisher.disconnect()->wait();
}

}  // namespace

int main(int argc, char** argv) {
  require(argc == 2, "usage: paho-roundtrip PORT");
  const std::string uri = std::string("tcp://127.0.0.1:") + argv[1];
  try {
    for (const int version : {MQTTVERSION_3_1_1, MQTTVERSION_5}) round_trip(uri, version);
  } catch (const std::exception& error) {
    require(false, error.what());
  }
  return EXIT_SUCCESS;
}
