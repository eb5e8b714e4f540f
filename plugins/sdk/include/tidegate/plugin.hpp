// C++20 wrapper of plugin.h: derive from Processor, end the file with
// TIDEGATE_PROCESSOR_PLUGIN(...) or TIDEGATE_SINK_PLUGIN(...). Header only. Exceptions stop here:
// in the constructor they become the reason why the instance could not be made, in a callback they
// become TIDEGATE_FAILED and a line in the log, NoRoom becomes TIDEGATE_WOULD_BLOCK.
//
//   #include <tidegate/plugin.hpp>
//
//   class Upper : public tidegate::Processor {
//    public:
//     Upper(tidegate::Host host, std::string_view config) : Processor(host) {}
//     void process(std::span<const tidegate_record> records, std::span<uint32_t> verdicts) override
//     {
//       for (const auto& record : records) {
//         std::string text(tidegate::view(record.payload));
//         for (char& c : text) c = static_cast<char>(std::toupper(c));
//         host().emit(tidegate::view(record.topic), text);
//       }
//     }
//   };
//   TIDEGATE_PROCESSOR_PLUGIN(Upper, "upper", "1.0", nullptr)
#pragma once

#include <tidegate/plugin.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tidegate {

inline std::string_view view(tidegate_slice slice) { return {slice.data, slice.size}; }
inline tidegate_slice slice(std::string_view text) { return {text.data(), text.size()}; }

// There is no room now: the same call comes again.
class NoRoom : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Host {
 public:
  explicit Host(const tidegate_host* host) : host_(host) {}

  [[nodiscard]] std::string_view name() const { return view(host_->instance_name); }

  void log(tidegate_level level, std::string_view message) const {
    host_->log(host_->self, level, slice(message));
  }
  tidegate_status emit(std::string_view topic, std::string_view payload,
                       std::int64_t time_ms = 0) const {
    tidegate_record record{};
    record.size = sizeof record;
    record.qos = 1;
    record.time_ms = time_ms;
    record.topic = slice(topic);
    record.payload = slice(payload);
    return host_->emit(host_->self, &record);
  }
  tidegate_status put(std::string_view key, std::string_view value) const {
    return host_->state_put(host_->self, slice(key), slice(value));
  }
  void each_state(const std::function<void(std::string_view, std::string_view)>& each) const {
    auto* context = const_cast<void*>(static_cast<const void*>(&each));
    host_->state_each(
        host_->self, context, [](void* called, tidegate_slice key, tidegate_slice value) {
          (*static_cast<const std::function<void(std::string_view, std::string_view)>*>(called))(
              view(key), view(value));
        });
  }
  void set_timer(std::int64_t time_ms) const { host_->set_timer(host_->self, time_ms); }
  [[nodiscard]] std::int64_t now() const { return host_->now(host_->self, nullptr); }

 private:
  const tidegate_host* host_;
};

class Processor {
 public:
  explicit Processor(Host host) : host_(host) {}
  virtual ~Processor() = default;
  Processor(const Processor&) = delete;
  Processor& operator=(const Processor&) = delete;

  virtual void process(std::span<const tidegate_record> records,
                       std::span<std::uint32_t> verdicts) = 0;
  virtual void timer(std::int64_t now_ms) { (void)now_ms; }
  virtual void drain() {}

 protected:
  [[nodiscard]] const Host& host() const { return host_; }

 private:
  template <class P>
  friend struct ProcessorTable;
  Host host_;
};

// Builds the C table for a class derived from Processor.
template <class P>
struct ProcessorTable {
  static tidegate_instance* create(const tidegate_host* host, tidegate_slice config, char* error,
                                   std::size_t error_size) {
    try {
      return static_cast<Processor*>(new P(Host(host), view(config)));
    } catch (const std::exception& exception) {
      std::snprintf(error, error_size, "%s", exception.what());
    } catch (...) {
      std::snprintf(error, error_size, "unknown exception");
    }
    return nullptr;
  }
  static tidegate_status process(tidegate_instance* instance, const tidegate_record* records,
                                 std::size_t count, std::uint32_t* verdicts) {
    return guarded(instance, [=](Processor& p) { p.process({records, count}, {verdicts, count}); });
  }
  static tidegate_status timer(tidegate_instance* instance, std::int64_t now_ms) {
    return guarded(instance, [=](Processor& p) { p.timer(now_ms); });
  }
  static tidegate_status drain(tidegate_instance* instance) {
    return guarded(instance, [](Processor& p) { p.drain(); });
  }
  static void destroy(tidegate_instance* instance) { delete static_cast<Processor*>(instance); }

 private:
  template <class F>
  static tidegate_status guarded(tidegate_instance* instance, F call) {
    auto& processor = *static_cast<Processor*>(instance);
    try {
      call(processor);
      return TIDEGATE_OK;
    } catch (const NoRoom& exception) {
      processor.host().log(TIDEGATE_DEBUG, exception.what());  // the host reports it, once
      return TIDEGATE_WOULD_BLOCK;
    } catch (const std::exception& exception) {
      processor.host().log(TIDEGATE_ERROR, exception.what());
    } catch (...) {
      processor.host().log(TIDEGATE_ERROR, "unknown exception");
    }
    return TIDEGATE_FAILED;
  }
};

}  // namespace tidegate

#define TIDEGATE_PLUGIN_OF_KIND(kind, Class, plugin_name, plugin_version, schema) \
  extern "C" TIDEGATE_EXPORT const tidegate_plugin* tidegate_plugin_entry() {     \
    using Table = tidegate::ProcessorTable<Class>;                                \
    static const tidegate_plugin table = {sizeof(tidegate_plugin),                \
                                          TIDEGATE_ABI_MAJOR,                     \
                                          TIDEGATE_ABI_MINOR,                     \
                                          kind,                                   \
                                          plugin_name,                            \
                                          plugin_version,                         \
                                          schema,                                 \
                                          &Table::create,                         \
                                          &Table::process,                        \
                                          &Table::timer,                          \
                                          &Table::drain,                          \
                                          &Table::destroy};                       \
    return &table;                                                                \
  }

#define TIDEGATE_PROCESSOR_PLUGIN(Class, plugin_name, plugin_version, schema) \
  TIDEGATE_PLUGIN_OF_KIND(TIDEGATE_PROCESSOR, Class, plugin_name, plugin_version, schema)
#define TIDEGATE_SINK_PLUGIN(Class, plugin_name, plugin_version, schema) \
  TIDEGATE_PLUGIN_OF_KIND(TIDEGATE_SINK, Class, plugin_name, plugin_version, schema)
