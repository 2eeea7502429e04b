// Desk: what the public services do, in domain types, over one node of the chain and, where there is one, a node of the
// mix. node/api translates the wire to it; tests give it a market in memory.
//   route         a signed job by the lane it asks for: explicit lanes and Deep go through the mix or not at all; a job
//                 that leaves the lane to its priority and gets Flash goes through the mix where there is one, else
//                 directly
//   run_auction   a signed job directly; an unsigned one is quoted
//   call          a signed call of the market, of the methods named
//   watch_job     every step of a job, from its match on, until it ends
// What the market or the lanes refuse of a good request comes as `refusal`, everything else as an error.
// A thread of its own follows the market's events to know which of the jobs routed here still live: kActiveMax at most,
// further ones are routed and not counted as active.
// Threads: any; calls wait for the node. Errors: services.priority (invalid),
// services.method (invalid), services.no_mix (unavailable, as a refusal), those of gxf, ledger calls and the client.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "exchange/gxf/gxf.h"
#include "exchange/market/calls.h"
#include "exchange/market/events.h"
#include "node/client/client.h"

namespace hanse::services {

constexpr std::size_t kActiveMax = 16'384, kLanes = 2;  // 0 Flash, 1 Deep

struct Ordered {
  JobId job_id;
  gxf::Lane lane = gxf::Lane::kFlash;  // as resolved
  std::string_view way = "direct";     // "flash", "deep": through the mix
  bool sent = true;                    // false: a quote, or refused
  AccountId provider{};                // zero: not known here
  Amount price{};
  Height height{};
  std::optional<client::Applied> applied{};  // when it was sent, refused or not
  std::optional<Error> refusal{};
};
struct Called {
  client::Applied applied;
  std::optional<Error> refusal{};
};
struct RouterStats {
  std::uint64_t routed = 0;
  std::array<std::uint64_t, kLanes> lanes{}, active{};
};
struct AuctionStats {
  std::uint64_t auctions = 0, unmatched = 0;  // here, since the start
  market::Totals totals{};
};
struct JobStep {
  std::string_view state;  // "requeued" or a job state's name
  Height height;
  market::Job job;
};

class Desk {
 public:
  // Connections to the node, and to it through the mix by a lane; each call may give the same client again.
  struct Ways {
    std::function<Result<client::Client*>()> direct;
    std::function<Result<client::Client*>(gxf::Lane)> mix;  // empty: there is none
  };
  explicit Desk(Ways ways);
  ~Desk();

  Result<Ordered> route(ByteView envelope);
  Result<Ordered> run_auction(ByteView job, std::uint32_t priority);
  Result<Called> call(ByteView signed_call, std::initializer_list<market::Method> methods);
  RouterStats router_stats() const;
  Result<AuctionStats> auction_stats();

  Result<market::Job> job(const JobId& id);
  using Visit = std::function<bool(const JobStep& step)>;  // false: enough
  // idle is asked while nothing happens; false from it ends the watch well.
  Status watch_job(const JobId& id, const Visit& visit, const std::function<bool()>& idle);

  Result<client::Client*> node() { return ways_.direct(); }
  void stop();  // the watches of others end when their `idle` says so

 private:
  Result<Ordered> order(client::Client& by, const gxf::Job& job, ByteView bytes);
  Result<Ordered> quote(const gxf::Job& job);
  void count_auction(std::string_view result);
  void follow();
  void follow_once();
  void forget(const JobId& id);

  const Ways ways_;
  mutable std::mutex mutex_;
  std::array<std::uint64_t, kLanes> lanes_{};
  std::array<std::uint64_t, kLanes> active_count_{};
  std::map<JobId, std::size_t> active_;  // to its lane
  std::atomic<std::uint64_t> auctions_{0}, unmatched_{0};
  std::atomic<bool> stopping_{false};
  Height followed_{};
  std::thread thread_;
};

std::size_t lane_number(gxf::Lane lane);  // 0 Flash, 1 Deep

}  // namespace hanse::services
