/*
 * criu's action script: the keeper's own executable, run by criu with CRTOOLS_SCRIPT_ACTION set. At the action named in
 * FLICK_HOLD_AT it tells the keeper and blocks until the verdict: exit status 0 lets criu go on, 1 makes it abort. A
 * keeper that went away cannot have said yes: abort.
 */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_keeper(const char *dir) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  /* sun_path holds 108 bytes, a directory name may be longer: go through a descriptor of the directory. */
  int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (dir_fd < 0) return -1;
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/sock", dir_fd);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) return -1;
  return fd;
}

static bool read_all(int fd, uint8_t *to, size_t n) {
  while (n) {
    ssize_t got = read(fd, to, n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    n -= (size_t)got;
  }
  return true;
}

/* Blocks until the keeper has a verdict on the job in whose environment this runs. */
bool await_verdict(const char *action) {
  const char *dir = getenv("FLICK_HOLD_DIR"), *job = getenv("FLICK_HOLD_JOB");
  if (!dir || !job) return false;
  int fd = connect_keeper(dir);
  if (fd < 0) return false;
  struct buf b = {0};
  size_t frame = frame_begin(&b, REQ_ANNOUNCE);
  put_u32(&b, 1);
  put_u32(&b, (uint32_t)strtoul(job, NULL, 10));
  put_str(&b, action);
  frame_end(&b, frame);
  if (write(fd, b.data, b.len) != (ssize_t)b.len) return false;
  uint8_t answer[10]; /* u32 length = 5, u8 type, u32 tag, u8 go on */
  if (!read_all(fd, answer, sizeof answer)) return false;
  return answer[4] == ANS_REPLY && answer[9] == 1;
}

int hold_main(void) {
  const char *action = getenv("CRTOOLS_SCRIPT_ACTION"), *at = getenv("FLICK_HOLD_AT");
  if (!action || !at || strcmp(action, at)) return 0;
  return await_verdict(action) ? 0 : 1;
}
