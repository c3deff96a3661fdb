/*
 * agent/keeper/native/hush.c between a clock and a scrollback that a test holds in its hands. Standard input has one
 * command a line: `hush MS`, `read HEX`, `wait MS` (the clock goes on, nothing is read), `show` (answered with what has
 * passed since the last one, in hexadecimal).
 */
#define _GNU_SOURCE
#include "../../../agent/keeper/native/keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t clock_ms = 1000;

uint64_t now_ms(void) { return clock_ms; }

static uint8_t passed[1 << 20];
static size_t passed_used;

void ring_append(const uint8_t *bytes, size_t n) {
  if (n > sizeof passed - passed_used) abort();
  memcpy(passed + passed_used, bytes, n);
  passed_used += n;
}

static void read_hex(const char *hex) {
  size_t n = strlen(hex) / 2;
  /* Of exactly this size, so that the sanitizer sees a read beyond it. */
  uint8_t *bytes = malloc(n ? n : 1);
  for (size_t i = 0; i < n; i++) {
    unsigned byte;
    if (!bytes || sscanf(hex + 2 * i, "%2x", &byte) != 1) abort();
    bytes[i] = (uint8_t)byte;
  }
  hush_pass(bytes, n);
  hush_tick();
  free(bytes);
}

int main(void) {
  char *line = NULL;
  size_t capacity = 0;
  for (ssize_t n; (n = getline(&line, &capacity, stdin)) > 0;) {
    line[n - 1] = 0;
    if (!strncmp(line, "hush ", 5)) hush_set((uint32_t)strtoul(line + 5, NULL, 10));
    else if (!strncmp(line, "read ", 5)) read_hex(line + 5);
    else if (!strncmp(line, "wait ", 5)) {
      clock_ms += strtoul(line + 5, NULL, 10);
      hush_tick();
    } else if (!strcmp(line, "show")) {
      for (size_t i = 0; i < passed_used; i++) printf("%02x", passed[i]);
      printf("\n");
      passed_used = 0;
    } else return 2;
  }
  free(line);
  return 0;
}
