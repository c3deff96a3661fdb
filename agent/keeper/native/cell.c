/* The namespaces of a cell, seen from inside: user mapping, mounts, /proc, a devpts of its own. */
#define _GNU_SOURCE
#include "keeper.h"

#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* One id each: more need newuidmap. setgroups must be denied before gid_map can be written: user_namespaces(7). */
void enter_user_namespace(int in_uid, int in_gid) {
  char uid_map[64], gid_map[64];
  snprintf(uid_map, sizeof uid_map, "%d %u 1", in_uid, (unsigned)geteuid());
  snprintf(gid_map, sizeof gid_map, "%d %u 1", in_gid, (unsigned)getegid());
  if (unshare(CLONE_NEWUSER)) setup_failed("unshare user namespace");
  if (write_file("/proc/self/setgroups", "deny")) setup_failed("deny setgroups");
  if (write_file("/proc/self/uid_map", uid_map)) setup_failed("map user %s", uid_map);
  if (write_file("/proc/self/gid_map", gid_map)) setup_failed("map group %s", gid_map);
}

void build_cell(struct cell_spec *spec) {
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) setup_failed("make mounts private");
  if (spec->overlay_count) build_root(spec);
  else
    for (int i = 0; i < spec->bind_count; i++) {
      bind_mount(spec->binds[i].source, spec->binds[i].target, MS_REC);
      if (spec->binds[i].read_only) make_read_only(spec->binds[i].target);
    }
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) setup_failed("mount /proc");
  place_no_ring();
  /* A devpts of its own makes the app's terminal /dev/pts/0 on every device, and numbers of other ptys never collide. */
  const char *options = spec->userns ? "newinstance,ptmxmode=0666,mode=0620" : "newinstance,ptmxmode=0666,mode=0620,gid=5";
  if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, options)) setup_failed("mount /dev/pts");
  struct stat st;
  if (lstat("/dev/ptmx", &st)) setup_failed("find /dev/ptmx");
  if (!S_ISLNK(st.st_mode)) bind_mount("/dev/pts/ptmx", "/dev/ptmx", 0);
  char last[16];
  snprintf(last, sizeof last, "%d", FIRST_PID);
  if (write_file("/proc/sys/kernel/ns_last_pid", last)) setup_failed("set ns_last_pid");
}
