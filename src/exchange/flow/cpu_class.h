// The class of the processor as receipts name it: the x86-64 micro-architecture level of the psABI ("x86-64-v1" to
// "x86-64-v4"), else the architecture's name. Any thread. Errors: none.
#pragma once

#include <string_view>

namespace hanse::flow {

std::string_view cpu_class();

}  // namespace hanse::flow
