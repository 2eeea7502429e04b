/* Counts the primes below the number in input 0 (u32, little-endian), a block of numbers a step: a job that works in
 * steps, so that a false receipt of it is judged by one of them. What lasts between steps lies in memory. */
#include "hanse.h"

#define BLOCK 4096u

static struct {
  u32 limit, next, found, small_count;
  u32 small[6542]; /* primes below 65,536 */
  u8 sieve[BLOCK];
} work;

static void begin(void) {
  hanse_read_input(0, 0, &work.limit, 4);
  work.next = 2;
  for (u32 n = 2; n < 65536; ++n) {
    u32 is_prime = 1;
    for (u32 k = 0; k < work.small_count && work.small[k] * work.small[k] <= n; ++k) {
      if (n % work.small[k] == 0) {
        is_prime = 0;
        break;
      }
    }
    if (is_prime) work.small[work.small_count++] = n;
  }
}

/* 1: there is more to do. */
HANSE_EXPORT(step) i32 step(void) {
  if (work.next == 0) begin();
  u32 from = work.next, size = work.limit > from ? work.limit - from : 0;
  if (size > BLOCK) size = BLOCK;
  for (u32 i = 0; i < size; ++i) work.sieve[i] = 1;
  for (u32 k = 0; k < work.small_count; ++k) {
    u64 p = work.small[k], at = p * p;
    if (at >= (u64)from + size) break;
    if (at < from) at = (from + p - 1) / p * p;
    for (; at < (u64)from + size; at += p) work.sieve[at - from] = 0;
  }
  for (u32 i = 0; i < size; ++i) work.found += work.sieve[i];
  work.next = from + size;
  if (work.next < work.limit) return 1;
  hanse_write_output(0, &work.found, 4);
  return 0;
}
