// The configuration as the daemon uses it: checked, with defaults filled in, file names absolute.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/publish_limits.h"

namespace tg::config {

// What clients get that ask for a server name (SNI).
struct TlsName {
  std::string name;  // a host's; "*." before it stands for one label
  std::string certificate;
  std::string private_key;
  bool operator==(const TlsName&) const = default;
};

struct ListenerTls {
  std::string certificate;
  std::string private_key;
  std::string client_ca;  // empty = no client certificates
  std::string crl;
  std::vector<TlsName> names = {};
  bool operator==(const ListenerTls&) const = default;
};

struct AdminTls {
  std::string certificate;
  std::string private_key;
};

struct Listener {
  std::string name;
  std::string address;  // ADDRESS:PORT or unix:PATH
  bool anonymous = false;
  bool trusted = false;
  bool web_socket = false;
  std::vector<std::string> origins = {};
  std::string users = {};  // empty = none
  bool proxy_protocol = false;
  std::optional<ListenerTls> tls = {};
  std::uint64_t max_connections = 0;  // 0 = that of the limits
  bool operator==(const Listener&) const = default;
};

struct Limits {
  std::uint64_t max_connections = 0;
  std::uint64_t max_packet_size = 0;
  std::uint64_t receive_maximum = 0;
  std::uint64_t max_inflight = 0;
  std::uint64_t max_queued = 0;
  std::uint64_t max_queued_bytes = 0;
  std::uint64_t total_memory = 0;
  std::int64_t session_expiry_ms = 0;
  std::int64_t max_keep_alive_ms = 0;
  std::int64_t reject_grace_ms = 0;
  bool operator==(const Limits&) const = default;
};

struct Stream {
  std::string name;
  int priority = 5;
  std::uint64_t max_size = 0;
  std::int64_t max_age_ms = 0;  // 0 = no limit
  std::string when_full;        // drop-oldest | drop-newest | reject
  std::int64_t commit_interval_ms = 0;
  bool compress = false;     // zstd
  bool may_be_lost = false;  // durability: memory
  bool operator==(const Stream&) const = default;
};

struct Route {
  std::string name;
  std::vector<std::string> from;
  std::string to;
  std::string on_error;  // a stream, or empty
  bool operator==(const Route&) const = default;
};

struct Processor {
  std::string name;
  std::string plugin;
  std::string input;
  std::string output;
  std::string start;              // oldest | now
  std::string config_json;        // the plugin's own section
  std::string output_topic = {};  // instead of a stream: not available yet
  bool operator==(const Processor&) const = default;
};

struct Export {
  std::string name;
  std::string stream;
  std::string to;
  std::string topic;
  std::string format;  // raw | json | jsonl | cbor
  std::string start;   // oldest | now
  std::uint64_t max_records = 0;
  std::uint64_t max_bytes = 0;
  std::int64_t max_age_ms = 0;
  std::string compression;  // none | zstd | gzip
  std::uint64_t metering_unit = 0;
  bool live_first = false;
  bool expensive = false;
  bool operator==(const Export&) const = default;
};

struct DeadLetters {
  std::uint64_t max_size = 0;
  std::int64_t max_age_ms = 0;  // 0 = no limit
  bool operator==(const DeadLetters&) const = default;
};

struct Endpoint {
  std::string url;
  bool expensive = false;
  bool operator==(const Endpoint&) const = default;
};

struct Cloud {
  std::string name = "cloud";
  std::vector<Endpoint> endpoints;
  int protocol = 4;  // 4 = 3.1.1, 5
  std::string client_id;
  std::string username;
  std::string password;
  std::int64_t ack_timeout_ms = 0;
  std::string certificate;
  std::string private_key;
  std::string ca;
  std::size_t contents = 0;  // a hash of the three files, from check_files(): they may be renewed
  std::int64_t keep_alive_ms = 0;
  std::uint64_t window = 0;
  std::int64_t backoff_min_ms = 0;
  std::int64_t backoff_max_ms = 0;
  std::uint64_t publishes_per_second = 0;
  std::uint64_t bytes_per_second = 0;
  std::uint64_t subscriptions = 0;
  PublishLimits publish_limits;
  int backlog_share = 0;  // percent
  std::string proxy;      // http://HOST:PORT, empty = none
  std::int64_t wait_for_clock_ms = 0;
  bool operator==(const Cloud&) const = default;
};

struct Defender {
  std::string stream;  // empty = off
  std::string topic;
  std::int64_t interval_ms = 0;
  bool custom_metrics = false;
  bool operator==(const Defender&) const = default;
};

struct Health {
  std::string stream;  // empty = off
  std::string topic;
  std::int64_t interval_ms = 0;
  bool operator==(const Health&) const = default;
};

struct Canary {
  std::int64_t interval_ms = 0;  // 0 = off
  std::int64_t timeout_ms = 0;
  std::string topic;
  bool operator==(const Canary&) const = default;
};

struct Bridge {
  bool is_up = false;  // to the cloud
  std::string local;
  std::string cloud;
  std::string uplink;
  std::int64_t expiry_ms = 0;
  std::uint64_t max_queued = 0;
  bool operator==(const Bridge&) const = default;
};

struct Config {
  std::string gateway_id;
  std::string data_dir;
  std::string log_level;
  std::vector<std::pair<std::string, std::string>> component_levels;
  std::vector<Listener> listeners;
  Limits limits;
  bool persistence = true;            // of the broker
  std::uint64_t store_max_bytes = 0;  // 0: store_max_percent of the file system
  int store_max_percent = 0;
  std::uint64_t store_min_free = 0;
  bool store_encrypted = false;
  std::string store_keys;  // what the file or credential holds
  std::uint64_t store_pending = 0;
  bool flash_saver = false;
  std::vector<Stream> streams;
  std::vector<Route> routes;
  std::vector<Processor> processors;
  std::vector<Export> exports;
  DeadLetters dead_letters;
  std::vector<Cloud> uplinks;
  std::vector<Bridge> bridge;
  std::vector<std::string> plugin_paths;
  Health health;
  Defender defender;
  Canary canary;
  std::string admin_socket;
  std::string admin_http;  // empty = off
  std::optional<AdminTls> admin_tls;
  std::string admin_tokens;  // file of bearer tokens; empty = none
};

}  // namespace tg::config
