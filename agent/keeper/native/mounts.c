/* The mount table and small helpers around mount(2). Whatever fails here ends the setup of the cell. */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Blanks, tabs, newlines and backslashes come as \ooo: proc_pid_mountinfo(5). */
static void unescape(char *s) {
  char *to = s;
  for (char *from = s; *from;) {
    if (from[0] == '\\' && from[1] && from[2] && from[3]) {
      *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
      from += 4;
    } else *to++ = *from++;
  }
  *to = 0;
}

void read_mounts(struct mount_table *table) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  if (!file) setup_failed("read /proc/self/mountinfo");
  char *line = NULL;
  size_t size = 0;
  *table = (struct mount_table){0};
  while (getline(&line, &size, file) > 0) {
    struct mount_point m = {0};
    if (sscanf(line, "%d %d %*s %*s %ms", &m.id, &m.parent, &m.path) != 3) continue;
    unescape(m.path);
    table->at = must_alloc(realloc(table->at, (table->count + 1) * sizeof m));
    table->at[table->count++] = m;
  }
  free(line);
  fclose(file);
}

/* Whether `path` lies strictly below `above`; both absolute and without a trailing slash (but "/"). */
bool is_below(const char *path, const char *above) {
  size_t n = strcmp(above, "/") ? strlen(above) : 0;
  return !strncmp(path, above, n) && path[n] == '/' && path[n + 1];
}

/* The mount that a path lies on: the longest mount point; of several on one point the last, which is on top. */
const struct mount_point *mount_holding(const struct mount_table *table, const char *path) {
  const struct mount_point *best = NULL;
  for (size_t i = 0; i < table->count; i++) {
    const struct mount_point *m = &table->at[i];
    if (strcmp(m->path, path) && !is_below(path, m->path)) continue;
    if (!best || strlen(m->path) >= strlen(best->path)) best = m;
  }
  return best;
}

char *join(const char *a, const char *b) {
  char *joined;
  size_t n = strlen(a);
  if (n && a[n - 1] == '/') n--;
  if (asprintf(&joined, "%.*s%s%s", (int)n, a, *b == '/' ? "" : "/", b) < 0) abort();
  return joined;
}

/* Makes the directories above `path`, and `path` itself as a directory or an empty file, where they are missing. */
void make_path(const char *path, bool directory) {
  char *copy = must_alloc(strdup(path));
  for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(copy, 0755);
    *slash = '/';
  }
  if (directory) mkdir(copy, 0755);
  else {
    int fd = open(copy, O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0644);
    if (fd >= 0) close(fd);
  }
  free(copy);
}

void bind_mount(const char *source, const char *target, unsigned long flags) {
  if (mount(source, target, NULL, MS_BIND | flags, NULL)) setup_failed("bind %s to %s", source, target);
}

/* Flags that the mount has already must be given again; in a user namespace they cannot be taken off: mount(2). */
void make_read_only(const char *target) {
  struct statvfs st;
  if (statvfs(target, &st)) setup_failed("look at %s", target);
  unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
  if (st.f_flag & ST_NOSUID) flags |= MS_NOSUID;
  if (st.f_flag & ST_NODEV) flags |= MS_NODEV;
  if (st.f_flag & ST_NOEXEC) flags |= MS_NOEXEC;
  if (st.f_flag & ST_NOATIME) flags |= MS_NOATIME;
  if (st.f_flag & ST_NODIRATIME) flags |= MS_NODIRATIME;
  if (st.f_flag & ST_RELATIME) flags |= MS_RELATIME;
  if (mount(NULL, target, NULL, flags, NULL)) setup_failed("make %s read-only", target);
}
