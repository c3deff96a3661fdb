/*
 * A filter before the scrollback: while hushed, the lines that Node.js prints of its own inspector are left out. They
 * share the app's terminal, so one may begin anywhere in a line of the app's, and be cut by a read anywhere.
 */
#include "keeper.h"

#include <string.h>

enum {
  LONGEST_LINE = 512,    /* line end included; a longer one is not the inspector's */
  QUIET_MS = 50,         /* a beginning that nothing follows is held back for so long */
  LONGEST_HOLD_MS = 250, /* and one that the app writes letter by letter for so long */
  WORD = '\1',           /* in a pattern: one or more visible ASCII characters */
  TEXT = '\2',           /* in a pattern: one or more bytes up to a control character */
};

/* As Node.js 20 to 26 write them (its src/inspector_socket_server.cc and src/inspector_agent.cc), but the line end. */
static const char *const lines[] = {
  "Debugger listening on ws://\1",
  "Debugger ending on ws://\1",
  "For help, see: https://nodejs.org/\1",
  "Debugger attached.",
  "Waiting for the debugger to disconnect...",
  "Starting inspector on \1 failed: \2",
};

enum verdict { OTHER, UNDECIDED, CHATTER };

static uint64_t hushed_until; /* 0: not hushed */
static uint64_t held_since, held_last;
/* The beginning of a line that is not decided yet, and room for what is read next. */
static uint8_t window[LONGEST_LINE + 4096];
static size_t window_used;

static bool belongs(uint8_t byte, char class) {
  return class == WORD ? byte > ' ' && byte < 127 : byte >= ' ' && byte != 127;
}

/* Compares one pattern; a line that is the pattern's has its length, line end included, put into `length`. n > 0. */
static enum verdict compare(const char *pattern, const uint8_t *bytes, size_t n, size_t *length) {
  size_t at = 0;
  for (; *pattern; pattern++) {
    size_t from = at;
    if (*pattern != WORD && *pattern != TEXT) at += bytes[at] == (uint8_t)*pattern;
    else while (at < n && belongs(bytes[at], *pattern)) at++;
    if (at == from) return OTHER;
    if (at == n) return UNDECIDED;
  }
  if (bytes[at] == '\r' && ++at == n) return UNDECIDED;
  *length = at + 1;
  return bytes[at] == '\n' ? CHATTER : OTHER;
}

/* What begins here; the same whatever the reads were, since nothing that lies beyond the longest line is looked at. */
static enum verdict judge(const uint8_t *bytes, size_t n, size_t *length) {
  size_t seen = n < LONGEST_LINE ? n : LONGEST_LINE;
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    enum verdict verdict = compare(lines[i], bytes, seen, length);
    if (verdict == CHATTER || (verdict == UNDECIDED && n < LONGEST_LINE)) return verdict;
  }
  return OTHER;
}

void hush_flush(void) {
  if (!window_used) return;
  ring_append(window, window_used);
  window_used = 0;
}

/* Passes on or drops what is decided, and moves the rest to the front of the window. Returns whether anything was. */
static bool sift(void) {
  size_t at = 0, from = 0, length = 0;
  for (enum verdict verdict = OTHER; at < window_used && verdict != UNDECIDED;) {
    verdict = judge(window + at, window_used - at, &length);
    if (verdict == OTHER) at++;
    if (verdict != CHATTER) continue;
    ring_append(window + from, at - from);
    from = at += length;
  }
  ring_append(window + from, at - from);
  window_used -= at;
  memmove(window, window + at, window_used);
  return at > 0;
}

void hush_set(uint32_t ms) {
  if (!ms) hush_flush();
  hushed_until = ms ? now_ms() + ms : 0;
}

void hush_pass(const uint8_t *bytes, size_t n) {
  if (hushed_until && now_ms() >= hushed_until) hush_set(0);
  if (!hushed_until) return ring_append(bytes, n);
  while (n) {
    /* At most one byte less than the longest line is held: there always is room. */
    size_t room = sizeof window - window_used, piece = n < room ? n : room;
    bool fresh = window_used == 0;
    memcpy(window + window_used, bytes, piece);
    window_used += piece;
    bytes += piece;
    n -= piece;
    held_last = now_ms();
    if (sift() || fresh) held_since = held_last;
  }
}

/* How long the keeper may sleep, at most `most`, in ms. */
int hush_wait(int most) {
  if (!window_used) return most;
  uint64_t now = now_ms(), end = held_last + QUIET_MS;
  if (held_since + LONGEST_HOLD_MS < end) end = held_since + LONGEST_HOLD_MS;
  if (hushed_until < end) end = hushed_until;
  return end <= now ? 0 : end - now < (uint64_t)most ? (int)(end - now) : most;
}

/* Called when all that came is read: a keeper that got no processor time must not take that for silence of the app. */
void hush_tick(void) {
  if (!hush_wait(1)) hush_flush();
}
