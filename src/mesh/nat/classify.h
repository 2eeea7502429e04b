// What kind of NAT stands before this node (words of RFC 4787), found out by asking reflectors (RFC 5780).
//   mapping    the mapped address of one socket, seen from two ports of one reflector and from another address
//   filtering  who may answer: CHANGE-REQUEST to a reflector with two addresses, on a socket that asked nobody else
//   port rule  six fresh sockets in a row: mapped as they are (preserved), in even steps (median of the 5 differences
//              is 1 to 16 either way: delta), or anyhow (random)
//   hairpin    whether a socket of ours is reached through the mapped address of another
//
// The owner gives kClassifySockets sockets (0 the node's own, the others fresh: a used one has mappings and open
// filters), sends what `out` says, and hands in what they receive. It takes about 15 round trips, and up to 8 s where
// answers are filtered. A result is good until the address changes, else for 20 minutes.
// Times are monotonic nanoseconds of the caller. Threads: one at a time. Borrows random. Errors: none, an unknown is
// said as such.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "mesh/nat/stun_client.h"

namespace hanse::nat {

enum class Mapping : std::uint8_t { kUnknown, kNone, kEndpoint, kAddress, kAddressPort };  // none: no NAT
enum class Filtering : std::uint8_t { kUnknown, kEndpoint, kAddress, kAddressPort };
enum class PortRule : std::uint8_t { kUnknown, kPreserved, kDelta, kRandom };

std::string_view mapping_name(Mapping mapping);
std::string_view filtering_name(Filtering filtering);
std::string_view port_rule_name(PortRule rule);

struct NatClass {
  bool udp = false;  // somebody answered
  Mapping mapping = Mapping::kUnknown;
  Filtering filtering = Filtering::kUnknown;
  PortRule port_rule = PortRule::kUnknown;
  std::int16_t delta = 0;  // of kDelta
  std::optional<bool> hairpin;
  std::optional<Endpoint> mapped;  // of socket 0
  friend bool operator==(const NatClass&, const NatClass&) = default;
};

constexpr std::int16_t kDeltaMax = 16;
constexpr std::size_t kPortSamples = 6;
constexpr std::uint16_t kFilterSocket = 1, kSampleSocket = 2;
constexpr std::uint16_t kClassifySockets = kSampleSocket + kPortSamples;
constexpr std::int64_t kClassLifetimeNs = 1200 * std::int64_t{1'000'000'000};

// The median of the differences of neighbours, as steps of a port counter that wraps.
std::int16_t median_step(std::span<const std::uint16_t> ports);

struct ClassifierOptions {
  Endpoint reflector;
  std::optional<Endpoint> other;  // on another address; used where the first has no second address
  std::vector<Endpoint> local;    // of the sockets
  StunTiming timing{.rto_ms = 500, .sends = 4, .last = 4};
  StunTiming silence{.rto_ms = 500, .sends = 3, .last = 2};  // where no answer is an answer: 2.5 s
};

class Classifier {
 public:
  Classifier(ClassifierOptions options, Random& random);

  void start(std::int64_t now_ns, Outbox& out);
  void receive(std::uint16_t socket, const Endpoint& from, ByteView datagram, std::int64_t now_ns, Outbox& out);
  void tick(std::int64_t now_ns, Outbox& out);
  std::optional<std::int64_t> next_ns() const { return client_.next_ns(); }
  bool done() const { return step_ == Step::kDone; }
  const NatClass& result() const { return result_; }

 private:
  enum class Step : std::uint8_t {
    kIdle,
    kFirst,
    kOtherPort,
    kOtherAddress,
    kFilterOpen,
    kFilterBoth,
    kFilterPort,
    kSample,
    kHairpin,
    kDone
  };
  struct Ask {
    std::uint16_t socket = 0;
    Endpoint to{};
    ChangeRequest change{};
    bool silence = false;
  };
  void ask(const Ask& ask, std::int64_t now_ns, Outbox& out);
  void answered(const StunAnswer* answer, std::int64_t now_ns, Outbox& out);  // null: none came
  void enter(Step step, std::int64_t now_ns, Outbox& out);
  void judge_mapping();
  void judge_ports();

  ClassifierOptions options_;
  StunClient client_;
  Step step_ = Step::kIdle;
  NatClass result_;
  std::optional<Endpoint> alternate_, seen_other_port_, seen_other_address_;
  std::vector<Endpoint> samples_;
  std::vector<TransactionId> hairpins_;
};

}  // namespace hanse::nat
