/* Buffers and the wire format. Running out of memory ends the process: a keeper that forgets bytes is worse than none. */
#include "keeper.h"

#include <stdlib.h>
#include <string.h>

void *must_alloc(void *memory) {
  if (!memory) abort();
  return memory;
}

void buf_put(struct buf *b, const void *bytes, size_t n) {
  if (b->head == b->len) b->head = b->len = 0;
  if (b->len + n > b->cap) {
    if (b->head) memmove(b->data, b->data + b->head, b->len - b->head);
    b->len -= b->head;
    b->head = 0;
    if (b->len + n > b->cap) {
      b->cap = (b->len + n) * 2;
      b->data = must_alloc(realloc(b->data, b->cap));
    }
  }
  if (n) memcpy(b->data + b->len, bytes, n);
  b->len += n;
}

void buf_take(struct buf *b, size_t n) {
  b->head += n;
  if (b->head < b->len) return;
  b->head = b->len = 0;
  /* A burst must not pin its memory for the life of the cell. */
  if (b->cap > 256 * 1024) {
    free(b->data);
    b->data = NULL;
    b->cap = 0;
  }
}

static void put_le(struct buf *b, uint64_t v, int bytes) {
  uint8_t raw[8];
  for (int i = 0; i < bytes; i++) raw[i] = (uint8_t)(v >> (8 * i));
  buf_put(b, raw, (size_t)bytes);
}
void put_u8(struct buf *b, uint8_t v) { put_le(b, v, 1); }
void put_u16(struct buf *b, uint16_t v) { put_le(b, v, 2); }
void put_u32(struct buf *b, uint32_t v) { put_le(b, v, 4); }
void put_u64(struct buf *b, uint64_t v) { put_le(b, v, 8); }
void put_str(struct buf *b, const char *s) {
  put_u32(b, (uint32_t)strlen(s));
  buf_put(b, s, strlen(s));
}

/* Returns the frame's place, relative to the pending bytes, for frame_end. */
size_t frame_begin(struct buf *b, uint8_t type) {
  size_t at = buf_pending(b);
  put_u32(b, 0);
  put_u8(b, type);
  return at;
}

void frame_end(struct buf *b, size_t at) {
  uint8_t *length = b->data + b->head + at;
  uint32_t n = (uint32_t)(buf_pending(b) - at - 5);
  for (int i = 0; i < 4; i++) length[i] = (uint8_t)(n >> (8 * i));
}

static uint64_t get_le(struct reader *r, size_t bytes) {
  if (r->bad || r->left < bytes) {
    r->bad = true;
    return 0;
  }
  uint64_t v = 0;
  for (size_t i = 0; i < bytes; i++) v |= (uint64_t)r->at[i] << (8 * i);
  r->at += bytes;
  r->left -= bytes;
  return v;
}
uint8_t get_u8(struct reader *r) { return (uint8_t)get_le(r, 1); }
uint16_t get_u16(struct reader *r) { return (uint16_t)get_le(r, 2); }
uint32_t get_u32(struct reader *r) { return (uint32_t)get_le(r, 4); }
uint64_t get_u64(struct reader *r) { return get_le(r, 8); }

/* A malloc'ed C string, or NULL with r->bad set. A NUL inside would cut the string short unseen: malformed. */
char *get_str(struct reader *r) {
  uint32_t n = get_u32(r);
  if (r->bad || n > r->left || memchr(r->at, 0, n)) {
    r->bad = true;
    return NULL;
  }
  char *s = must_alloc(malloc(n + 1));
  memcpy(s, r->at, n);
  s[n] = 0;
  r->at += n;
  r->left -= n;
  return s;
}

/* A malloc'ed NULL-terminated list, or NULL with r->bad set. */
char **get_list(struct reader *r) {
  uint32_t n = get_u32(r);
  if (r->bad || n > r->left / 4) { /* every entry takes at least its length */
    r->bad = true;
    return NULL;
  }
  char **list = must_alloc(calloc(n + 1, sizeof *list));
  for (uint32_t i = 0; i < n; i++) {
    list[i] = get_str(r);
    if (!r->bad) continue;
    free_list(list);
    return NULL;
  }
  return list;
}

void free_list(char **list) {
  if (!list) return;
  for (char **s = list; *s; s++) free(*s);
  free(list);
}
