/* Tidegate plugin interface, ABI 1.1. Pure C; plugin.hpp wraps it for C++20.
 *
 * A plugin is a shared library libtidegate_NAME.so that exports ONE symbol:
 *
 *     const tidegate_plugin *tidegate_plugin_entry(void);
 *
 * It returns a table that lives as long as the library. Both tables, the plugin's and the host's,
 * are append-only: they begin with their size, later versions add members at the end, and whoever
 * reads a member first looks whether the other's size reaches it. A different abi_major is refused.
 *
 * Threads     All functions of one instance are called on one thread, one at a time. Two instances
 *             have two threads. The host's log() may be called from any thread, the rest of its
 *             functions only within a callback of the instance they are given.
 * Memory      What is passed is borrowed for the duration of the call, both ways. Nobody frees what
 *             the other allocated. No C++ type and no exception crosses this interface.
 * Transaction Each call of process(), timer() and drain() is one transaction: all it emitted, all
 *             state it changed, and its read position are committed together or not at all. After a
 *             crash the records of an uncommitted call come again, and the state is that of the
 *             last committed one: for stream outputs and state the effect is exactly once.
 * Times       Milliseconds since 1970 UTC as the gateway's clock stood; `synced` tells whether it
 *             was synchronised then.
 */
#ifndef TIDEGATE_PLUGIN_H
#define TIDEGATE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TIDEGATE_ABI_MAJOR 1
/* 1.1: sinks are hosted; a call may answer TIDEGATE_WOULD_BLOCK. The tables are those of 1.0. */
#define TIDEGATE_ABI_MINOR 1

#if defined(__GNUC__)
#define TIDEGATE_EXPORT __attribute__((visibility("default")))
#else
#define TIDEGATE_EXPORT
#endif

/* Borrowed bytes; not terminated by zero. data may be NULL when size is 0. */
typedef struct tidegate_slice {
  const char *data;
  size_t size;
} tidegate_slice;

typedef struct tidegate_record {
  uint32_t size;            /* of this struct, as the host knows it */
  uint32_t qos;             /* 0, 1, 2 */
  uint64_t seq;             /* in its stream; 0 for what a plugin emits */
  int64_t time_ms;          /* received */
  uint32_t synced;          /* 1 = the clock was synchronised at time_ms */
  uint32_t retain;          /* 1 = published with the retain flag */
  tidegate_slice publisher; /* thing, else client id */
  tidegate_slice topic;
  tidegate_slice payload;
} tidegate_record;

/* What becomes of a record that process() was given. */
typedef enum tidegate_verdict {
  TIDEGATE_PASS = 0,        /* handled */
  TIDEGATE_DROP = 1,        /* not wanted; counted */
  TIDEGATE_DEAD_LETTER = 2, /* cannot be handled: kept among the dead letters with its bytes; the
                             * reason is what the call logged last */
} tidegate_verdict;

typedef enum tidegate_status {
  TIDEGATE_OK = 0,
  TIDEGATE_WOULD_BLOCK = 1, /* no room now */
  TIDEGATE_REJECTED = 2,    /* not valid: empty topic, wildcard, over 128 KiB */
  TIDEGATE_FAILED = 3,      /* anything else; the reason is in the log */
} tidegate_status;

typedef enum tidegate_level {
  TIDEGATE_ERROR = 0,
  TIDEGATE_WARNING = 1,
  TIDEGATE_INFO = 2,
  TIDEGATE_DEBUG = 3,
} tidegate_level;

typedef struct tidegate_host tidegate_host; /* one per instance */
typedef void tidegate_instance;             /* the plugin's own */

/* What the host offers. `self` is always the first argument. */
struct tidegate_host {
  uint32_t size;
  uint16_t abi_major;
  uint16_t abi_minor;
  void *self;
  tidegate_slice instance_name;

  /* One line into the gateway's log, under the instance's name. Rate-limited by the host. */
  void (*log)(void *self, tidegate_level level, tidegate_slice message);
  /* Writes a record to the instance's output. time_ms 0 = now. Copies what it is given.
   * At most 100,000 records and 16 MiB per transaction, then TIDEGATE_WOULD_BLOCK. */
  tidegate_status (*emit)(void *self, const tidegate_record *record);
  /* Key-value state, committed with the transaction. An empty value deletes. At most 64 KiB a
   * value, 1 KiB a key (else TIDEGATE_REJECTED). */
  tidegate_status (*state_put)(void *self, tidegate_slice key, tidegate_slice value);
  /* Calls `each` for every key. Within create() only: that is where an instance restores itself. */
  tidegate_status (*state_each)(void *self, void *context,
                                void (*each)(void *context, tidegate_slice key,
                                             tidegate_slice value));
  /* The next call of timer() is at about this time; 0 = none. One timer an instance. */
  void (*set_timer)(void *self, int64_t time_ms);
  /* The gateway's clock. *synced may be NULL. */
  int64_t (*now)(void *self, uint32_t *synced);
};

typedef enum tidegate_kind {
  TIDEGATE_SOURCE = 1,     /* reads a field bus; hosted by a later version */
  TIDEGATE_PROCESSOR = 2,  /* reads a stream, writes another */
  TIDEGATE_SINK = 3,       /* reads a stream, writes elsewhere; emits nothing */
  TIDEGATE_AUTHORISER = 4, /* answers CONNECT; hosted by a later version */
} tidegate_kind;

/* The plugin's table. */
typedef struct tidegate_plugin {
  uint32_t size;
  uint16_t abi_major;
  uint16_t abi_minor;
  uint32_t kind;             /* tidegate_kind */
  const char *name;          /* NAME of libtidegate_NAME.so */
  const char *version;       /* of the plugin */
  const char *config_schema; /* JSON Schema of `config`, or NULL */

  /* Makes an instance. `config` is JSON text. On failure it returns NULL after it has written the
   * reason into `error` (at most error_size bytes with the final zero). */
  tidegate_instance *(*create)(const tidegate_host *host, tidegate_slice config, char *error,
                               size_t error_size);
  /* Records in order. verdicts[i] is TIDEGATE_PASS unless the plugin sets it. Not TIDEGATE_OK:
   * nothing of the call is committed, the instance is made anew, and the batch comes again; failing
   * again, its records come one by one, and one that fails alone becomes a dead letter. After five
   * of them in a row no more come until the operator says so. TIDEGATE_WOULD_BLOCK, of timer() as
   * well: there is no room now where it writes to. Nothing is committed either, the instance stays
   * as it is, and the call comes again a second later, as often as it takes; what it logged last is
   * the reason that is reported.
   */
  tidegate_status (*process)(tidegate_instance *instance, const tidegate_record *records,
                             size_t count, uint32_t *verdicts);
  /* The time of set_timer() has come. May be NULL. */
  tidegate_status (*timer)(tidegate_instance *instance, int64_t now_ms);
  /* The gateway stops: finish what should not wait for the next start. May be NULL. */
  tidegate_status (*drain)(tidegate_instance *instance);
  void (*destroy)(tidegate_instance *instance);
} tidegate_plugin;

typedef const tidegate_plugin *(*tidegate_plugin_entry_fn)(void);
#define TIDEGATE_ENTRY_SYMBOL "tidegate_plugin_entry"

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* TIDEGATE_PLUGIN_H */
