// Report: where a role says what happened, as one event with fields. The daemon passes them to base/logging; a test
// reads them.
// Threads: any.
#pragma once

#include <source_location>
#include <string_view>

#include "base/core/result.h"
#include "base/logging/log.h"

namespace hanse::roles {

using logging::Level;

class Report {
 public:
  virtual ~Report() = default;
  virtual void say(Level level, std::string_view event, logging::Fields fields,
                   const std::source_location& where = std::source_location::current()) = 0;

  void failed(Level level, std::string_view event, const Error& error,
              const std::source_location& where = std::source_location::current()) {
    say(level, event, {{"error", error.str()}}, where);
  }
};

}  // namespace hanse::roles
