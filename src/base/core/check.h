// check(condition): states what must hold if our own code is right. Stays on in release builds; ends the process with
// file, line and the words. Input from outside never reaches a check: it gets an Error.
#pragma once

#include <source_location>
#include <string_view>

namespace hanse {

[[noreturn]] void check_failed(std::string_view what, const std::source_location& where);

inline void check(bool condition, std::string_view what,
                  const std::source_location& where = std::source_location::current()) {
  if (!condition) [[unlikely]]
    check_failed(what, where);
}

}  // namespace hanse
