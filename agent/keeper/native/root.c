/*
 * The root of a cell away from home: the device's files with writable layers over some of them. Everything that is
 * mounted below a layer is bound into it again, and the cell's own directory too: images and the socket must not be
 * caught by the layer.
 */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void cover(const struct overlay_spec *spec, const char *root, const struct mount_table *table) {
  char *target = strcmp(spec->mount_point, "/") ? join(root, spec->mount_point) : must_alloc(strdup(root));
  const struct mount_point *holder = mount_holding(table, spec->mount_point);
  bool mounts_below = false;
  for (size_t i = 0; i < table->count; i++) mounts_below |= is_below(table->at[i].path, spec->mount_point);
  if (mounts_below && K.info & INFO_USERNS) overlay_tree(spec, target, table);
  else {
    mount_overlay(spec, target);
    for (size_t i = 0; holder && i < table->count; i++) {
      const struct mount_point *m = &table->at[i];
      if (m->parent != holder->id || !is_below(m->path, spec->mount_point)) continue;
      char *to = join(root, m->path);
      /* A mount point that a later mount hides cannot be reached, and need not be. */
      if (mount(m->path, to, NULL, MS_BIND | MS_REC, NULL)) {
        if (errno != ENOENT) setup_failed("bind %s", m->path);
        logf_("left out the hidden mount %s", m->path);
      }
      free(to);
    }
  }
  free(target);
}

static int outermost_first(const void *a, const void *b) {
  const struct overlay_spec *x = a, *y = b;
  return strcmp(x->mount_point, y->mount_point);
}

void build_root(struct cell_spec *spec) {
  struct mount_table table;
  read_mounts(&table);
  char *root = join(K.dir, "root");
  mkdir(root, 0700);
  qsort(spec->overlays, (size_t)spec->overlay_count, sizeof *spec->overlays, outermost_first);
  if (strcmp(spec->overlays[0].mount_point, "/")) bind_mount("/", root, MS_REC);
  for (int i = 0; i < spec->overlay_count; i++) cover(&spec->overlays[i], root, &table);
  char *own = join(root, K.dir);
  make_path(own, true);
  bind_mount(K.dir, own, 0);
  for (int i = 0; i < spec->bind_count; i++) {
    struct stat st;
    if (stat(spec->binds[i].source, &st)) setup_failed("find %s", spec->binds[i].source);
    char *to = join(root, spec->binds[i].target);
    make_path(to, S_ISDIR(st.st_mode));
    bind_mount(spec->binds[i].source, to, MS_REC);
    if (spec->binds[i].read_only) make_read_only(to);
    free(to);
  }
  /* "." twice stacks the old root on the new one, from where it is taken off: pivot_root(2). */
  if (chdir(root) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
    setup_failed("pivot to %s", root);
  K.info |= INFO_OVERLAY;
  free(own);
  free(root);
}
