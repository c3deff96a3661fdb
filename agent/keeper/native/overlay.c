/* One writable layer over a directory of the device. */
#define _GNU_SOURCE
#include "keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_directory(const char *path) {
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) setup_failed("open %s", path);
  return fd;
}

/* The kernel drops index and nfs_export with no more than a line in its log where the upper layer cannot do them. */
static void note_options(const char *target) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  char *line = NULL;
  size_t size = 0;
  while (file && getline(&line, &size, file) > 0)
    if (strstr(line, target) && strstr(line, "nfs_export=on")) K.info |= INFO_EXPORTABLE;
  free(line);
  if (file) fclose(file);
}

void mount_overlay(const struct overlay_spec *spec, const char *target) {
  /* index and nfs_export give files the handles that criu needs to dump inotify watches. In a user namespace the
   * trusted.* attributes are out of reach, so user.* ones are asked for: kernel, Documentation/filesystems/overlayfs. */
  static const char *const choices[] = {"index=on,nfs_export=on,metacopy=off", "", NULL};
  static const char *const user_choices[] = {"userxattr,index=on,nfs_export=on", "userxattr", "", NULL};
  /* Through descriptors: overlayfs gives commas, colons and backslashes in path names a meaning of their own. */
  int lower = open_directory(spec->mount_point), upper = open_directory(spec->upper), work = open_directory(spec->work);
  bool mounted = false;
  for (const char *const *choice = K.info & INFO_USERNS ? user_choices : choices; *choice && !mounted; choice++) {
    char options[256];
    snprintf(options, sizeof options,
             "lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d%s%s", lower, upper, work,
             **choice ? "," : "", *choice);
    mounted = !mount("overlay", target, "overlay", 0, options);
    if (!mounted) logf_("overlay on %s with '%s': %s", spec->mount_point, *choice, strerror(errno));
  }
  if (!mounted) setup_failed("mount overlay on %s", spec->mount_point);
  note_options(target);
  close(lower);
  close(upper);
  close(work);
}

static bool has_mount(const struct mount_table *table, const char *path, bool below) {
  for (size_t i = 0; i < table->count; i++)
    if (below ? is_below(table->at[i].path, path) : !strcmp(table->at[i].path, path)) return true;
  return false;
}

static void copy_link(const char *from, const char *to) {
  char text[PATH_MAX];
  ssize_t n = readlink(from, text, sizeof text - 1);
  if (n < 0) return;
  text[n] = 0;
  if (symlink(text, to)) logf_("link %s: %s", to, strerror(errno));
}

static void place_entry(const struct overlay_spec *spec, const char *target, const char *name,
                        const struct mount_table *table) {
  struct overlay_spec sub = {join(spec->mount_point, name), join(spec->upper, name), join(spec->work, name)};
  char *to = join(target, name);
  struct stat lower, upper, there;
  bool in_lower = !lstat(sub.mount_point, &lower), in_upper = !lstat(sub.upper, &upper);
  bool as_directory = S_ISDIR(in_upper ? upper.st_mode : lower.st_mode);
  if (!lstat(to, &there) || (!in_lower && !in_upper)) goto done;
  if (!as_directory) {
    const char *from = in_upper ? sub.upper : sub.mount_point;
    if (S_ISLNK(in_upper ? upper.st_mode : lower.st_mode)) copy_link(from, to);
    else {
      make_path(to, false);
      bind_mount(from, to, MS_REC);
    }
    goto done;
  }
  make_path(to, true);
  if (in_lower && S_ISDIR(lower.st_mode)) {
    if (has_mount(table, sub.mount_point, false) || access(sub.mount_point, R_OK | X_OK)) {
      bind_mount(sub.mount_point, to, MS_REC);
    } else {
      if (!in_upper && (mkdir(sub.upper, 0755) || chmod(sub.upper, lower.st_mode & 07777)))
        setup_failed("make %s", sub.upper);
      make_path(sub.work, true);
      if (has_mount(table, sub.mount_point, true)) overlay_tree(&sub, to, table);
      else mount_overlay(&sub, to);
    }
  } else bind_mount(sub.upper, to, 0);
done:
  free(sub.mount_point);
  free(sub.upper);
  free(sub.work);
  free(to);
}

/*
 * The same for a directory with mounts below it, in a user namespace: the kernel refuses it as one lower layer, because
 * that would uncover what the mounts hide (has_locked_children in fs/namespace.c). So every entry gets a layer of its
 * own, each in its own subdirectory of UPPER and WORK. Entries made later at this very level live in memory only.
 */
void overlay_tree(const struct overlay_spec *spec, const char *target, const struct mount_table *table) {
  if (mount("tmpfs", target, "tmpfs", 0, "mode=0755")) setup_failed("mount tmpfs for %s", spec->mount_point);
  const char *const sides[] = {spec->upper, spec->mount_point};
  for (int side = 0; side < 2; side++) {
    DIR *directory = opendir(sides[side]);
    if (!directory) setup_failed("list %s", sides[side]);
    for (struct dirent *e; (e = readdir(directory));)
      if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) place_entry(spec, target, e->d_name, table);
    closedir(directory);
  }
}
