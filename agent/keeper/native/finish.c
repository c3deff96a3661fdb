/* The end of a cell: what must be remembered goes to disk, then to whoever listens, then everything in it goes. */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool write_all(int fd, const void *bytes, size_t n) {
  for (const uint8_t *at = bytes; n;) {
    ssize_t done = write(fd, at, n);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    n -= (size_t)done;
  }
  return true;
}

/* Durable and all or nothing: a reader never sees half a file, a power cut leaves the old state or the new one. */
void write_record(const char *name, const void *head, size_t head_bytes, const void *tail, size_t tail_bytes) {
  char temporary[32];
  snprintf(temporary, sizeof temporary, "%s.tmp", name);
  int fd = openat(K.dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0 || !write_all(fd, head, head_bytes) || !write_all(fd, tail, tail_bytes) || fsync(fd) ||
      renameat(K.dir_fd, temporary, K.dir_fd, name) || fsync(K.dir_fd))
    logf_("write %s: %s", name, strerror(errno));
  if (fd >= 0) close(fd);
}

static void write_scrollback(void) {
  size_t n = (size_t)(K.ring_end - K.ring_start);
  struct buf base = {0};
  uint8_t *bytes = must_alloc(malloc(n + 1));
  put_u64(&base, K.ring_start);
  ring_copy(K.ring_start, bytes, n);
  write_record("scrollback", base.data, base.len, bytes, n);
  free(bytes);
  free(base.data);
}

static void tell_end(struct conn *c) {
  bool exited = WIFEXITED(K.app_status), departed = K.app_state == APP_DEPARTED;
  size_t frame = frame_begin(&c->out, EVT_EXITED);
  put_u8(&c->out, (uint8_t)K.app_state);
  put_u32(&c->out, exited && !departed ? (uint32_t)WEXITSTATUS(K.app_status) : 0);
  put_u32(&c->out, exited || departed ? 0 : (uint32_t)WTERMSIG(K.app_status));
  frame_end(&c->out, frame);
  c->told_end = true;
}

/* Tells everybody the end, behind the output they subscribed to; a viewer that does not read is left after `limit_ms`. */
static void flush_all(uint64_t limit_ms) {
  for (uint64_t end = now_ms() + limit_ms; now_ms() < end;) {
    struct pollfd fds[MAX_CONNECTIONS];
    nfds_t count = 0;
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
      struct conn *c = K.conns[i];
      if (!c || c->broken || c->hold_job) continue;
      conn_pump(c);
      if (!c->told_end && !(c->subscribed && c->offset < K.ring_end)) tell_end(c);
      conn_flush(c);
      if (!c->broken && (buf_pending(&c->out) || !c->told_end))
        fds[count++] = (struct pollfd){.fd = c->fd, .events = POLLOUT};
    }
    if (!count) return;
    poll(fds, count, 50);
  }
}

void leave(int code) {
  if (!(K.info & INFO_GUARD)) {
    kill_cell();
    for (int tries = 0; tries < 200; tries++) {
      pid_t pid = waitpid(-1, NULL, WNOHANG);
      if (pid < 0) break;
      if (pid == 0) poll(NULL, 0, 10);
    }
  }
  unlinkat(K.dir_fd, "sock", 0);
  _exit(code);
}

void finish(bool departed) {
  pty_settle(10);
  bool exited = WIFEXITED(K.app_status);
  int number = exited ? WEXITSTATUS(K.app_status) : WTERMSIG(K.app_status);
  char text[32];
  snprintf(text, sizeof text, "%s %d\n", exited ? "code" : "signal", number);
  write_scrollback();
  if (departed) write_record("departed", "", 0, "", 0);
  else write_record("exit", text, strlen(text), "", 0);
  K.app_state = departed ? APP_DEPARTED : APP_EXITED;
  flush_all(2000);
  leave(0);
}
