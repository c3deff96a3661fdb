/* The loop: one poll over the socket, the pty, the signals and every connection. Nothing a peer sends may end it. */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { OUTPUT_WINDOW = 128 * 1024, OUTPUT_PIECE = 32 * 1024, MAX_BACKLOG = 4 << 20, IDLE_MS = 60000 };

void conn_flush(struct conn *c) {
  while (!c->broken && buf_pending(&c->out)) {
    ssize_t n = send(c->fd, c->out.data + c->out.head, buf_pending(&c->out), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) c->broken = true;
    if (n <= 0) break;
    buf_take(&c->out, (size_t)n);
  }
  /* It asks without reading its answers. */
  if (buf_pending(&c->out) > MAX_BACKLOG) c->broken = true;
}

/* Output is taken from the ring only as fast as the viewer reads; a slow one sees the offset jump. */
void conn_pump(struct conn *c) {
  uint8_t piece[OUTPUT_PIECE];
  while (c->subscribed && !c->broken && c->offset < K.ring_end && buf_pending(&c->out) < OUTPUT_WINDOW) {
    if (c->offset < K.ring_start) c->offset = K.ring_start;
    size_t n = K.ring_end - c->offset < sizeof piece ? (size_t)(K.ring_end - c->offset) : sizeof piece;
    ring_copy(c->offset, piece, n);
    size_t frame = frame_begin(&c->out, EVT_OUTPUT);
    put_u64(&c->out, c->offset);
    buf_put(&c->out, piece, n);
    frame_end(&c->out, frame);
    c->offset += n;
  }
}

static void conn_frames(struct conn *c) {
  while (!c->broken && buf_pending(&c->in) >= 5) {
    const uint8_t *at = c->in.data + c->in.head;
    uint32_t n = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    if (n > MAX_PAYLOAD) {
      c->broken = true;
      return;
    }
    if (buf_pending(&c->in) < 5 + (size_t)n) return;
    handle_frame(c, at[4], at + 5, n);
    buf_take(&c->in, 5 + (size_t)n);
  }
}

static void conn_read(struct conn *c) {
  uint8_t bytes[65536];
  ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) c->broken = true;
  if (n <= 0) return;
  buf_put(&c->in, bytes, (size_t)n);
  conn_frames(c);
}

static void conn_close(int slot) {
  struct conn *c = K.conns[slot];
  K.conns[slot] = NULL;
  close(c->fd);
  jobs_forget(c);
  lazy_forget(c);
  free(c->in.data);
  free(c->out.data);
  free(c);
}

/*
 * Only the user that the keeper runs as, and the one that a guard was told its criu runs as. Folder and socket modes say
 * so too; this holds should somebody widen them.
 */
bool is_own(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) && (peer.uid == geteuid() || (K.also_uid && peer.uid == K.also_uid));
}

static void accept_one(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), slot = 0;
  if (fd < 0) return;
  while (slot < MAX_CONNECTIONS && K.conns[slot]) slot++;
  if (slot == MAX_CONNECTIONS || !is_own(fd)) {
    close(fd);
    return;
  }
  K.conns[slot] = must_alloc(calloc(1, sizeof **K.conns));
  K.conns[slot]->fd = fd;
}

static int listen_here(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "sock"};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  unlinkat(K.dir_fd, "sock", 0);
  mode_t mask = umask(0177);
  /* By a relative name: sun_path holds 108 bytes, the directory's name may be longer. unix(7). */
  if (fd < 0 || fchdir(K.dir_fd) || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 64) || chdir("/"))
    setup_failed("listen in %s", K.dir);
  umask(mask);
  return fd;
}

static int watch_children(void) {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  for (int s = 1; s < NSIG; s++)
    if (s == SIGHUP || s == SIGINT || s == SIGQUIT || s == SIGPIPE || s == SIGTERM || s == SIGUSR1 || s == SIGUSR2)
      signal(s, SIG_IGN);
  return signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* An empty cell or guard that nobody has asked anything of for a minute was forgotten by whoever made it. */
static void leave_if_idle(void) {
  static uint64_t since;
  bool used = K.app_state != APP_NONE || jobs_active();
  for (int i = 0; i < MAX_CONNECTIONS && !used; i++) used = K.conns[i] != NULL;
  if (used) since = 0;
  else if (!since) since = now_ms();
  else if (now_ms() - since > IDLE_MS) leave(0);
}

void serve(void) {
  struct pollfd fds[4 + MAX_JOBS + MAX_CONNECTIONS];
  struct signalfd_siginfo info;
  int listener = listen_here(), children = watch_children();
  if (children < 0) setup_failed("watch children");
  if (write(K.status_fd, "R", 1) != 1) leave(1);
  close(K.status_fd);
  for (;;) {
    memset(fds, -1, sizeof fds);
    fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = children, .events = POLLIN};
    fds[2] = (struct pollfd){.fd = K.master, .events = (short)(POLLIN | (buf_pending(&K.input) ? POLLOUT : 0))};
    fds[3] = (struct pollfd){.fd = lazy_fd(), .events = POLLIN};
    struct pollfd *jobs = fds + 4, *conns = jobs + MAX_JOBS;
    for (int i = 0; i < MAX_JOBS; i++)
      jobs[i] = (struct pollfd){.fd = K.jobs[i].id ? K.jobs[i].leader_pipe : -1, .events = POLLIN};
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
      struct conn *c = K.conns[i];
      conns[i] = (struct pollfd){.fd = c ? c->fd : -1, .events = POLLIN};
      if (c && buf_pending(&c->out)) conns[i].events |= POLLOUT;
    }
    if (poll(fds, sizeof fds / sizeof *fds, lazy_wait(hush_wait(IDLE_MS / 2))) < 0 && errno != EINTR) logf_("poll: %s", strerror(errno));
    if (fds[2].revents) {
      pty_drain();
      pty_flush_input();
    }
    hush_tick();
    for (int i = 0; i < MAX_JOBS; i++)
      if (jobs[i].revents && K.jobs[i].leader_pipe == jobs[i].fd) job_leader_record(&K.jobs[i]);
    while (read(children, &info, sizeof info) > 0) continue;
    reap_children();
    for (int i = 0; i < MAX_CONNECTIONS; i++)
      if (K.conns[i] && conns[i].revents & (POLLIN | POLLHUP | POLLERR)) conn_read(K.conns[i]);
    lazy_tick();
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
      struct conn *c = K.conns[i];
      if (!c) continue;
      /* Until the viewer's socket is full: nothing else would wake this up for the rest. */
      do {
        conn_pump(c);
        conn_flush(c);
      } while (!c->broken && !buf_pending(&c->out) && c->subscribed && c->offset < K.ring_end);
      if (c->broken) conn_close(i);
    }
    if (fds[0].revents) accept_one(listener);
    leave_if_idle();
  }
}
