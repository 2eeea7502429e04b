// Where lines go: stderr, or a file that rotates. spdlog's sinks behind a logger object of our own; its registry and
// default logger are never touched (other libraries in the process use them).
#pragma once

#include <memory>
#include <string_view>

#include "base/logging/log.h"

namespace hanse::logging::detail {

class Sink {
 public:
  virtual ~Sink() = default;
  virtual bool write(Level level, std::string_view line) = 0;  // any thread; false when the line could not be written
  virtual void flush() = 0;
};

Result<std::unique_ptr<Sink>> open_sink(const Options& options);

}  // namespace hanse::logging::detail
