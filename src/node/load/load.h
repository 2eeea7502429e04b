// Load: an open-loop generator. The moment each transaction is meant to be sent is fixed before the run (i / rate), and
// its latency is counted from that moment, also when the generator or the network falls behind: no coordinated
// omission. Transactions are opaque bodies for the load application, over one stream to each validator in turn; what
// becomes due within a millisecond goes to one of them together. Those without an outcome when a stream ends go to
// another validator with the same bytes, their clocks running on.
// Every acknowledged transaction is looked for at the end: the counts of all validators must hold them all.
// Economic finality is sampled by a transaction of its own every kEconomicEveryMs: submit, then a proof whose
// certificate is verified here.
// Limits: kRateMax a second, kOpenMax without an outcome at one validator, kGiveUpMs for the last of them.
// Threads: run_load blocks; answers come on threads of the transport.
// Errors: load.option (invalid), load.network (not_found: no validators there), load.leader (not_found), and the
// client's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/codec/json.h"
#include "base/core/result.h"
#include "node/load/histogram.h"

namespace hanse::load {

constexpr std::size_t kOpenMax = 8'192;
constexpr std::int64_t kGiveUpMs = 30'000;
constexpr std::int64_t kEconomicEveryMs = 200;
constexpr double kRateMax = 1'000'000;
constexpr double kSecondsMax = 86'400;

struct LoadOptions {
  std::string dir{};                     // a folder of `hanse up`, for addresses and processes; or
  std::vector<std::string> addresses{};  // "unix:/path/api.sock", "127.0.0.1:50051"
  double rate = 1'000;                   // transactions a second
  double seconds = 10;                   // measured; warm-up comes before
  double warmup_seconds = 2;
  std::size_t size = 256;  // bytes of a body
  bool kill_leader = false;
  bool economic = true;
};

struct LoadReport {
  std::uint64_t sent = 0, acknowledged = 0, failed = 0, resent = 0;  // measured ones
  std::uint64_t lost = 0;  // acknowledged and missing in some validator's count at the end
  double per_second = 0;   // answered during the time measured
  Histogram latency;
  double gap_ms = 0;  // longest time without an answer
  Histogram economic;
  std::uint64_t economic_missing = 0;  // samples whose proof had no economic certificate in time
  std::map<std::string, std::uint64_t> errors;
  std::string killed;  // the leader's name, when it was
  double gap_after_kill_ms = 0;
};
codec::Json to_json(const LoadReport& report);
std::string to_text(const LoadReport& report);

Result<LoadReport> run_load(const LoadOptions& options);
// The sockets of the validators of a folder of `hanse up`, by name.
Result<std::vector<std::string>> validator_names(const std::string& dir);
std::string socket_of(const std::string& dir, const std::string& name);

}  // namespace hanse::load
