// Small kernel files, whole. Errors: governor.cgroup (internal), with path and errno.
#pragma once

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace hanse::governor {

Result<std::string> read_small(const std::string& path, std::size_t size_max);
Status write_small(const std::string& path, std::string_view value);

}  // namespace hanse::governor
