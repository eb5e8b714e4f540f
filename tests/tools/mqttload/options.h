// The command line of mqttload; main.cpp explains the modes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tg::load {

enum class Mode : std::uint8_t { kFanIn, kFanOut, kPairs, kWildcard, kStorm, kIdle };

struct Options {
  Mode mode = Mode::kFanIn;
  std::string mode_name;
  std::string host = "127.0.0.1";
  std::uint16_t port = 1883;
  int publishers = -1;  // -1 = the mode's default
  int subscribers = -1;
  int connections = 1000;
  int filters = 1000;
  int topics = 1000;
  int stalled = 0;

  unsigned qos = 0;
  std::size_t size = 64;
  bool v5 = false;
  bool keep_session = false;
  std::uint16_t keep_alive_s = 0;
  std::string username;
  std::string password;

  int window = 1000;
  unsigned inflight = 20;
  int burst = 1;
  double rate = 0;
  double warmup_s = 1;
  double duration_s = 3;

  bool tls = false;
  std::string ca;
  std::string certificate;
  std::string key;
  bool resume = false;
  bool websocket = false;
  std::string websocket_path = "/mqtt";

  int concurrency = 64;
  bool subscribe = false;
  double connect_timeout_s = 30;
  int cpu = -1;
  std::vector<int> broker_pids;
};

// Ends the process after --help or with a message when the line is wrong.
Options parse_options(int argc, char** argv);

}  // namespace tg::load
