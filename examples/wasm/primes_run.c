/* The work of primes.c in one piece: what its steps cost is measured against this. */
#include "primes.c"

HANSE_EXPORT(run) void run(void) {
  while (step()) {
  }
}
