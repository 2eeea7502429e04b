// What `top -H`, debuggers and profilers show for the calling thread. At most 15 bytes; the system cuts the rest.
#pragma once

#include <pthread.h>

namespace hanse {

inline void name_thread(const char* name) { ::pthread_setname_np(::pthread_self(), name); }

}  // namespace hanse
