/* Places the library of preload/noRing.c, which the build embeds here, into the cell. */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Relative to the folder that the compiler runs in: scripts/buildKeeper.mjs. */
__asm__(".section .rodata\n"
        ".balign 16\n"
        "no_ring_start: .incbin \"noRing.so\"\n"
        "no_ring_end:\n"
        ".previous\n");
extern const uint8_t no_ring_start[], no_ring_end[];

#define FOLDER "/proc/tty/driver"

/*
 * The same path in every cell of every device, layer or not: a process that has it mapped finds it wherever it goes.
 * A folder of the cell's own /proc that always exists and holds nothing that programs read.
 */
void place_no_ring(void) {
  const char *path = NO_RING_PATH;
  size_t n = (size_t)(no_ring_end - no_ring_start);
  if (mount("tmpfs", FOLDER, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k")) {
    logf_("mount %s: %s", FOLDER, strerror(errno));
    return;
  }
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0555);
  if (fd < 0 || fchmod(fd, 0555) || write(fd, no_ring_start, n) != (ssize_t)n) logf_("write %s: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  if (mount(NULL, FOLDER, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL))
    logf_("protect %s: %s", FOLDER, strerror(errno));
}

/* Puts it before whatever the environment preloads already. */
void preload_no_ring(void) {
  const char *others = getenv("LD_PRELOAD");
  char *both = NULL;
  if (others && *others && asprintf(&both, "%s:%s", NO_RING_PATH, others) < 0) abort();
  setenv("LD_PRELOAD", both ? both : NO_RING_PATH, 1);
  free(both);
}
