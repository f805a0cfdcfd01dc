#include "cre2.h"

#include <cstring>
#include <new>
#include <string>

#include <re2/re2.h>

struct tg_regex {
  RE2 expression;
  tg_regex(const re2::StringPiece &pattern, const RE2::Options &options) : expression(pattern, options) {}
};

static void describe(tg_regex_error *error, const char *message, size_t offset, size_t length) {
  std::strncpy(error->message, message, sizeof error->message - 1);
  error->message[sizeof error->message - 1] = 0;
  error->offset = offset;
  error->length = length;
}

extern "C" tg_regex *tg_regex_new(const uint8_t *pattern, size_t length, int64_t max_mem, tg_regex_error *error) {
  try {
    // Quiet: RE2 would write to standard error.
    RE2::Options options(RE2::Quiet);
    options.set_max_mem(max_mem);
    const re2::StringPiece text(reinterpret_cast<const char *>(pattern), length);
    tg_regex *regex = new tg_regex(text, options);
    if (regex->expression.ok()) return regex;
    const std::string &wrong = regex->expression.error_arg();
    const size_t at = wrong.empty() ? std::string::npos : std::string(text.data(), text.size()).find(wrong);
    const bool found = at != std::string::npos;
    describe(error, regex->expression.error().c_str(), found ? at : 0, found ? wrong.size() : 0);
    delete regex;
  } catch (const std::bad_alloc &) {
    describe(error, "no memory", 0, 0);
  } catch (...) {
    describe(error, "unknown error", 0, 0);
  }
  return nullptr;
}

extern "C" void tg_regex_free(tg_regex *regex) { delete regex; }

extern "C" bool tg_regex_matches(const tg_regex *regex, const uint8_t *text, size_t length) {
  const re2::StringPiece piece(reinterpret_cast<const char *>(text), length);
  try {
    return regex->expression.Match(piece, 0, length, RE2::UNANCHORED, nullptr, 0);
  } catch (...) {
    // Only allocation can fail here; an automaton that can't grow is no match.
    return false;
  }
}
