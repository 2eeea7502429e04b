// The zygote as the pool sees it: a child process and its control socket.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/governor/cgroup.h"
#include "exchange/runtime/detail/worker.h"
#include "exchange/runtime/isolation.h"
#include "exchange/runtime/pool.h"

namespace hanse::runtime {

class ZygoteProcess {
 public:
  // Starts it and waits for its hello. Error: runtime.zygote.
  static Result<std::unique_ptr<ZygoteProcess>> start(const PoolOptions& options);
  ~ZygoteProcess();  // closes the control socket and waits for the end; kills after a while

  const PoolReport& report() const { return report_; }
  const std::vector<std::string>& kinds() const { return kinds_; }
  int control() const { return control_.get(); }
  int standard_error() const { return standard_error_.get(); }
  void drain_standard_error();
  std::string last_words() const { return ring_.tail(512); }

 private:
  Status launch(const std::string& path, const PoolOptions& options);
  Status confine(const PoolOptions& options);
  Status read_hello(std::uint32_t wait_ms);

  int pid_ = -1;
  Fd control_, standard_error_;
  Ring ring_;
  std::optional<governor::Cgroup> group_;
  PoolReport report_;
  std::vector<std::string> kinds_;
};

std::string default_worker_path();

}  // namespace hanse::runtime
