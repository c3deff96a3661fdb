/* The pty and its scrollback: the master is always drained into a ring, so the app never blocks on an unread terminal. */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A fresh devpts numbers its ptys from 0 on. The job of somebody's shell had another one, and criu opens its terminal by
 * that path again: the ones before it are opened, and closed once the right one is there.
 */
static int open_numbered(void) {
  /* The device's own ptys have the numbers that come. */
  if (K.info & INFO_PLAIN) {
    int own = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (own >= 0 && ioctl(own, TIOCGPTN, &K.tty_index)) {
      close(own);
      return -1;
    }
    return own;
  }
  int before[MAX_TTY_INDEX], master = -1;
  unsigned count = 0;
  for (;;) {
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0 || count == K.tty_index) break;
    before[count++] = master;
  }
  while (count) close(before[--count]);
  return master;
}

int tty_open_slave(int flags) {
  char path[32];
  snprintf(path, sizeof path, "/dev/pts/%u", K.tty_index);
  return open(path, O_RDWR | O_NOCTTY | flags);
}

void pty_open(size_t ring_bytes) {
  K.ring_cap = ring_bytes;
  K.ring = must_alloc(malloc(ring_bytes));
  K.master = open_numbered();
  int unlock = 0;
  if (K.master < 0 || ioctl(K.master, TIOCSPTLCK, &unlock)) setup_failed("open /dev/ptmx");
  /* Kept open for the life of the cell: with no slave open at all the master would answer EIO between two owners. */
  K.slave = tty_open_slave(O_CLOEXEC);
  struct stat st;
  if (K.slave < 0 || fstat(K.slave, &st)) setup_failed("open /dev/pts/%u", K.tty_index);
  K.tty_rdev = st.st_rdev;
  K.tty_dev = st.st_dev;
  pty_resize(80, 24);
  K.info |= INFO_HUSH;
}

void pty_resize(uint16_t cols, uint16_t rows) {
  struct winsize size = {.ws_col = cols, .ws_row = rows};
  if (ioctl(K.master, TIOCSWINSZ, &size)) return;
  K.cols = cols;
  K.rows = rows;
}

void ring_append(const uint8_t *bytes, size_t n) {
  K.ring_end += n;
  if (n > K.ring_cap) {
    bytes += n - K.ring_cap;
    n = K.ring_cap;
  }
  size_t at = (size_t)((K.ring_end - n) % K.ring_cap);
  size_t first = n < K.ring_cap - at ? n : K.ring_cap - at;
  memcpy(K.ring + at, bytes, first);
  memcpy(K.ring, bytes + first, n - first);
  if (K.ring_end - K.ring_start > K.ring_cap) K.ring_start = K.ring_end - K.ring_cap;
}

/* Copies [from, from + n), which must lie within the ring. */
void ring_copy(uint64_t from, uint8_t *to, size_t n) {
  size_t at = (size_t)(from % K.ring_cap);
  size_t first = n < K.ring_cap - at ? n : K.ring_cap - at;
  memcpy(to, K.ring + at, first);
  memcpy(to + first, K.ring, n - first);
}

/* Bounded, so that an app that prints for ever does not starve the connections. */
void pty_drain(void) {
  uint8_t bytes[65536];
  for (int round = 0; K.master >= 0 && round < 32; round++) {
    ssize_t n = read(K.master, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    hush_pass(bytes, (size_t)n);
  }
}

/* Drains until nothing came for `quiet_ms`: the kernel hands a slave's last bytes to the master from a work queue. */
void pty_settle(int quiet_ms) {
  struct pollfd p = {.fd = K.master, .events = POLLIN};
  uint64_t end = now_ms() + 500;
  do pty_drain();
  while (K.master >= 0 && now_ms() < end && poll(&p, 1, quiet_ms) > 0);
  hush_flush();
}

void pty_flush_input(void) {
  while (K.master >= 0 && buf_pending(&K.input)) {
    ssize_t n = write(K.master, K.input.data + K.input.head, buf_pending(&K.input));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    buf_take(&K.input, (size_t)n);
  }
}
