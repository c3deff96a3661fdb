/*
 * Preloaded into the programs of a cell in a user namespace, where a seccomp filter would forbid every dump (criu may
 * not suspend it there): answers ENOSYS to io_uring calls made through libc's syscall(2), as libuv makes them. Needs
 * nothing but the C library's errno, so it serves glibc and musl. It stays mapped while a process moves: every device
 * must have the same bytes, so nothing may be added to it lightly.
 */
#include <stdarg.h>

enum { NO_SUCH_CALL = 38, RING_FIRST = 425, RING_LAST = 427 };

extern int *__errno_location(void);

static long call(long number, const long a[6]) {
#if defined(__x86_64__)
  register long r10 __asm__("r10") = a[3];
  register long r8 __asm__("r8") = a[4];
  register long r9 __asm__("r9") = a[5];
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a[0];
  register long x1 __asm__("x1") = a[1];
  register long x2 __asm__("x2") = a[2];
  register long x3 __asm__("x3") = a[3];
  register long x4 __asm__("x4") = a[4];
  register long x5 __asm__("x5") = a[5];
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#endif
}

__attribute__((visibility("default"))) long syscall(long number, ...) {
  long a[6];
  va_list list;
  va_start(list, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  long result = number >= RING_FIRST && number <= RING_LAST ? -NO_SUCH_CALL : call(number, a);
  if (result >= 0 || result < -4095) return result;
  *__errno_location() = (int)-result;
  return -1;
}
