// Landlock (Linux 5.13 and later, Documentation/userspace-api/landlock.rst): the process gives up every file right
// outside one directory, and what network and scope rights the kernel's ABI knows.
#pragma once

#include <string>

#include "base/core/result.h"

namespace hanse::runtime {

std::uint32_t landlock_abi();  // 0 = not there or switched off

// All rights below `writable`, read and write of the one file `file` ("" = none), nothing else, for this process and
// what it starts; no way back. Error: runtime.sandbox.
Status restrict_files(const std::string& writable, const std::string& file, std::uint32_t abi);

}  // namespace hanse::runtime
