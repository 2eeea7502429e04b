/* Does nothing: the cost of starting a job. */
#include "hanse.h"

HANSE_EXPORT(run) void run(void) {}
