#include "node/daemon/version.h"

#ifndef HANSE_VERSION
#error "HANSE_VERSION comes from CMake"
#endif

namespace hanse::daemon {

std::string_view version() { return HANSE_VERSION; }

}  // namespace hanse::daemon
