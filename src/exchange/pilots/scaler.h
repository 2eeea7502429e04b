// Scaler: the thread that carries out what the controller says: it looks at the runner, starts and cancels pilots at
// the cluster, and keeps the metrics hanse_pilots_*. The end cancels every pilot it knows, until the cluster is
// found away: the next process of the provider finds the rest.
// Threads: made and destroyed by one. Runner and cluster outlive it. Errors: none; failures are logged and tried again.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/core/clock.h"
#include "exchange/pilots/controller.h"

namespace hanse::pilots {

class Scaler {
 public:
  Scaler(PilotRunner& runner, Cluster& cluster, ControllerLimits limits, Clock& clock = system_clock());
  ~Scaler();

 private:
  void run();
  void happen(const Event& event);
  void carry_out(const Effect& effect);
  void show();
  std::int64_t now_ms() const { return clock_.mono_ns() / 1'000'000; }

  PilotRunner& runner_;
  Cluster& cluster_;
  const ControllerLimits limits_;
  Clock& clock_;
  ControllerState state_;  // the thread's, as the next
  bool away_ = false;      // the last cancel failed
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hanse::pilots
