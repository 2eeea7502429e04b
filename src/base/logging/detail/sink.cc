#include "base/logging/detail/sink.h"

#include "base/core/text.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace hanse::logging::detail {

namespace {

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::kTrace: return spdlog::level::trace;
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarn: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
  }
  return spdlog::level::off;
}

class SpdlogSink final : public Sink {
 public:
  explicit SpdlogSink(spdlog::sink_ptr sink) : logger_("hanse", std::move(sink)) {
    logger_.set_level(spdlog::level::trace);
    logger_.set_pattern("%v");
    logger_.set_error_handler([](const std::string&) { failed() = true; });
  }
  bool write(Level level, std::string_view line) override {
    failed() = false;
    logger_.log(spdlog_level(level), spdlog::string_view_t(line.data(), line.size()));
    return !failed();
  }
  void flush() override { logger_.flush(); }

 private:
  static bool& failed() {  // the handler runs on the thread that logs
    thread_local bool flag = false;
    return flag;
  }
  spdlog::logger logger_;
};

}  // namespace

Result<std::unique_ptr<Sink>> open_sink(const Options& options) {
  try {
    if (options.file.empty()) return std::make_unique<SpdlogSink>(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    return std::make_unique<SpdlogSink>(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
        options.file, options.file_bytes_max, options.files_max));
  } catch (const std::exception& e) {
    return fail(Kind::kUnavailable, "logging.file", text("cannot log to '{}': {}", options.file, e.what()));
  }
}

}  // namespace hanse::logging::detail
