/* Never ends: shows that gas, the clock and a cancel stop a job. */
#include "hanse.h"

HANSE_EXPORT(run) void run(void) {
  for (volatile u32 n = 0;; ++n) {
  }
}
