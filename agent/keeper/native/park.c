/*
 * flick-keeper park PID GATE MARK: holds a process that stands still by itself, as criu holds one. The job's kind says
 * which: for a dump the process has written its capsule, and ends at the verdict; for a restore it has been built, and
 * goes on at the verdict. It waits at the FIFO GATE for a byte, and has written the file MARK before. Whoever calls it
 * off takes the gate away.
 */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often is looked, in ms. */
enum { LOOK_MS = 1 };

static bool is_there(const char *path) { return access(path, F_OK) == 0; }

static bool is_alive(pid_t pid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return false;
  text[n] = 0;
  char *end = strrchr(text, ')');
  return end && end[1] && !strchr("ZX", end[2]);
}

/* Without a reader nobody waits there: it has ended. */
static bool let_go(const char *gate) {
  int fd = open(gate, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  bool told = fd >= 0 && write(fd, "g", 1) == 1;
  if (fd >= 0) close(fd);
  return told;
}

/* Gone for good: a zombie is somebody's to reap, and runs no more. */
static void end(pid_t pid) {
  kill(pid, SIGKILL);
  while (is_alive(pid)) poll(NULL, 0, LOOK_MS);
}

int park_main(char **argv) {
  const char *at = getenv("FLICK_HOLD_AT");
  if (!at || !argv[0] || !argv[1] || !argv[2]) return 2;
  pid_t pid = (pid_t)strtol(argv[0], NULL, 10);
  const char *gate = argv[1], *mark = argv[2];
  bool dump = !strcmp(at, "post-dump");
  if (pid <= 1 || (mkfifo(gate, 0600) && errno != EEXIST)) return 2;
  while (!is_there(mark)) {
    if (!is_there(gate) || !is_alive(pid)) return 1;
    poll(NULL, 0, LOOK_MS);
  }
  bool go_on = await_verdict(at);
  if (dump == go_on) {
    end(pid);
    return go_on ? 0 : 1;
  }
  if (!let_go(gate)) return 1;
  /* It takes the gate away when it goes on. */
  while (is_there(gate) && is_alive(pid)) poll(NULL, 0, LOOK_MS);
  return go_on && !is_there(gate) ? 0 : 1;
}
