/* Which page of lazy.pages belongs to which address of which process, and which of them are still to be installed. */
#define _GNU_SOURCE
#include "lazy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 1 TiB of pages; addresses below 2^56, where arm64 keeps its tags. */
static const uint64_t MAX_PAGES = 1ULL << 28, ADDRESS_END = 1ULL << 56;
enum { MAX_INDEX = 64 << 20, MAX_TASKS = 4096, PARENT_ONLY = 1 };

static uint64_t bits_change(uint64_t *bits, uint64_t from, uint64_t n, bool value) {
  uint64_t changed = 0;
  while (n) {
    uint64_t low = from % 64, span = n < 64 - low ? n : 64 - low;
    uint64_t mask = (span == 64 ? ~0ULL : (1ULL << span) - 1) << low, *word = &bits[from / 64];
    changed += (uint64_t)__builtin_popcountll((value ? ~*word : *word) & mask);
    *word = value ? *word | mask : *word & ~mask;
    from += span;
    n -= span;
  }
  return changed;
}
uint64_t bits_set(uint64_t *bits, uint64_t from, uint64_t n) { return bits_change(bits, from, n, true); }
uint64_t bits_clear(uint64_t *bits, uint64_t from, uint64_t n) { return bits_change(bits, from, n, false); }

void task_free(struct lazy_task *t) {
  if (t->uffd >= 0) close(t->uffd);
  free(t->extents);
  free(t->missing);
  free(t->faults);
  free(t);
}

static bool read_extents(struct reader *r, struct lazy_task *t, uint32_t count, struct lazy_index *index) {
  uint64_t end = 0;
  t->extents = must_alloc(calloc((size_t)count + 1, sizeof *t->extents));
  for (; t->count < count; t->count++) {
    uint64_t start = get_u64(r), pages = get_u64(r), page = get_u64(r);
    bool parent_only = start & PARENT_ONLY;
    start &= ~(uint64_t)PARENT_ONLY;
    if (r->bad || !pages || start % LAZY_PAGE || start < end || start >= ADDRESS_END) return false;
    if (pages > (ADDRESS_END - start) / LAZY_PAGE || pages > index->limit || page > index->limit - pages) return false;
    end = start + pages * LAZY_PAGE;
    t->extents[t->count] = (struct extent){start, pages, page, parent_only};
    /* One bit stands for one address: a number twice in one process would lose one of them. */
    if (bits_set(t->missing, page, pages) != pages) return false;
    t->left += pages;
    index->total += bits_set(index->named, page, pages);
  }
  return true;
}

static bool read_tasks(struct reader *r, struct lazy_index *index) {
  struct lazy_task **tail = &index->tasks;
  if (r->left < 16 || memcmp(r->at, "FLKLAZY1", 8)) return false;
  get_u64(r);
  uint32_t tasks = get_u32(r);
  if (get_u32(r) || tasks > MAX_TASKS) return false;
  while (tasks--) {
    int32_t pid = (int32_t)get_u32(r);
    uint32_t count = get_u32(r);
    if (r->bad || pid <= 0 || count > r->left / 24) return false;
    for (struct lazy_task *t = index->tasks; t; t = t->next)
      if (t->pid == pid) return false;
    struct lazy_task *t = *tail = must_alloc(calloc(1, sizeof *t));
    tail = &t->next;
    t->pid = pid;
    t->uffd = -1;
    t->missing = must_alloc(calloc(bit_words(index->limit) + 1, sizeof *t->missing));
    if (!read_extents(r, t, count, index)) return false;
  }
  return !r->left;
}

static int open_file(int folder, const char *name, int flags, struct stat *is) {
  int fd = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -1;
  if (!fstat(fd, is) && S_ISREG(is->st_mode)) return fd;
  close(fd);
  errno = EINVAL;
  return -1;
}

/* All of a file of exactly `n` bytes; whatever is not there counts as an error. */
static int read_exactly(int fd, void *to, size_t n) {
  for (size_t at = 0; at < n;) {
    ssize_t got = pread(fd, (uint8_t *)to + at, n - at, (off_t)at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got ? errno : EINVAL;
    at += (size_t)got;
  }
  return 0;
}

static int load_index(struct lazy_index *index, int folder) {
  struct stat is;
  int fd = open_file(folder, "lazy.index", O_RDONLY, &is);
  if (fd < 0) return errno;
  size_t n = is.st_size <= MAX_INDEX ? (size_t)is.st_size : 0;
  uint8_t *bytes = must_alloc(malloc(n + 1));
  int error = n ? read_exactly(fd, bytes, n) : EINVAL;
  struct reader r = {.at = bytes, .left = n};
  if (!error && !read_tasks(&r, index)) error = EINVAL;
  free(bytes);
  close(fd);
  return error;
}

int index_open(struct lazy_index *index, int folder, const char **what) {
  struct stat is;
  *index = (struct lazy_index){.pages_fd = -1, .arrived_fd = -1};
  *what = "lazy.pages";
  index->pages_fd = open_file(folder, *what, O_RDONLY, &is);
  if (index->pages_fd < 0) return errno;
  index->limit = (uint64_t)is.st_size / LAZY_PAGE;
  if (is.st_size % LAZY_PAGE || index->limit > MAX_PAGES) return EINVAL;
  size_t words = bit_words(index->limit) + 1, bytes = (size_t)(index->limit + 7) / 8;
  index->named = must_alloc(calloc(words, 8));
  index->arrived = must_alloc(calloc(words, 8));
  *what = "lazy.arrived";
  index->arrived_fd = open_file(folder, *what, O_RDWR, &is);
  if (index->arrived_fd < 0) return errno;
  /* Both architectures are little-endian: the file's bits are those of the words. */
  int error = (uint64_t)is.st_size < bytes ? EINVAL : read_exactly(index->arrived_fd, index->arrived, bytes);
  if (error) return error;
  if (index->limit % 64) index->arrived[index->limit / 64] &= (1ULL << (index->limit % 64)) - 1;
  *what = "lazy.index";
  return load_index(index, folder);
}

void index_close(struct lazy_index *index) {
  for (struct lazy_task *t = index->tasks, *next; t; t = next) {
    next = t->next;
    task_free(t);
  }
  if (index->pages_fd >= 0) close(index->pages_fd);
  if (index->arrived_fd >= 0) close(index->arrived_fd);
  free(index->named);
  free(index->arrived);
  *index = (struct lazy_index){.pages_fd = -1, .arrived_fd = -1};
}

/* Index of the first extent that ends behind the address. */
static size_t place(const struct lazy_task *t, uint64_t address) {
  size_t low = 0, high = t->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    const struct extent *e = &t->extents[middle];
    if (e->start + e->pages * LAZY_PAGE <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

const struct extent *task_find(const struct lazy_task *t, uint64_t address) {
  size_t at = place(t, address);
  return at < t->count && t->extents[at].start <= address ? &t->extents[at] : NULL;
}

/* Makes an extent begin at the address if one holds it. Returns the index of the first extent from there on. */
static size_t cut(struct lazy_task *t, uint64_t address) {
  size_t at = place(t, address);
  if (at == t->count || t->extents[at].start >= address) return at;
  t->extents = must_alloc(realloc(t->extents, (t->count + 1) * sizeof *t->extents));
  struct extent *e = &t->extents[at];
  memmove(e + 1, e, (t->count++ - at) * sizeof *e);
  uint64_t head = (address - e->start) / LAZY_PAGE;
  e[0].pages = head;
  e[1].start = address;
  e[1].pages -= head;
  e[1].page += head;
  return at + 1;
}

void task_installed(struct lazy_task *t, uint64_t page, uint64_t n) { t->left -= bits_clear(t->missing, page, n); }

void task_drop(struct lazy_task *t, uint64_t from, uint64_t to) {
  if (to <= from) return;
  size_t first = cut(t, from), end = cut(t, to);
  for (size_t i = first; i < end; i++) task_installed(t, t->extents[i].page, t->extents[i].pages);
  memmove(&t->extents[first], &t->extents[end], (t->count - end) * sizeof *t->extents);
  t->count -= end - first;
}

static int by_start(const void *a, const void *b) {
  uint64_t x = ((const struct extent *)a)->start, y = ((const struct extent *)b)->start;
  return x < y ? -1 : x > y;
}

void task_move(struct lazy_task *t, uint64_t from, uint64_t to, uint64_t bytes) {
  task_drop(t, to, to + bytes);
  size_t first = cut(t, from), end = cut(t, from + bytes);
  for (size_t i = first; i < end; i++) t->extents[i].start += to - from;
  qsort(t->extents, t->count, sizeof *t->extents, by_start);
}

struct lazy_task *task_fork(const struct lazy_task *parent, const struct lazy_index *index, int uffd) {
  struct lazy_task *t = must_alloc(calloc(1, sizeof *t));
  size_t words = bit_words(index->limit) + 1;
  t->pid = parent->pid;
  t->uffd = uffd;
  t->missing = must_alloc(malloc(words * sizeof *t->missing));
  memcpy(t->missing, parent->missing, words * sizeof *t->missing);
  t->left = parent->left;
  t->extents = must_alloc(calloc(parent->count + 1, sizeof *t->extents));
  for (size_t i = 0; i < parent->count; i++) {
    const struct extent *e = &parent->extents[i];
    if (e->parent_only) task_installed(t, e->page, e->pages);
    else t->extents[t->count++] = *e;
  }
  return t;
}

void task_fault(struct lazy_task *t, uint64_t address) {
  for (size_t i = 0; i < t->fault_count; i++)
    if (t->faults[i].address == address) return;
  if (t->fault_count == t->fault_room) {
    t->fault_room = t->fault_room * 2 + 16;
    t->faults = must_alloc(realloc(t->faults, t->fault_room * sizeof *t->faults));
  }
  t->faults[t->fault_count++] = (struct fault){.address = address};
}
