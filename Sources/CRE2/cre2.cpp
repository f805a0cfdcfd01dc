#include "cre2.h"

#include <cstring>
#include <map>
#include <new>
#include <string>
#include <vector>

#include <re2/re2.h>

struct tg_regex {
  RE2 expression;
  // By number; RE2 makes the table at the first call, under a lock, so it is asked once.
  std::map<int, std::string> group_names;
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
    if (regex->expression.ok()) {
      regex->group_names = regex->expression.CapturingGroupNames();
      return regex;
    }
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

extern "C" int32_t tg_regex_group_count(const tg_regex *regex) { return regex->expression.NumberOfCapturingGroups(); }

extern "C" const char *tg_regex_group_name(const tg_regex *regex, int32_t group) {
  const auto found = regex->group_names.find(group);
  return found == regex->group_names.end() ? nullptr : found->second.c_str();
}

extern "C" bool tg_regex_find(const tg_regex *regex, const uint8_t *text, size_t length, size_t start, int64_t *ranges,
                              int32_t count) {
  if (start > length || count < 1) return false;
  // RE2 tells a group that matched nothing from one that took no part by its address, which must not be null.
  const char *begin = text == nullptr ? "" : reinterpret_cast<const char *>(text);
  try {
    const int groups = 1 + regex->expression.NumberOfCapturingGroups();
    std::vector<re2::StringPiece> found(static_cast<size_t>(count < groups ? count : groups));
    const re2::StringPiece piece(begin, length);
    if (!regex->expression.Match(piece, start, length, RE2::UNANCHORED, found.data(), static_cast<int>(found.size()))) {
      return false;
    }
    for (size_t group = 0; group < static_cast<size_t>(count); group++) {
      const bool has = group < found.size() && found[group].data() != nullptr;
      ranges[2 * group] = has ? found[group].data() - begin : -1;
      ranges[2 * group + 1] = has ? found[group].data() - begin + static_cast<int64_t>(found[group].size()) : -1;
    }
    return true;
  } catch (...) {
    return false;
  }
}
