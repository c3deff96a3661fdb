/* The pty and its scrollback: the master is always drained into a ring, so the app never blocks on an unread terminal. */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void pty_open(size_t ring_bytes) {
  K.ring_cap = ring_bytes;
  K.ring = must_alloc(malloc(ring_bytes));
  K.master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  int unlock = 0;
  if (K.master < 0 || ioctl(K.master, TIOCSPTLCK, &unlock)) setup_failed("open /dev/ptmx");
  /* Kept open for the life of the cell: with no slave open at all the master would answer EIO between two owners. */
  K.slave = open("/dev/pts/0", O_RDWR | O_NOCTTY | O_CLOEXEC);
  struct stat st;
  if (K.slave < 0 || fstat(K.slave, &st)) setup_failed("open /dev/pts/0");
  K.tty_rdev = st.st_rdev;
  K.tty_dev = st.st_dev;
  pty_resize(80, 24);
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
    ring_append(bytes, (size_t)n);
  }
}

/* Drains until nothing came for `quiet_ms`: the kernel hands a slave's last bytes to the master from a work queue. */
void pty_settle(int quiet_ms) {
  struct pollfd p = {.fd = K.master, .events = POLLIN};
  uint64_t end = now_ms() + 500;
  do pty_drain();
  while (K.master >= 0 && now_ms() < end && poll(&p, 1, quiet_ms) > 0);
}

void pty_flush_input(void) {
  while (K.master >= 0 && buf_pending(&K.input)) {
    ssize_t n = write(K.master, K.input.data + K.input.head, buf_pending(&K.input));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    buf_take(&K.input, (size_t)n);
  }
}
