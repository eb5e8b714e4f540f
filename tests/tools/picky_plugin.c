/* A processor for tests: passes payloads on; fails at one that begins with "fail" while the file
 * named in its config is not there, and gives up one that begins with "bad". */
#include <stdlib.h>
#include <string.h>
#include <tidegate/plugin.h>
#include <unistd.h>

typedef struct picky {
  const tidegate_host *host;
  char mended[512]; /* the file */
} picky;

static tidegate_instance *create(const tidegate_host *host, tidegate_slice config, char *error,
                                 size_t error_size) {
  (void)error, (void)error_size;
  picky *self = calloc(1, sizeof *self);
  self->host = host;
  const char *path = memchr(config.data, '/', config.size);
  const char *end = path ? memchr(path, '"', config.size - (size_t)(path - config.data)) : NULL;
  if (end && (size_t)(end - path) < sizeof self->mended) {
    memcpy(self->mended, path, (size_t)(end - path));
  }
  return self;
}

static int begins(tidegate_slice text, const char *with) {
  return text.size >= strlen(with) && memcmp(text.data, with, strlen(with)) == 0;
}

static void say(picky *self, const char *text) {
  self->host->log(self->host->self, TIDEGATE_WARNING, (tidegate_slice){text, strlen(text)});
}

static tidegate_status process(tidegate_instance *instance, const tidegate_record *records,
                               size_t count, uint32_t *verdicts) {
  picky *self = instance;
  for (size_t i = 0; i < count; ++i) {
    if (begins(records[i].payload, "bad")) {
      say(self, "it is bad");
      verdicts[i] = TIDEGATE_DEAD_LETTER;
      continue;
    }
    if (begins(records[i].payload, "fail") && access(self->mended, F_OK) != 0) {
      say(self, "it cannot be done");
      return TIDEGATE_FAILED;
    }
    self->host->emit(self->host->self, &records[i]);
  }
  return TIDEGATE_OK;
}

static void destroy(tidegate_instance *instance) { free(instance); }

TIDEGATE_EXPORT const tidegate_plugin *tidegate_plugin_entry(void) {
  static const tidegate_plugin table = {
      .size = sizeof table,
      .abi_major = TIDEGATE_ABI_MAJOR,
      .abi_minor = TIDEGATE_ABI_MINOR,
      .kind = TIDEGATE_PROCESSOR,
      .name = "picky",
      .version = "1.0",
      .create = create,
      .process = process,
      .destroy = destroy,
  };
  return &table;
}
