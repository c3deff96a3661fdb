/* The processes below one process, read from /proc. Only asked for while the tree is frozen by criu, so that it holds. */
#define _GNU_SOURCE
#include "keeper.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* State (proc(5)) and parent of a process; false when there is none. */
static bool read_stat(pid_t pid, char *state, int *parent) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return false;
  text[n] = 0;
  /* The command may hold blanks and parentheses: what follows its last parenthesis is "S ppid". */
  char *end = strrchr(text, ')');
  return end && sscanf(end + 1, " %c %d", state, parent) == 2;
}

static pid_t parent_of(pid_t pid) {
  char state;
  int parent;
  return read_stat(pid, &state, &parent) ? parent : 0;
}

/* Whether a tracer holds the process. */
bool is_traced(pid_t pid) {
  char state;
  int parent;
  return read_stat(pid, &state, &parent) && state == 't';
}

/* Whether a tracer holds all of them that have not ended. */
bool all_traced(const pid_t *pids) {
  char state;
  int parent;
  for (; pids && *pids > 0; pids++)
    if (*pids != 1 && read_stat(*pids, &state, &parent) && !strchr("tZX", state)) return false;
  return true;
}

/* A malloc'ed 0-terminated list, the root first. */
pid_t *process_tree(pid_t root) {
  struct { pid_t pid, parent; } *all = NULL;
  size_t count = 0, found = 0;
  DIR *proc = opendir("/proc");
  for (struct dirent *e; proc && (e = readdir(proc));) {
    pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
    if (pid <= 0) continue;
    all = must_alloc(realloc(all, (count + 1) * sizeof *all));
    all[count].pid = pid;
    all[count++].parent = parent_of(pid);
  }
  if (proc) closedir(proc);
  pid_t *tree = must_alloc(calloc(count + 2, sizeof *tree));
  tree[found++] = root;
  for (size_t i = 0; i < found; i++)
    for (size_t k = 0; k < count; k++)
      if (all[k].parent == tree[i] && all[k].pid != root && found <= count) tree[found++] = all[k].pid;
  free(all);
  return tree;
}

void signal_list(const pid_t *pids, int signal) {
  for (; pids && *pids > 0; pids++)
    if (*pids != 1) kill(*pids, signal);
}
