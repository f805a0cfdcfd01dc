#include "cshims.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Every nghttp2 session holds a buffer of 16,394 bytes to build frames in, of which a server that answers OTLP uses the first
// few hundred, and a table of 4,096 bytes for streams, which is all zero until there is one. From the common allocator both
// are resident memory: ten thousand idle connections would hold 200 MiB. So these two come from address room of their own that
// never gets huge pages: a page is resident once it is written, and what a silent session wrote can be given back (trim).

enum {
  PAGE = 4096,
  FRAME_BUFFER = 5 * PAGE,        // requests above SMALLEST_FRAME_BUFFER and up to this are frame buffers
  SMALLEST_FRAME_BUFFER = 16 * 1024,
  SLOTS = 128 * 1024,             // more sessions than that use the common allocator
};

// Pieces of one size. A piece that is free reads as zero and occupies nothing.
struct pool {
  size_t size;
  char *base;      // NULL until the first use, or for ever if there is no address room
  int is_ready;
  unsigned fresh;  // pieces from here on were never used
  unsigned *free;  // a stack
  unsigned free_count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pool frames = {.size = FRAME_BUFFER};
static struct pool tables = {.size = PAGE};

static void prepare(struct pool *pool) {
  pool->is_ready = 1;
  pool->free = malloc(SLOTS * sizeof *pool->free);
  if (pool->free == NULL) return;
  size_t bytes = (size_t)SLOTS * pool->size;
  void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return;
  madvise(room, bytes, MADV_NOHUGEPAGE);
  pool->base = room;
}

static void *take(struct pool *pool) {
  void *piece = NULL;
  pthread_mutex_lock(&lock);
  if (!pool->is_ready) prepare(pool);
  if (pool->base != NULL) {
    if (pool->free_count > 0) {
      piece = pool->base + (size_t)pool->free[--pool->free_count] * pool->size;
    } else if (pool->fresh < SLOTS) {
      piece = pool->base + (size_t)pool->fresh++ * pool->size;
    }
  }
  pthread_mutex_unlock(&lock);
  return piece;
}

static int holds(const struct pool *pool, const void *pointer) {
  const char *at = pointer;
  return pool->base != NULL && at >= pool->base && at < pool->base + (size_t)SLOTS * pool->size;
}

static void give(struct pool *pool, void *piece) {
  madvise(piece, pool->size, MADV_DONTNEED);
  pthread_mutex_lock(&lock);
  pool->free[pool->free_count++] = (unsigned)((size_t)((char *)piece - pool->base) / pool->size);
  pthread_mutex_unlock(&lock);
}

struct tg_session_memory {
  nghttp2_mem functions;
  void *frame_buffer;  // a piece of `frames`, or NULL
};

static void *session_malloc(size_t size, void *user) {
  struct tg_session_memory *memory = user;
  if (size >= SMALLEST_FRAME_BUFFER && size <= FRAME_BUFFER && memory->frame_buffer == NULL) {
    memory->frame_buffer = take(&frames);
    if (memory->frame_buffer != NULL) return memory->frame_buffer;
  }
  return malloc(size);
}

static void session_free(void *pointer, void *user) {
  struct tg_session_memory *memory = user;
  if (pointer == NULL) return;
  if (pointer == memory->frame_buffer) {
    memory->frame_buffer = NULL;
    give(&frames, pointer);
  } else if (holds(&tables, pointer)) {
    give(&tables, pointer);
  } else {
    free(pointer);
  }
}

static void *session_calloc(size_t count, size_t size, void *user) {
  (void)user;
  if (size != 0 && count == PAGE / size && count * size == PAGE) {
    void *table = take(&tables);
    if (table != NULL) return table;
  }
  return calloc(count, size);
}

static void *session_realloc(void *pointer, size_t size, void *user) {
  struct tg_session_memory *memory = user;
  if (pointer == NULL) return session_malloc(size, user);
  size_t present;
  if (pointer == memory->frame_buffer) {
    present = FRAME_BUFFER;
  } else if (holds(&tables, pointer)) {
    present = PAGE;
  } else {
    return realloc(pointer, size);
  }
  if (size <= present) return pointer;
  void *larger = malloc(size);
  if (larger == NULL) return NULL;
  memcpy(larger, pointer, present);
  session_free(pointer, user);
  return larger;
}

struct tg_session_memory *tg_session_memory_new(void) {
  struct tg_session_memory *memory = calloc(1, sizeof *memory);
  if (memory == NULL) return NULL;
  memory->functions = (nghttp2_mem){memory, session_malloc, session_free, session_calloc, session_realloc};
  return memory;
}

void tg_session_memory_free(struct tg_session_memory *memory) { free(memory); }

void tg_session_memory_trim(struct tg_session_memory *memory) {
  if (memory->frame_buffer != NULL) madvise(memory->frame_buffer, FRAME_BUFFER, MADV_DONTNEED);
}

int tg_session_server_new(nghttp2_session **session, const nghttp2_session_callbacks *callbacks, void *user_data,
                          const nghttp2_option *option, struct tg_session_memory *memory) {
  return nghttp2_session_server_new3(session, callbacks, user_data, option, &memory->functions);
}
