/*
 * flick-keeper cell --dir DIR [--userns UID GID] [--overlay MOUNTPOINT UPPER WORK]... [--bind|--bind-read-only SOURCE TARGET]...
 *                   [--scrollback BYTES] [--tty-index N]
 * flick-keeper plain --dir DIR [--scrollback BYTES]
 * flick-keeper guard --dir DIR [--criu-user UID]
 * flick-keeper hold
 * flick-keeper park PID GATE MARK
 * flick-keeper dirty PID...
 */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct keeper K = {.status_fd = -1, .master = -1, .slave = -1};

void logf_(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  dprintf(2, "%lld ", (long long)time(NULL));
  vdprintf(2, format, arguments);
  dprintf(2, "\n");
  va_end(arguments);
}

uint64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Ends the setup: the launcher prints the text, with errno's, on its standard output. */
void setup_failed(const char *format, ...) {
  char what[4096];
  const char *reason = strerror(errno);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  logf_("setup failed: %s: %s", what, reason);
  dprintf(K.status_fd, "error %s: %s\n", what, reason);
  _exit(1);
}

int write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = write(fd, text, strlen(text));
  int error = errno;
  close(fd);
  errno = error;
  return n == (ssize_t)strlen(text) ? 0 : -1;
}

static __attribute__((noreturn)) void usage(void) {
  dprintf(K.status_fd, "error usage: flick-keeper cell|plain|guard --dir DIR ... | hold\n");
  _exit(2);
}

static void need(char **argv, int words) {
  for (int i = 1; i <= words; i++)
    if (!argv[i]) usage();
}

static size_t parse(char **argv, struct cell_spec *spec) {
  size_t ring = MAX_PAYLOAD;
  for (; *argv; argv++) {
    if (!strcmp(*argv, "--dir")) {
      need(argv, 1);
      K.dir = *++argv;
    } else if (!strcmp(*argv, "--userns")) {
      need(argv, 2);
      spec->userns = true;
      K.in_uid = atoi(*++argv);
      K.in_gid = atoi(*++argv);
    } else if (!strcmp(*argv, "--overlay") && spec->overlay_count < MAX_OVERLAYS) {
      need(argv, 3);
      spec->overlays[spec->overlay_count++] = (struct overlay_spec){argv[1], argv[2], argv[3]};
      argv += 3;
    } else if ((!strcmp(*argv, "--bind") || !strcmp(*argv, "--bind-read-only")) && spec->bind_count < MAX_BINDS) {
      bool read_only = strcmp(*argv, "--bind");
      need(argv, 2);
      spec->binds[spec->bind_count++] = (struct bind_spec){argv[1], argv[2], read_only};
      argv += 2;
    } else if (!strcmp(*argv, "--tty-index")) {
      need(argv, 1);
      K.tty_index = (unsigned)strtoul(*++argv, NULL, 10);
      if (K.tty_index > MAX_TTY_INDEX) usage();
    } else if (!strcmp(*argv, "--criu-user")) {
      need(argv, 1);
      K.also_uid = (uid_t)atoi(*++argv);
    } else if (!strcmp(*argv, "--scrollback")) {
      need(argv, 1);
      ring = strtoul(*++argv, NULL, 10);
    } else usage();
  }
  if (!K.dir || ring < 4096 || ring > 1UL << 30) usage();
  return ring;
}

static void own_streams(void) {
  if (close_range((unsigned)K.status_fd + 1, ~0U, 0)) setup_failed("close descriptors");
  char *path = join(K.dir, "keeper.log");
  int null = open("/dev/null", O_RDWR), log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
  if (null < 0 || log < 0) setup_failed("open %s", path);
  dup2(null, 0);
  dup2(null, 1);
  dup2(log, 2);
  close(null);
  close(log);
  free(path);
}

static void run(struct cell_spec *spec, bool guard, bool plain, size_t ring) {
  setsid();
  prctl(PR_SET_NAME, "flick-keeper");
  K.info |= INFO_PAGE_SOCKET | INFO_PARK;
  if (guard) K.info |= INFO_GUARD;
  if (plain) K.info |= INFO_PLAIN;
  if ((guard || plain) && prctl(PR_SET_CHILD_SUBREAPER, 1)) setup_failed("become subreaper");
  if (!guard && !plain) build_cell(spec);
  if (!guard) pty_open(ring);
  /* Opened only now: a descriptor from before the new root would lead out of it. */
  K.dir_fd = open(K.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (K.dir_fd < 0) setup_failed("open %s", K.dir);
  serve();
}

/* Passes on what the keeper says of its setup. */
static int await_ready(int fd, pid_t pid, int out) {
  char text[4200];
  size_t n = 0;
  for (ssize_t got; n < sizeof text && (got = read(fd, text + n, sizeof text - n)) != 0;) {
    if (got < 0 && errno != EINTR) break;
    if (got > 0) n += (size_t)got;
  }
  if (n == 1 && text[0] == 'R') {
    dprintf(out, "ready %d\n", (int)pid);
    return 0;
  }
  if (n && write(out, text, n) < 0) return 1;
  if (!n) dprintf(out, "error keeper ended during its setup: %s\n", strerror(ECANCELED));
  return 1;
}

int main(int argc, char **argv) {
  static struct cell_spec spec;
  int fds[2];
  /* criu executes an action script by its path alone, no arguments: there the environment has to say it. */
  if (argc > 1 ? !strcmp(argv[1], "hold") : getenv("CRTOOLS_SCRIPT_ACTION") != NULL) return hold_main();
  if (argc > 1 && !strcmp(argv[1], "park")) return park_main(argv + 2);
  if (argc > 1 && !strcmp(argv[1], "dirty")) return dirty_main(argv + 2);
  K.status_fd = 1;
  if (argc < 2 || (strcmp(argv[1], "cell") && strcmp(argv[1], "plain") && strcmp(argv[1], "guard"))) usage();
  bool guard = !strcmp(argv[1], "guard"), plain = !strcmp(argv[1], "plain");
  size_t ring = parse(argv + 2, &spec);
  char *real = realpath(K.dir, NULL);
  if (!real) setup_failed("find %s", K.dir);
  K.dir = real;
  int out = fcntl(1, F_DUPFD_CLOEXEC, 3);
  if (out != 3) {
    dup3(out, 3, O_CLOEXEC);
    out = 3;
  }
  K.status_fd = out;
  own_streams();
  if (plain && (spec.userns || spec.overlay_count || spec.bind_count)) usage();
  if (!guard && spec.userns) {
    enter_user_namespace(K.in_uid, K.in_gid);
    K.info |= INFO_USERNS;
  }
  if (!guard && !plain && unshare(CLONE_NEWPID | CLONE_NEWNS)) setup_failed("unshare PID and mount namespace");
  if (pipe2(fds, O_CLOEXEC)) setup_failed("pipe");
  pid_t pid = fork();
  if (pid < 0) setup_failed("fork");
  if (pid) {
    close(fds[1]);
    return await_ready(fds[0], pid, out);
  }
  close(fds[0]);
  close(out);
  K.status_fd = fds[1];
  run(&spec, guard, plain, ring);
}
