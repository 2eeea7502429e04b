// Report: where a role says what happened, as one event with fields. The daemon writes them to its log; a test reads
// them. A seam, so that roles know no log library and no format.
// Threads: any.
#pragma once

#include <initializer_list>
#include <string_view>

#include "base/core/result.h"
#include "base/core/text.h"

namespace hanse::roles {

enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError };

struct Field {
  std::string_view key;
  TextArg value;
};

class Report {
 public:
  virtual ~Report() = default;
  virtual void say(Level level, std::string_view event, std::initializer_list<Field> fields) = 0;

  void failed(Level level, std::string_view event, const Error& error) { say(level, event, {{"error", error.str()}}); }
};

}  // namespace hanse::roles
