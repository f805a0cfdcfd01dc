#include "cshims.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

// jemalloc reads this at its first allocation: a background thread gives memory back after a peak without anybody calling malloc;
// dirty pages stay for a second (a node with little to do makes a batch every 200 ms: if they stayed for less, each would be
// made of fresh pages); metadata uses no huge pages.
const char *malloc_conf =
    "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,metadata_thp:disabled,narenas:4";

int tg_inflate_init(z_stream *stream, int windowBits) { return inflateInit2(stream, windowBits); }

int tg_deflate_init_gzip(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
}

int tg_crypt_supports(const char *hash) {
  int kind = crypt_checksalt(hash);
  return kind == CRYPT_SALT_OK || kind == CRYPT_SALT_METHOD_LEGACY || kind == CRYPT_SALT_TOO_CHEAP;
}

int tg_crypt_matches(const char *password, const char *hash) {
  struct crypt_data *data = calloc(1, sizeof *data);
  if (data == NULL) return 0;
  const char *made = crypt_r(password, hash, data);
  int matches = 0;
  // crypt_r reports failure as NULL or as a text that begins with '*'.
  if (made != NULL && made[0] != '*') {
    size_t length = strlen(hash);
    if (strlen(made) == length) {
      unsigned char difference = 0;
      for (size_t i = 0; i < length; i++) difference |= (unsigned char)(made[i] ^ hash[i]);
      matches = difference == 0;
    }
  }
  explicit_bzero(data, sizeof *data);
  free(data);
  return matches;
}
