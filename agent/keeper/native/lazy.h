/* Post-copy, between lazyIndex.c (which page belongs where) and lazy.c (serving them). README.md, "Post-copy". */
#ifndef FLICK_LAZY_H
#define FLICK_LAZY_H

#include "keeper.h"

enum { LAZY_PAGE = 4096 };

/* `pages` pages from address `start` on are the pages of lazy.pages from number `page` on. */
struct extent {
  uint64_t start, pages, page;
  bool parent_only; /* a forked child does not inherit it: MADV_WIPEONFORK */
};

struct fault {
  uint64_t address;
  bool told;
};

/* One address space. */
struct lazy_task {
  struct lazy_task *next;
  int32_t pid; /* as in the images; a forked child has that of the task it comes from */
  int uffd;    /* -1 until criu sends it */
  bool changing, gone;
  struct extent *extents; /* by address, without overlap */
  size_t count;
  uint64_t *missing; /* bit N: page number N is still to be installed here */
  uint64_t left;     /* bits in `missing` */
  struct fault *faults;
  size_t fault_count, fault_room;
};

struct lazy_index {
  uint64_t limit; /* page numbers are below */
  uint64_t total; /* of them named by the index */
  uint64_t *named, *arrived;
  int pages_fd, arrived_fd;
  struct lazy_task *tasks;
};

/* lazyIndex.c */
static inline size_t bit_words(uint64_t bits) { return (size_t)((bits + 63) / 64); }
static inline bool bit_get(const uint64_t *bits, uint64_t n) { return bits[n / 64] >> (n % 64) & 1; }
uint64_t bits_set(uint64_t *bits, uint64_t from, uint64_t n);   /* both return how many bits they changed */
uint64_t bits_clear(uint64_t *bits, uint64_t from, uint64_t n);
int index_open(struct lazy_index *index, int folder, const char **what); /* 0 or errno, about `what` */
void index_close(struct lazy_index *index);
void task_free(struct lazy_task *t);
struct lazy_task *task_fork(const struct lazy_task *parent, const struct lazy_index *index, int uffd);
const struct extent *task_find(const struct lazy_task *t, uint64_t address);
void task_installed(struct lazy_task *t, uint64_t page, uint64_t n);
void task_drop(struct lazy_task *t, uint64_t from, uint64_t to);
void task_move(struct lazy_task *t, uint64_t from, uint64_t to, uint64_t bytes);
void task_fault(struct lazy_task *t, uint64_t address);

/* lazyHost.c */
#define LAZY_SOCKET "lazy-pages.socket"
void close_lazy(int *fd);
int lazy_listen(int folder);
pid_t start_holder(void); /* 0 on failure */

#endif
