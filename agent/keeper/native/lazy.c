/*
 * Post-copy: the keeper is the daemon that `criu restore --lazy-pages` connects to. A page that has not arrived makes the
 * process wait; nothing here ever answers for such a page with zeros. README.md, "Post-copy"; userfaultfd(2), ioctl_userfaultfd(2).
 */
#define _GNU_SOURCE
#include "lazy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  RESTORE_FINISHED = 0x52535446, /* criu's last word on its socket */
  SLICE = 256,                   /* pages installed in the background between two looks at everything else */
  AROUND = 16,                   /* pages from a fault on, if they are there */
  MAX_WANTED = 1024,
  RETRY_MS = 1, PAUSE_MS = 100, PROBE_MS = 1000,
};
enum outcome { WELL, CHANGING, GONE, FAILED };

static struct {
  struct lazy_index index;
  bool open, over;     /* `over`: every page is in place, or its process is gone */
  bool finished;       /* criu has said its last word */
  int folder, listener, criu, epoll;
  uint8_t word[4];     /* what criu is saying */
  size_t word_bytes;
  int32_t expected;    /* whose userfaultfd comes next; 0: a word comes next */
  pid_t holder;
  struct conn *watcher;
  uint64_t pause_until, probed;
  bool more;
  uint64_t total, arrived;
} L = {.folder = -1, .listener = -1, .criu = -1, .epoll = -1};

static uint8_t piece[SLICE * LAZY_PAGE] __attribute__((aligned(LAZY_PAGE)));

bool lazy_active(void) { return L.open && !L.over; }

/* --- opening and closing ------------------------------------------------------------------------------------------- */
/* Ends the serving: with the last descriptor gone the kernel answers for pages that never were with zeros again. */
static void close_all(void) {
  if (L.listener >= 0) unlinkat(L.folder, LAZY_SOCKET, 0);
  close_lazy(&L.listener);
  close_lazy(&L.criu);
  close_lazy(&L.epoll);
  close_lazy(&L.folder);
  index_close(&L.index);
  if (L.holder > 0) kill(L.holder, SIGKILL);
  L.holder = 0;
}

void lazy_reset(void) {
  if (!L.open) return;
  close_all();
  L.open = L.over = false;
  L.watcher = NULL;
}

void lazy_forget(struct conn *c) {
  if (L.watcher == c) L.watcher = NULL;
}

static uint64_t count_bits(const uint64_t *a, const uint64_t *b) {
  uint64_t n = 0;
  for (size_t i = 0; i < bit_words(L.index.limit); i++) n += (uint64_t)__builtin_popcountll(a[i] & b[i]);
  return n;
}

static bool watch(int fd) {
  struct epoll_event event = {.events = EPOLLIN};
  return !epoll_ctl(L.epoll, EPOLL_CTL_ADD, fd, &event);
}

int lazy_open(const char *folder, struct conn *c, const char **what) {
  *what = "post-copy";
  if (!lazy_possible()) return EOPNOTSUPP;
  for (struct lazy_task *t = L.index.tasks; t; t = t->next)
    if (t->uffd >= 0) return EBUSY;
  lazy_reset();
  L.finished = L.more = false;
  L.word_bytes = 0;
  L.expected = 0;
  L.pause_until = L.probed = 0;
  *what = folder;
  L.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (L.folder < 0) return errno;
  int error = index_open(&L.index, L.folder, what);
  if (!error) {
    *what = LAZY_SOCKET;
    L.epoll = epoll_create1(EPOLL_CLOEXEC);
    L.listener = L.epoll < 0 ? -1 : lazy_listen(L.folder);
    if (L.listener < 0 || !watch(L.listener)) error = errno;
  }
  if (error) {
    close_all();
    return error;
  }
  L.open = true;
  L.watcher = c;
  L.total = L.index.total;
  L.arrived = count_bits(L.index.named, L.index.arrived);
  return 0;
}

/* --- criu's side: pid, then its userfaultfd, for every task; a last word --------------------------------------------- */
/* The restore cannot be right any more. Better no copy than one that waits for ever or reads zeros. */
static void refuse_restore(const char *why) {
  logf_("post-copy: %s (%d)", why, L.expected);
  close_lazy(&L.criu);
  kill_cell();
}

static void connect_task(int uffd) {
  struct lazy_task *t = L.index.tasks;
  while (t && (t->pid != L.expected || t->uffd >= 0)) t = t->next;
  if (t && watch(uffd)) {
    t->uffd = uffd;
    L.expected = 0;
    return;
  }
  close(uffd);
  refuse_restore("a task that the index does not have");
}

static bool hold_descriptors(void) {
  if (!L.holder) L.holder = start_holder();
  return L.holder != 0;
}

static void finish_restore(void) {
  L.finished = L.more = true;
  unlinkat(L.folder, LAZY_SOCKET, 0);
  close_lazy(&L.listener);
  close_lazy(&L.criu);
  for (struct lazy_task *t = L.index.tasks; t; t = t->next)
    if (t->uffd < 0) t->gone = true;
  if (!hold_descriptors()) refuse_restore("no holder");
}

static void take_word(void) {
  int32_t word;
  memcpy(&word, L.word, sizeof word);
  L.word_bytes = 0;
  if (word == RESTORE_FINISHED) finish_restore();
  else if (word > 0) L.expected = word;
  /* A zombie comes as a negative PID and has no memory. */
}

/* Reads one word, or one descriptor. Returns false when there is nothing more to read now. */
static bool criu_step(void) {
  union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
  char dummy;
  struct iovec into = {L.word + L.word_bytes, sizeof L.word - L.word_bytes};
  if (L.expected) into = (struct iovec){&dummy, 1};
  struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
  ssize_t n = recvmsg(L.criu, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0) return errno == EINTR;
  if (n == 0) {
    close_lazy(&L.criu);
    return false;
  }
  struct cmsghdr *part = CMSG_FIRSTHDR(&message);
  int fd = -1;
  if (part && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(part), sizeof fd);
  if (L.expected) {
    if (fd >= 0) connect_task(fd);
    else refuse_restore("a task without descriptor");
    return L.criu >= 0;
  }
  close_lazy(&fd);
  L.word_bytes += (size_t)n;
  if (L.word_bytes == sizeof L.word) take_word();
  return L.criu >= 0;
}

static void hear_criu(void) {
  int fd = L.listener < 0 ? -1 : accept4(L.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0 && (L.criu >= 0 || !is_own(fd) || !watch(fd))) close(fd);
  else if (fd >= 0) L.criu = fd;
  while (L.criu >= 0 && criu_step()) continue;
}

bool lazy_complete(void) {
  if (!lazy_active()) return true;
  hear_criu();
  for (struct lazy_task *t = L.index.tasks; t; t = t->next)
    if (t->uffd < 0 && t->left) return false;
  return hold_descriptors();
}

/* --- events of a userfaultfd ----------------------------------------------------------------------------------------- */
static void add_child(struct lazy_task *parent, int uffd) {
  struct lazy_task *t = task_fork(parent, &L.index, uffd);
  /* Unwatched it is still served, but later: at the next turn instead of at once. */
  if (!watch(uffd)) logf_("watch a child: %s", strerror(errno));
  t->next = parent->next;
  parent->next = t;
  L.more = true;
}

/*
 * All that waits is read before anything is answered: while the layout of a process changes, the kernel refuses to install
 * anything there (EAGAIN) until the event has been read, so whatever it does accept fits the addresses known here.
 */
static void read_events(struct lazy_task *t) {
  struct uffd_msg messages[16];
  ssize_t n;
  while ((n = read(t->uffd, messages, sizeof messages)) > 0)
    for (size_t i = 0; i < (size_t)n / sizeof *messages; i++) {
      const struct uffd_msg *m = &messages[i];
      if (m->event == UFFD_EVENT_PAGEFAULT) task_fault(t, m->arg.pagefault.address & ~(uint64_t)(LAZY_PAGE - 1));
      else if (m->event == UFFD_EVENT_FORK) add_child(t, (int)m->arg.fork.ufd);
      else if (m->event == UFFD_EVENT_REMAP) task_move(t, m->arg.remap.from, m->arg.remap.to, m->arg.remap.len);
      else if (m->event == UFFD_EVENT_REMOVE || m->event == UFFD_EVENT_UNMAP) task_drop(t, m->arg.remove.start, m->arg.remove.end);
    }
}

/* --- installing ------------------------------------------------------------------------------------------------------ */
static void wake(const struct lazy_task *t, uint64_t address) {
  struct uffdio_range range = {address, LAZY_PAGE};
  ioctl(t->uffd, UFFDIO_WAKE, &range);
}

/* Does nothing, and says by its error in which state the process is: the source can never be read. */
static enum outcome probe(const struct lazy_task *t) {
  static void *unreadable;
  if (!unreadable) unreadable = mmap(NULL, LAZY_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct uffdio_copy copy = {.dst = 1 << 20, .src = (uintptr_t)unreadable, .len = LAZY_PAGE};
  if (!ioctl(t->uffd, UFFDIO_COPY, &copy)) return WELL;
  return errno == EAGAIN ? CHANGING : errno == ESRCH ? GONE : WELL;
}

static enum outcome failed(const char *what) {
  logf_("post-copy: %s: %s", what, strerror(errno));
  L.pause_until = now_ms() + PAUSE_MS;
  return FAILED;
}

/* Installs `n` pages, at most SLICE, that have arrived. */
static enum outcome install(struct lazy_task *t, uint64_t address, uint64_t page, uint64_t n) {
  ssize_t got = pread(L.index.pages_fd, piece, n * LAZY_PAGE, (off_t)(page * LAZY_PAGE));
  if (got >= 0 && got < LAZY_PAGE) errno = EIO;
  if (got < LAZY_PAGE) return failed("read lazy.pages");
  uint64_t end = (uint64_t)got / LAZY_PAGE, span = end;
  bool missed = false;
  for (uint64_t at = 0; at < end;) {
    if (span > end - at) span = end - at;
    struct uffdio_copy copy = {.dst = address + at * LAZY_PAGE, .src = (uintptr_t)(piece + at * LAZY_PAGE), .len = span * LAZY_PAGE};
    int error = ioctl(t->uffd, UFFDIO_COPY, &copy) ? errno : 0;
    uint64_t done = !error ? span : copy.copy > 0 ? (uint64_t)copy.copy / LAZY_PAGE : 0;
    if (!done && error == ENOENT && span > 1) {
      /* One call may not reach over the border of two mappings. */
      span /= 2;
      continue;
    }
    if (!done && error == ENOENT && !missed) {
      /* Gone, or moved while we asked. Only if it moved does asking again say EAGAIN: the event of that is unread. */
      missed = true;
      continue;
    }
    if (!done && (error == EEXIST || error == ENOENT)) {
      wake(t, copy.dst);
      done = 1;
    }
    if (!done) return error == EAGAIN ? CHANGING : error == ESRCH ? GONE : failed("install");
    task_installed(t, page + at, done);
    at += done;
    span = end - at;
    missed = false;
  }
  return WELL;
}

static bool is_ready(const struct lazy_task *t, uint64_t page) { return bit_get(t->missing, page) && bit_get(L.index.arrived, page); }

/* How many pages from this one on can be installed at once. */
static uint64_t ready_run(const struct lazy_task *t, uint64_t page, uint64_t most) {
  uint64_t n = 0;
  while (n < most && is_ready(t, page + n)) n++;
  return n;
}

static enum outcome zero(const struct lazy_task *t, uint64_t address) {
  struct uffdio_zeropage zero = {.range = {address, LAZY_PAGE}};
  if (!ioctl(t->uffd, UFFDIO_ZEROPAGE, &zero)) return WELL;
  if (errno == EAGAIN) return CHANGING;
  if (errno == ESRCH) return GONE;
  if (errno != EEXIST && errno != ENOENT) return failed("zero");
  wake(t, address);
  return WELL;
}

/* Answers one fault, or says by *waits that its page has not arrived. */
static enum outcome answer(struct lazy_task *t, uint64_t address, bool *waits) {
  const struct extent *e = task_find(t, address);
  uint64_t into = e ? (address - e->start) / LAZY_PAGE : 0;
  if (!e || !bit_get(t->missing, e->page + into)) return zero(t, address);
  uint64_t n = ready_run(t, e->page + into, e->pages - into < AROUND ? e->pages - into : AROUND);
  *waits = n == 0;
  return n ? install(t, address, e->page + into, n) : WELL;
}

static void note(struct lazy_task *t, enum outcome outcome) {
  if (outcome == CHANGING) t->changing = true;
  if (outcome == GONE) t->gone = true;
}

static void answer_faults(struct lazy_task *t) {
  size_t kept = 0;
  t->changing = false;
  for (size_t i = 0; i < t->fault_count; i++) {
    bool waits = false;
    enum outcome outcome = t->gone || t->changing ? CHANGING : answer(t, t->faults[i].address, &waits);
    note(t, outcome);
    if (waits || outcome != WELL) t->faults[kept++] = t->faults[i];
  }
  t->fault_count = kept;
}

/* Installs what has arrived, up to *budget pages. */
static void fill(struct lazy_task *t, uint64_t *budget) {
  for (size_t i = 0; i < t->count && t->left; i++) {
    const struct extent *e = &t->extents[i];
    for (uint64_t page = e->page, end = e->page + e->pages; page < end;) {
      uint64_t word = t->missing[page / 64] & L.index.arrived[page / 64] & ~0ULL << (page % 64);
      if (!word) {
        page = page / 64 * 64 + 64;
        continue;
      }
      page = page / 64 * 64 + (uint64_t)__builtin_ctzll(word);
      if (page >= end) break;
      if (!*budget) return;
      uint64_t n = ready_run(t, page, end - page < *budget ? end - page : *budget);
      enum outcome outcome = install(t, e->start + (page - e->page) * LAZY_PAGE, page, n);
      note(t, outcome);
      if (outcome != WELL) return;
      *budget -= n;
      page += n;
    }
  }
}

/* --- what the agent is told ------------------------------------------------------------------------------------------ */
/* The page that a fault waits for; false when it waits for none. */
static bool wanted_page(const struct lazy_task *t, const struct fault *f, uint64_t *page) {
  const struct extent *e = task_find(t, f->address);
  if (!e) return false;
  *page = e->page + (f->address - e->start) / LAZY_PAGE;
  return bit_get(t->missing, *page) && !bit_get(L.index.arrived, *page);
}

static unsigned put_wanted(struct buf *out, bool again) {
  unsigned count = 0;
  for (struct lazy_task *t = L.index.tasks; t; t = t->next)
    for (size_t i = 0; i < t->fault_count && count < MAX_WANTED; i++) {
      uint64_t page;
      if ((t->faults[i].told && !again) || !wanted_page(t, &t->faults[i], &page)) continue;
      t->faults[i].told = true;
      put_u64(out, page);
      count++;
    }
  return count;
}

static void tell_wanted(void) {
  struct buf pages = {0};
  if (L.watcher && put_wanted(&pages, false)) {
    size_t frame = frame_begin(&L.watcher->out, EVT_WANTED);
    buf_put(&L.watcher->out, pages.data, buf_pending(&pages));
    frame_end(&L.watcher->out, frame);
  }
  free(pages.data);
}

static void end_if_over(void) {
  for (struct lazy_task *t = L.index.tasks; t; t = t->next) {
    if (t->left) return;
    /* An unread fork is a child that still has to get its pages. */
    if (probe(t) == CHANGING) {
      t->changing = true;
      return;
    }
  }
  close_all();
  L.over = true;
  if (L.watcher) frame_end(&L.watcher->out, frame_begin(&L.watcher->out, EVT_LAZY_DONE));
}

void lazy_state(struct buf *out, struct conn *c) {
  uint64_t missing = 0;
  for (size_t w = 0; lazy_active() && w < bit_words(L.index.limit); w++) {
    uint64_t word = 0;
    for (struct lazy_task *t = L.index.tasks; t; t = t->next) word |= t->missing[w];
    missing += (uint64_t)__builtin_popcountll(word);
  }
  put_u64(out, L.total);
  put_u64(out, L.arrived);
  put_u64(out, L.total - missing);
  put_u8(out, L.over);
  put_wanted(out, true);
  L.watcher = c;
}

bool lazy_known(void) { return L.open; }

/* 0 or errno. Nothing is marked unless all of it can be. */
int lazy_arrived(struct reader ranges) {
  if (!L.open) return ESRCH;
  if (ranges.left % 16) return EINVAL;
  if (L.over) return 0;
  for (struct reader r = ranges; r.left;) {
    uint64_t first = get_u64(&r), n = get_u64(&r);
    if (n > L.index.limit || first > L.index.limit - n) return EINVAL;
  }
  int error = 0;
  while (ranges.left) {
    uint64_t first = get_u64(&ranges), n = get_u64(&ranges);
    if (!n || !bits_set(L.index.arrived, first, n)) continue;
    size_t from = (size_t)(first / 8), to = (size_t)((first + n + 7) / 8);
    ssize_t written = pwrite(L.index.arrived_fd, (uint8_t *)L.index.arrived + from, to - from, (off_t)from);
    if (written != (ssize_t)(to - from)) error = written < 0 ? errno : EIO;
  }
  L.arrived = count_bits(L.index.named, L.index.arrived);
  L.more = true;
  return error;
}

/* --- the turn -------------------------------------------------------------------------------------------------------- */
int lazy_fd(void) { return lazy_active() ? L.epoll : -1; }

static bool is_changing(void) {
  for (struct lazy_task *t = L.index.tasks; t; t = t->next)
    if (t->changing) return true;
  return false;
}

/* How long poll may wait at most, in ms. */
int lazy_wait(int most) {
  if (!lazy_active()) return most;
  int wait = L.finished ? PROBE_MS : most;
  if (now_ms() < L.pause_until) wait = PAUSE_MS;
  else if (is_changing()) wait = RETRY_MS;
  else if (L.finished && L.more) wait = 0;
  return wait < most ? wait : most;
}

static void drop_gone(void) {
  for (struct lazy_task **at = &L.index.tasks; *at;) {
    struct lazy_task *t = *at;
    if (!t->gone) {
      at = &t->next;
      continue;
    }
    *at = t->next;
    task_free(t);
  }
}

void lazy_tick(void) {
  if (!lazy_active()) return;
  hear_criu();
  bool paused = now_ms() < L.pause_until, probing = L.finished && now_ms() - L.probed >= PROBE_MS;
  if (probing) L.probed = now_ms();
  /* A child that a fork adds comes behind its parent, so this reaches it too. */
  for (struct lazy_task *t = L.index.tasks; t; t = t->next) {
    if (t->uffd < 0) continue;
    read_events(t);
    if (!paused) answer_faults(t);
    if (probing) note(t, probe(t));
  }
  if (L.finished && L.more && !paused) {
    uint64_t budget = SLICE;
    for (struct lazy_task *t = L.index.tasks; t && budget; t = t->next)
      if (!t->gone && !t->changing) fill(t, &budget);
    L.more = !budget || now_ms() < L.pause_until || is_changing();
  }
  drop_gone();
  tell_wanted();
  if (L.finished) end_if_over();
}
