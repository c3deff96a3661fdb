/* Four threads and a file that is deleted but open. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile long turns[4];

static void *work(void *index) {
  for (;;) {
    turns[(long)index]++;
    usleep(5000);
  }
  return NULL;
}

int main(void) {
  char name[] = "/tmp/flick-deleted-XXXXXX";
  int file = mkstemp(name);
  if (file < 0 || unlink(name) != 0) return 1;
  pthread_t threads[4];
  for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, (void *)i);
  for (int beat = 1;; beat++) {
    dprintf(file, "%06d\n", beat);
    char last[8] = "";
    pread(file, last, 6, (beat - 1) * 7L);
    printf("beat %d file %s size %ld threads %ld %ld %ld %ld\n", beat, last, (long)lseek(file, 0, SEEK_CUR),
           turns[0], turns[1], turns[2], turns[3]);
    fflush(stdout);
    usleep(100000);
  }
}
