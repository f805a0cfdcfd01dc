// RE2 for C: compile once, search many times. Nothing here throws, logs or keeps global state.
#ifndef TAILGATE_CRE2_H
#define TAILGATE_CRE2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tg_regex tg_regex;

// Why a pattern was not taken.
typedef struct tg_regex_error {
  // RE2's words, NUL-terminated, cut off where they are longer.
  char message[160];
  // The part of the pattern that is wrong, as an offset and a length in bytes; both 0 if RE2 did not name one.
  size_t offset;
  size_t length;
} tg_regex_error;

// Compiles a pattern of RE2 syntax (Go's options: `.` does not match a newline, `^` and `$` are the ends of the text,
// letters in UTF-8). At most `max_mem` bytes are used for the program and its automata. NULL with `error` filled if the
// pattern is wrong or too large, or if there is no memory.
tg_regex *tg_regex_new(const uint8_t *pattern, size_t length, int64_t max_mem, tg_regex_error *error);

void tg_regex_free(tg_regex *regex);

// Whether the pattern matches anywhere in the text. Any bytes are allowed. Safe to call from several threads at once.
bool tg_regex_matches(const tg_regex *regex, const uint8_t *text, size_t length);

// How many capturing groups the pattern has; the whole match is not counted.
int32_t tg_regex_group_count(const tg_regex *regex);

// The name of a group, from 1 on, NUL-terminated; NULL if it has none. Lives as long as the expression.
const char *tg_regex_group_name(const tg_regex *regex, int32_t group);

// The leftmost match that begins at or behind `start`; `^` is still the start of the whole text. Fills `ranges` with `count`
// pairs of offsets into the text: the match itself, then its groups; a group that took no part gets -1 twice. Pairs beyond the
// groups get -1, too. False if there is no match. Safe to call from several threads at once.
bool tg_regex_find(const tg_regex *regex, const uint8_t *text, size_t length, size_t start, int64_t *ranges,
                   int32_t count);

#ifdef __cplusplus
}
#endif

#endif
