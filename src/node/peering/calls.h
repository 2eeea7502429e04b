// Calls of other threads, carried out on the thread of a mesh, and those that wait there for something to happen.
// What a call left behind looks at its caller's variables only while the caller is there.
// Threads: `call` and `wait` from any but the mesh's; the others on the mesh's, or once it has ended.
// Errors: peering.stopped (unavailable: the mesh has stopped, or hangs), peering.limit (exhausted: kWaitsMax wait).
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>

#include "mesh/transport/sockets.h"
#include "node/peering/mesh_node.h"

namespace hanse::peering {

class Calls {
 public:
  std::atomic<bool> stopped{false};  // set where the mesh is stopped

  void attach(transport::Sockets& sockets) { sockets_ = &sockets; }

  template <class F>
  auto call(F&& work) -> Result<std::invoke_result_t<F, std::int64_t>> {
    auto out = std::make_shared<std::optional<std::invoke_result_t<F, std::int64_t>>>();
    TRY_OK(run(std::make_shared<Ticket>(),
               [out, w = std::forward<F>(work)](std::int64_t now_ns) mutable { out->emplace(w(now_ns)); }));
    return std::move(**out);
  }

  // Waits until done() on the mesh's thread, or the time is over; begin() runs first.
  Status wait(std::function<Status(std::int64_t now_ns)> begin, std::function<bool(std::int64_t now_ns)> done,
              std::int64_t wait_ms);

  void look(std::int64_t now_ns);  // ends the waits whose time has come
  std::int64_t next_ns(std::int64_t next) const;
  void clear() { waits_.clear(); }

 private:
  struct Ticket {
    std::mutex mutex;
    bool abandoned = false;  // under mutex
    void abandon() {
      const std::lock_guard lock(mutex);
      abandoned = true;
    }
  };
  using SharedTicket = std::shared_ptr<Ticket>;
  struct Wait {
    SharedTicket ticket;
    std::function<bool(std::int64_t now_ns)> done;
    std::int64_t until_ns = 0;
    std::promise<void> end;
  };

  Status run(const SharedTicket& ticket, std::function<void(std::int64_t now_ns)> work);

  transport::Sockets* sockets_ = nullptr;
  std::vector<Wait> waits_;
  std::int64_t looked_ns_ = 0;
};

}  // namespace hanse::peering
