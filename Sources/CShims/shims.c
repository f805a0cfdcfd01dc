#include "cshims.h"

// jemalloc reads this at its first allocation: a background thread gives memory back after a peak without
// anybody calling malloc, dirty pages stay for a quarter of a second, metadata may use huge pages.
const char *malloc_conf =
    "background_thread:true,dirty_decay_ms:250,muzzy_decay_ms:0,metadata_thp:disabled,narenas:4";

int tg_inflate_init(z_stream *stream, int windowBits) { return inflateInit2(stream, windowBits); }

int tg_deflate_init_gzip(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
}
