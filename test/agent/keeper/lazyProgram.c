/*
 * For lazy.test.ts: memory whose every page can be told from every other and from zeros. Argument: MiB. Its child, the
 * twin, has as much of its own. It is told what to do by lines on its terminal; one that begins with "twin " is for the twin.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = PAGE / 8 };
static uint8_t *area;
static long pages;
static uint64_t seed;
static const char *name = "main";

static uint64_t word(uint64_t page, uint64_t at) {
  uint64_t x = (seed << 48) ^ (page * WORDS + at + 1);
  x *= 0x9e3779b97f4a7c15;
  x ^= x >> 29;
  return x * 0xbf58476d1ce4e5b9 | 1;
}

/* Pages [from, to) of the area as they are at `base`, which stands for its beginning. */
static void check(const char *who, const uint8_t *base, long from, long to) {
  long good = 0, zero = 0, bad = 0;
  for (long page = from; page < to; page++) {
    const uint64_t *at = (const uint64_t *)(base + page * PAGE);
    int wrong = 0, zeros = 0;
    for (int i = 0; i < WORDS; i++) {
      wrong += at[i] != word((uint64_t)page, (uint64_t)i);
      zeros += at[i] == 0;
    }
    if (!wrong) good++;
    else if (zeros == WORDS) zero++;
    else bad++;
  }
  printf("%s %ld-%ld good=%ld zero=%ld bad=%ld\n", who, from, to, good, zero, bad);
}

static void forked(void) {
  pid_t pid = fork();
  if (!pid) {
    check("child", area, 0, pages);
    _exit(0);
  }
  check("parent", area, 0, pages);
  waitpid(pid, NULL, 0);
  puts("forked");
}

/* Leaves a file as soon as it can read the page, whatever is in it. */
static void note(long page, const char *path) {
  volatile uint8_t *at = area + page * PAGE;
  (void)*at;
  close(open(path, O_WRONLY | O_CREAT, 0600));
  puts("noted");
}

static long wrong(const uint8_t *base, long from, long to, int zero) {
  long count = 0;
  for (long page = from; page < to; page++)
    for (int i = 0; i < WORDS; i++)
      if (((const uint64_t *)(base + page * PAGE))[i] != (zero ? 0 : word((uint64_t)page, (uint64_t)i))) {
        count++;
        break;
      }
  return count;
}

/* Moves the first third of the area away, piece by piece; every second piece comes back to where it was. */
static void *move_about(void *result) {
  enum { PIECE = 8 };
  for (long from = 0; from + PIECE <= pages / 3; from += PIECE) {
    uint8_t *here = area + from * PAGE;
    uint8_t *place = mmap(NULL, PIECE * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    place = mremap(here, PIECE * PAGE, PIECE * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    if (from / PIECE % 2) place = mremap(place, PIECE * PAGE, PIECE * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, here);
    *(long *)result += wrong(place - from * PAGE, from, from + PIECE, 0);
  }
  return NULL;
}

/* Empties and unmaps pages of the second third, and reads those between them. */
static void *drop_some(void *result) {
  for (long at = pages / 3; at + 8 <= pages / 3 * 2; at += 8) {
    madvise(area + at * PAGE, 2 * PAGE, MADV_DONTNEED);
    munmap(area + (at + 4) * PAGE, 2 * PAGE);
    *(long *)result += wrong(area, at, at + 2, 1) + wrong(area, at + 2, at + 4, 0) + wrong(area, at + 6, at + 8, 0);
  }
  return NULL;
}

/* Forks while all of that goes on; every child and the parent read pages of the last third. */
static void storm(void) {
  pthread_t mover, dropper;
  long moved = 0, dropped = 0, forked = 0, first = pages / 3 * 2;
  pthread_create(&mover, NULL, move_about, &moved);
  pthread_create(&dropper, NULL, drop_some, &dropped);
  for (long round = 0; round < 40; round++) {
    long at = first + round * 61 % (pages - first - 8);
    pid_t pid = fork();
    int status = 0;
    if (!pid) _exit(wrong(area, at, at + 8, 0) != 0);
    if (round % 2) forked += wrong(area, at + 4, at + 8, 0);
    waitpid(pid, &status, 0);
    forked += status != 0;
  }
  pthread_join(mover, NULL);
  pthread_join(dropper, NULL);
  printf("storm over moved=%ld dropped=%ld forked=%ld\n", moved, dropped, forked);
}

static void obey(char *line) {
  long from, to;
  char path[200];
  if (sscanf(line, "check %ld %ld", &from, &to) == 2) check(name, area, from, to);
  else if (sscanf(line, "note %ld %199s", &from, path) == 2) note(from, path);
  else if (!strncmp(line, "storm", 5)) storm();
  else if (!strncmp(line, "fork", 4)) forked();
  else if (sscanf(line, "unmap %ld %ld", &from, &to) == 2) printf("unmapped %d\n", munmap(area + from * PAGE, (size_t)(to - from) * PAGE));
  else if (sscanf(line, "dontneed %ld %ld", &from, &to) == 2)
    printf("dropped %d\n", madvise(area + from * PAGE, (size_t)(to - from) * PAGE, MADV_DONTNEED));
  else if (sscanf(line, "move %ld %ld", &from, &to) == 2) {
    size_t bytes = (size_t)(to - from) * PAGE;
    uint8_t *place = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    place = mremap(area + from * PAGE, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    if (place == MAP_FAILED) puts("not moved");
    else check("moved", place - from * PAGE, from, to);
  } else if (!strncmp(line, "quit", 4)) exit(37);
  else if (!strncmp(line, "hello", 5)) printf("%s here\n", name);
}

static void fill(uint64_t with) {
  seed = with;
  for (long page = 0; page < pages; page++)
    for (int i = 0; i < WORDS; i++) ((uint64_t *)(area + page * PAGE))[i] = word((uint64_t)page, (uint64_t)i);
}

int main(int count, char **words) {
  char line[256];
  int fds[2];
  pages = (count > 1 ? atol(words[1]) : 16) << 8;
  setvbuf(stdout, NULL, _IOLBF, 0);
  area = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED || pipe(fds)) return 1;
  pid_t twin = fork();
  if (twin) fill(1);
  else {
    name = "twin";
    close(fds[1]);
    dup2(fds[0], 0);
    fill(2);
  }
  printf("%s area %#lx\n", name, (unsigned long)area);
  while (fgets(line, sizeof line, stdin)) {
    if (twin && !strncmp(line, "twin ", 5)) dprintf(fds[1], "%s", line + 5);
    else obey(line);
  }
  return 0;
}
