// Floor 0: the headers of the C libraries that the project links, and their macros as functions.
#ifndef TAILGATE_CSHIMS_H
#define TAILGATE_CSHIMS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <nghttp2/nghttp2.h>
#include <zlib.h>
#include <jemalloc/jemalloc.h>

/// Asks the CPU to fetch the cache line at `address` for reading and writing. Never faults.
static inline void tg_prefetch(const void *address) { __builtin_prefetch(address, 1, 3); }

/// `inflateInit2` is a macro; `windowBits` as in zlib.h.
int tg_inflate_init(z_stream *stream, int windowBits);

/// `deflateInit2` is a macro; gzip wrapper, the given level, memLevel 8.
int tg_deflate_init_gzip(z_stream *stream, int level);

/// Where one server session has its buffers (see session_memory.c). Lives longer than the session.
struct tg_session_memory;
struct tg_session_memory *tg_session_memory_new(void);
void tg_session_memory_free(struct tg_session_memory *memory);

/// Gives the frame buffer's pages back to the system; it reads as zero afterwards. Only while no frame is partly sent.
void tg_session_memory_trim(struct tg_session_memory *memory);

/// `nghttp2_session_server_new2`, with buffers in `memory`.
int tg_session_server_new(nghttp2_session **session, const nghttp2_session_callbacks *callbacks, void *user_data,
                          const nghttp2_option *option, struct tg_session_memory *memory);

/// 1 if `crypt(3)` knows the method of this hash, else 0.
int tg_crypt_supports(const char *hash);

/// 1 if the password gives this hash, else 0. Blocks for as long as the hash costs; about 32 KiB of heap meanwhile.
int tg_crypt_matches(const char *password, const char *hash);

/// Unmaps the pages of the program's and its libraries' code that the page cache holds anyway; what is needed again comes back by
/// minor faults. For after start-up, most of whose code runs once.
void tg_release_code_pages(void);

#endif
