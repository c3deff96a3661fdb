/*
 * flick-keeper dirty PID...: which pages the processes write, by asynchronous write protection of a userfaultfd
 * (Linux 6.7; Documentation/admin-guide/mm/pagemap.rst, PAGEMAP_SCAN). The userfaultfd has to be made by the process
 * whose memory it is: one of its threads is stopped for two system calls. The kernel then clears a bit at the first
 * write to a page, and nobody waits. When this program ends, however it does, the protection is gone.
 *
 * For a byte `a` on standard input, all pages that were written since the answer before (at first: all there are), which
 * are protected again; for `l` the same without protecting them. Records on standard output, little-endian: u64 place
 * of the PID among the arguments, u64 address, u64 pages; ENDS in the first field ends the answer. One such record comes
 * at the beginning, when it watches. A process that it cannot watch counts as written all over. Exit status 1, with a sentence on
 * standard error: it can watch none of them.
 */
#define _GNU_SOURCE
#include "keeper.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Newer than the headers that this is compiled with. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#ifndef PAGEMAP_SCAN
struct page_region { uint64_t start, end, categories; };
struct pm_scan_arg {
  uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PM_SCAN_WP_MATCHING 1
#define PAGE_IS_WPALLOWED 1
#define PAGE_IS_WRITTEN 2
#define PAGE_IS_FILE 4
#define PAGE_IS_PRESENT 8
#define PAGE_IS_SWAPPED 16
#endif

enum { MAX_TASKS = 256, REGIONS = 512, PAGE = 4096, STOP_MS = 200 };
#define ENDS UINT64_MAX
/* Mappings of more addresses are reserved rather than used; agent/memory/processMemory.ts leaves them out too. */
#define LARGEST_MAPPING (1ULL << 37)

struct watched { pid_t pid; int uffd; };

static void answer(uint64_t place, uint64_t address, uint64_t pages) {
  uint64_t record[] = {place, address, pages};
  if (fwrite(record, sizeof record, 1, stdout) != 1) exit(0);
}

#ifdef __x86_64__
static FILE *open_of(pid_t pid, const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  return fopen(path, "re");
}

/* Where the process has a system call instruction: in the kernel's own library, which every process has. */
static uint64_t syscall_instruction(pid_t pid) {
  FILE *maps = open_of(pid, "maps"), *mem = open_of(pid, "mem");
  char line[512];
  uint64_t start, end, found = 0;
  while (maps && mem && fgets(line, sizeof line, maps)) {
    if (!strstr(line, "[vdso]") || sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) != 2 || end - start > 1 << 20)
      continue;
    uint8_t *code = must_alloc(malloc(end - start));
    if (!fseeko(mem, (off_t)start, SEEK_SET) && fread(code, end - start, 1, mem) == 1) {
      const uint8_t *at = memmem(code, end - start, "\x0f\x05", 2);
      if (at) found = start + (uint64_t)(at - code);
    }
    free(code);
    break;
  }
  if (maps) fclose(maps);
  if (mem) fclose(mem);
  return found;
}

/* Waits for a thread to stop, but not for one that sits in an uninterruptible call. */
static bool await_stop(pid_t tid) {
  for (int waited = 0; waited < STOP_MS; waited++) {
    int status;
    pid_t got = waitpid(tid, &status, __WALL | WNOHANG);
    if (got == tid) return WIFSTOPPED(status);
    if (got < 0) return false;
    poll(NULL, 0, 1);
  }
  return false;
}

/* One system call in a stopped thread, whose registers are put back. @returns its result, or -errno */
static int64_t call_in(pid_t tid, const struct user_regs_struct *kept, uint64_t at, uint64_t number, uint64_t argument) {
  struct user_regs_struct regs = *kept;
  regs.rip = at;
  regs.rax = number;
  regs.rdi = argument;
  /* None that the kernel would begin again. */
  regs.orig_rax = (uint64_t)-1;
  int64_t result = -ESRCH;
  if (!ptrace(PTRACE_SETREGS, tid, NULL, &regs)) {
    int status;
    bool stepped = !ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL) && waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status);
    if (stepped && !ptrace(PTRACE_GETREGS, tid, NULL, &regs)) result = (int64_t)regs.rax;
  }
  ptrace(PTRACE_SETREGS, tid, NULL, kept);
  return result;
}

/* A userfaultfd of the process, here alone. @returns -errno */
static int take_userfaultfd(pid_t pid, pid_t tid) {
  uint64_t at = syscall_instruction(pid), mask, all = ~0ULL;
  struct user_regs_struct kept;
  int mine = -EOPNOTSUPP;
  if (!at || ptrace(PTRACE_GETREGS, tid, NULL, &kept) || kept.cs != 0x33) return mine;
  if (ptrace(PTRACE_GETSIGMASK, tid, sizeof mask, &mask) || ptrace(PTRACE_SETSIGMASK, tid, sizeof all, &all)) return -errno;
  int64_t theirs = call_in(tid, &kept, at, SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
  if (theirs >= 0) {
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    mine = process < 0 ? -errno : (int)syscall(SYS_pidfd_getfd, process, (int)theirs, 0);
    if (process >= 0 && mine < 0) mine = -errno;
    if (process >= 0) close(process);
    call_in(tid, &kept, at, SYS_close, (uint64_t)theirs);
  } else mine = (int)theirs;
  ptrace(PTRACE_SETSIGMASK, tid, sizeof mask, &mask);
  return mine;
}

static int watch(pid_t pid) {
  if (ptrace(PTRACE_SEIZE, pid, NULL, NULL)) return -errno;
  int fd = -EBUSY;
  if (!ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) && await_stop(pid)) {
    fd = take_userfaultfd(pid, pid);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
  }
  struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED};
  if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
    int error = errno;
    close(fd);
    fd = -error;
  }
  return fd;
}
#else
static int watch(pid_t pid) {
  (void)pid;
  return -EOPNOTSUPP;
}
#endif

static __attribute__((noreturn)) void give_up(const char *what) {
  fprintf(stderr, "The kernel does not say which pages are written: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* Written pages of a mapping; those that can be protected are, and the others are always written. */
static void scan(int pagemap, uint64_t place, uint64_t start, uint64_t end, bool tracked, bool protect) {
  static struct page_region regions[REGIONS];
  struct pm_scan_arg arg = {
      .size = sizeof arg, .start = start, .end = end, .vec = (uintptr_t)regions, .vec_len = REGIONS,
      .flags = tracked && protect ? PM_SCAN_WP_MATCHING : 0,
      .category_mask = PAGE_IS_FILE | (tracked ? PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN : PAGE_IS_WPALLOWED),
      .category_inverted = PAGE_IS_FILE | (tracked ? 0 : PAGE_IS_WPALLOWED),
      .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
      .return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
  };
  while (arg.start < end) {
    int count = ioctl(pagemap, PAGEMAP_SCAN, &arg);
    if (count < 0 && errno == ESRCH) return;
    if (count < 0) give_up("PAGEMAP_SCAN");
    for (int i = 0; i < count; i++)
      answer(place, regions[i].start, (regions[i].end - regions[i].start) / PAGE);
    if (arg.walk_end <= arg.start) give_up("PAGEMAP_SCAN stands still");
    arg.start = arg.walk_end;
  }
}

static void scan_task(uint64_t place, const struct watched *task, bool protect) {
  char path[64], line[512];
  uint64_t start, end;
  char access[5];
  /* Opened anew each time: after an exec the process has other memory, all of which is written. */
  snprintf(path, sizeof path, "/proc/%d/pagemap", task->pid);
  int pagemap = open(path, O_RDONLY | O_CLOEXEC);
  snprintf(path, sizeof path, "/proc/%d/maps", task->pid);
  FILE *maps = fopen(path, "re");
  /* Of one that has ended nobody asks for pages. */
  if ((pagemap < 0 || !maps) && errno != ENOENT && errno != ESRCH) give_up(path);
  bool fresh = true;
  while (pagemap >= 0 && maps && fgets(line, sizeof line, maps)) {
    bool begins = fresh;
    fresh = strchr(line, '\n') != NULL;
    if (!begins || sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &start, &end, access) != 3) continue;
    if (access[0] != 'r' || access[3] != 'p' || end - start > LARGEST_MAPPING) continue;
    if (task->uffd >= 0) {
      /* What is mapped anew is not watched yet, what is watched already stays so, and some mappings cannot be. */
      struct uffdio_register range = {.range = {start, end - start}, .mode = UFFDIO_REGISTER_MODE_WP};
      if (protect) ioctl(task->uffd, UFFDIO_REGISTER, &range);
    }
    scan(pagemap, place, start, end, true, protect);
    scan(pagemap, place, start, end, false, protect);
  }
  if (maps && ferror(maps)) give_up(path);
  if (maps) fclose(maps);
  if (pagemap >= 0) close(pagemap);
}

int dirty_main(char **pids) {
  static struct watched tasks[MAX_TASKS];
  uint64_t count = 0;
  int watches = 0, error = 0;
  for (; pids[count] && count < MAX_TASKS; count++) {
    pid_t pid = (pid_t)strtol(pids[count], NULL, 10);
    tasks[count] = (struct watched){pid, pid > 1 ? watch(pid) : -ESRCH};
    if (tasks[count].uffd >= 0) watches++;
    else error = -tasks[count].uffd;
  }
  if (!watches) {
    errno = error;
    give_up("userfaultfd");
  }
  answer(ENDS, 0, 0);
  fflush(stdout);
  for (char request; read(0, &request, 1) == 1;) {
    for (uint64_t i = 0; i < count; i++) scan_task(i, &tasks[i], request == 'a');
    answer(ENDS, 0, 0);
    if (fflush(stdout)) break;
  }
  return 0;
}
