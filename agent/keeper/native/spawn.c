/* Starting children: the app, and criu (alone, or below a session leader on the pty for --shell-job). */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define COMPAT_ARCH AUDIT_ARCH_I386
#define NUMBER_MASK 0xbfffffffu /* without the x32 bit */
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#define COMPAT_ARCH AUDIT_ARCH_ARM
#define NUMBER_MASK 0xffffffffu
#else
#error "no seccomp filter for this architecture"
#endif

static void reset_signals(void) {
  sigset_t none;
  for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* criu cannot dump an io_uring. Told that the kernel has none, programs fall back. 425 to 427 in both ABIs of an arch. */
static int deny_io_uring(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, COMPAT_ARCH, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, NUMBER_MASK),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 425, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 427, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
  /* Allowed without no_new_privs to who has CAP_SYS_ADMIN in its user namespace, which the keeper has: seccomp(2). */
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* The app has the capabilities of the user that owns the cell, none; criu needs the ones that the cell gives. */
static int set_capabilities(bool keep) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {0};
  if (!keep) {
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)) return -1;
    return (int)syscall(SYS_capset, &head, data);
  }
  if (syscall(SYS_capget, &head, data)) return -1;
  /* criu would become uid 0 on its way where it may (prepare_userns_creds); the mapping of an ordinary user has none. */
  if (geteuid()) data[0].effective = data[0].permitted &= ~(1U << CAP_SETUID);
  data[0].inheritable = data[0].permitted;
  data[1].inheritable = data[1].permitted;
  if (syscall(SYS_capset, &head, data)) return -1;
  for (unsigned long cap = 0; cap < 64; cap++)
    if (data[cap / 32].permitted >> (cap % 32) & 1) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
  return 0;
}

static int own_terminal(void) {
  int fd = tty_open_slave(0);
  if (setsid() < 0 || fd < 0 || ioctl(fd, TIOCSCTTY, 0)) return -1;
  return fd;
}

static __attribute__((noreturn)) void report(int fd, int stage) {
  int words[2] = {stage, errno};
  if (write(fd, words, sizeof words) < 0) _exit(126);
  _exit(127);
}

/* Closes everything above 2 but `a`, `b` and `c` (-1: none). A leaked descriptor would make the app undumpable. */
static void close_others(int a, int b, int c) {
  int top = 2;
  if (a > top) top = a;
  if (b > top) top = b;
  if (c > top) top = c;
  for (int fd = 3; fd < top; fd++)
    if (fd != a && fd != b && fd != c) close(fd);
  close_range((unsigned)top + 1, ~0U, 0);
}

static pid_t await_exec(pid_t pid, int report_fd, int *stage) {
  int words[2];
  ssize_t n;
  do n = read(report_fd, words, sizeof words);
  while (n < 0 && errno == EINTR);
  close(report_fd);
  if (n != sizeof words) return pid;
  waitpid(pid, NULL, 0);
  *stage = words[0];
  return -words[1];
}

/*
 * Puts something under every number below `end`, so that the app gets these for itself: it opens nothing there before it
 * lets go of them. Returns where `fd` is from now on.
 */
static int reserve_below(int end, int fd) {
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, end);
  if (moved < 0) return fd;
  close(fd);
  int nothing = open("/dev/null", O_RDONLY);
  for (int i = nothing + 1; nothing >= 0 && i < end; i++) dup2(nothing, i);
  return moved;
}

/* Returns the PID, or -errno with *stage set when the app could not be started. */
pid_t spawn_app(const char *program, char **argv, char **env, const char *cwd, int reserved, int *stage) {
  int fds[2];
  *stage = STAGE_SETUP;
  if (pipe2(fds, O_CLOEXEC)) return -errno;
  pid_t pid = fork();
  if (pid < 0) {
    int error = errno;
    close(fds[0]);
    close(fds[1]);
    return -error;
  }
  if (pid) {
    close(fds[1]);
    return await_exec(pid, fds[0], stage);
  }
  int tty = own_terminal();
  if (tty < 0) report(fds[1], STAGE_SETUP);
  for (int i = 0; i < 3; i++) dup2(tty, i);
  close_others(fds[1], -1, -1);
  if (reserved) fds[1] = reserve_below(reserved, fds[1]);
  if (chdir(cwd)) report(fds[1], STAGE_CWD);
  environ = env;
  /* To dump a process with a seccomp filter criu needs CAP_SYS_ADMIN in the first user namespace: ptrace(2). */
  if (K.info & INFO_USERNS) preload_no_ring();
  else if (!(K.info & INFO_PLAIN) && deny_io_uring()) report(fds[1], STAGE_SETUP);
  if (K.info & INFO_USERNS && geteuid() && set_capabilities(false)) report(fds[1], STAGE_SETUP);
  reset_signals();
  execvp(program, argv);
  report(fds[1], STAGE_EXEC);
}

/* One end of a socket whose other end nobody has: a page server that is never asked for a page. -1 on failure. */
static int page_socket(void) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return -1;
  return dup2(ends[0], PAGE_SOCKET_FD);
}

enum { URGENT_NICE = -10 };

static void run_criu(const struct exec_spec *spec, int report_fd) {
  /* Where that is not allowed it takes its turn. */
  if (spec->flags & EXEC_URGENT) setpriority(PRIO_PROCESS, 0, URGENT_NICE);
  int in = spec->flags & EXEC_SESSION_ON_PTY ? 0 : open("/dev/null", O_RDONLY);
  const char *path = spec->output && *spec->output ? spec->output : "/dev/null";
  int out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY, 0600);
  if (in < 0 || out < 0) report(report_fd, STAGE_SETUP);
  dup2(in, 0);
  dup2(out, 1);
  dup2(out, 2);
  int pty = -1, pages = -1;
  if (report_fd <= PTY_SLAVE_FD) report_fd = fcntl(report_fd, F_DUPFD_CLOEXEC, PTY_SLAVE_FD + 1);
  if (spec->flags & EXEC_PTY_FD) pty = dup2(K.slave, PTY_SLAVE_FD);
  if (spec->flags & EXEC_PAGE_SOCKET) pages = page_socket();
  close_others(report_fd, pty, pages);
  if (K.info & INFO_USERNS && set_capabilities(true)) report(report_fd, STAGE_SETUP);
  reset_signals();
  environ = spec->env;
  execvp(spec->argv[0], spec->argv);
  report(report_fd, STAGE_EXEC);
}

static void foreground(pid_t app) {
  pid_t group = app > 0 ? getpgid(app) : -1;
  if (group > 0) tcsetpgrp(0, group);
}

/*
 * The session leader that --shell-job wants: what a shell is to its job. criu is its child, the restored root (by
 * --restore-sibling) too. Sends the keeper two records {u32 which, u32 wait status}: 0 criu, 1 the app. SIGUSR1: criu
 * holds, the app exists; make it the terminal's foreground now, else its first read would stop it.
 */
static void lead(const struct exec_spec *spec, int report_fd, int record_fd) {
  sigset_t wanted;
  sigfillset(&wanted);
  sigprocmask(SIG_SETMASK, &wanted, NULL); /* SIGTTOU too: the leader sets the foreground from the background */
  int tty = own_terminal();
  if (tty < 0) report(report_fd, STAGE_SETUP);
  for (int i = 0; i < 3; i++) dup2(tty, i);
  tcsetpgrp(0, getpgrp());
  pid_t criu = fork();
  if (criu < 0) report(report_fd, STAGE_SETUP);
  if (!criu) run_criu(spec, report_fd);
  close_others(record_fd, -1, -1);
  for (bool criu_done = false, app_done = false; !criu_done || !app_done;) {
    int got = sigwaitinfo(&wanted, NULL), status;
    if (got == SIGUSR1) foreground(spec->track);
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      uint32_t record[2] = {pid == criu ? 0 : 1, (uint32_t)status};
      if (pid != criu && pid != spec->track) continue;
      if (pid == criu) {
        criu_done = true;
        if (status) app_done = true;
        else if (!app_done) foreground(spec->track);
      } else app_done = true;
      if (write(record_fd, record, sizeof record) < 0) _exit(1);
    }
  }
  _exit(0);
}

/* As spawn_app; STAGE_SETUP is about the output file. *leader_pipe is where the session leader's records arrive, -1 without one. */
pid_t spawn_exec(const struct exec_spec *spec, int *leader_pipe, int *stage) {
  int fds[2], records[2] = {-1, -1};
  bool leader = spec->flags & EXEC_SESSION_ON_PTY;
  *leader_pipe = -1;
  *stage = STAGE_SETUP;
  if (pipe2(fds, O_CLOEXEC)) return -errno;
  if (leader && pipe2(records, O_CLOEXEC | O_NONBLOCK)) return -errno;
  if (spec->last_pid) {
    char last[16];
    snprintf(last, sizeof last, "%u", spec->last_pid);
    if (write_file("/proc/sys/kernel/ns_last_pid", last)) logf_("set ns_last_pid: %s", strerror(errno));
  }
  pid_t pid = fork();
  if (pid == 0) {
    if (leader) lead(spec, fds[1], records[1]);
    setsid();
    run_criu(spec, fds[1]);
  }
  int error = errno;
  close(fds[1]);
  if (leader) close(records[1]);
  pid_t result = pid < 0 ? -error : await_exec(pid, fds[0], stage);
  if (pid < 0) close(fds[0]);
  if (result > 0) *leader_pipe = records[0];
  else if (leader) close(records[0]);
  return result;
}
