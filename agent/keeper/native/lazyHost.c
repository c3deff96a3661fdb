/* What post-copy needs of the system: userfaultfd, a socket for criu, and a process that outlives the keeper by a moment. */
#define _GNU_SOURCE
#include "lazy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define EVENTS (UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP)

void close_lazy(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* Tried once: with the events that criu asks for, which take CAP_SYS_PTRACE of the first user namespace. */
bool lazy_possible(void) {
  static int known = -1;
  if (known >= 0) return known;
  struct uffdio_api api = {.api = UFFD_API, .features = EVENTS};
  int fd = K.info & INFO_GUARD || sysconf(_SC_PAGESIZE) != LAZY_PAGE ? -1 : (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  known = fd >= 0 && !ioctl(fd, UFFDIO_API, &api);
  if (fd >= 0) close(fd);
  return known;
}

/* criu connects by the bare name, in its working directory. -1 with errno. */
int lazy_listen(int folder) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LAZY_SOCKET};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
  unlinkat(folder, LAZY_SOCKET, 0);
  mode_t mask = umask(0177);
  if (fd < 0 || fchdir(folder) || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4)) error = errno;
  umask(mask);
  if (chdir("/") || error) close_lazy(&fd);
  errno = error;
  return fd;
}

/*
 * When a process ends, its descriptors are closed before its namespace is emptied (do_exit, zap_pid_ns_processes in the
 * kernel): a keeper that is killed would for a moment leave a process that reads zeros. So a child shares the table of
 * descriptors. The namespace is emptied in the order of PIDs, so it takes the highest: all others are as good as dead when
 * the last descriptor goes.
 */
pid_t start_holder(void) {
  char before[16] = "", highest[16] = "";
  int fd = open("/proc/sys/kernel/ns_last_pid", O_RDWR | O_CLOEXEC), max = open("/proc/sys/kernel/pid_max", O_RDONLY | O_CLOEXEC);
  bool placed = fd >= 0 && max >= 0 && read(fd, before, sizeof before - 1) > 0 && read(max, highest, sizeof highest - 1) > 0;
  if (placed) {
    char last[24];
    snprintf(last, sizeof last, "%ld", strtol(highest, NULL, 10) - 2);
    placed = pwrite(fd, last, strlen(last), 0) > 0;
  }
  pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    sigset_t every;
    sigfillset(&every);
    sigprocmask(SIG_SETMASK, &every, NULL);
    prctl(PR_SET_NAME, "flick-lazy");
    for (;;) pause();
  }
  int error = errno;
  if (placed && pwrite(fd, before, strlen(before), 0) < 0) logf_("set ns_last_pid: %s", strerror(errno));
  close_lazy(&fd);
  close_lazy(&max);
  if (pid < 0) logf_("start the holder: %s", strerror(error));
  return pid > 0 ? pid : 0;
}
