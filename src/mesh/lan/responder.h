// What a node says of itself on one interface: it claims a name, announces itself, answers, and takes its leave.
//
// Records: PTR _services._dns-sd._udp.local -> _hanse._udp.local and PTR _hanse._udp.local -> instance, both shared;
// SRV and TXT of the instance, A and AAAA of the host, all unique. Instance and host have the same first label.
// Claiming (RFC 6762 section 8): three probes 250 ms apart after a random wait of at most 250 ms; a record of the name
// with other data means the name is taken, and "-2", "-3"... is put behind the label. Of two that probe at once the one
// whose records are lexicographically later goes on, the other waits a second (8.2); the instance decides before the
// host. Then two announcements a second apart. A conflict met later starts the claim again (section 9). After 15
// conflicts within 10 s every further claim waits 5 s.
// Answers (section 6): unique records at once, shared ones after 20 to 120 ms, 400 to 500 ms when the asker has more
// known answers to send (TC). Not what the asker knows with at least half its TTL, nor what somebody else has just said
// for us. No record is multicast twice within a second, or within 250 ms to defend a name. QU: to the asker alone if
// the record was multicast within a quarter of its TTL. Askers that are not on port 5353 get one datagram of their own.
// Limits: kPendingMax askers with more to send (the next is answered at once), kUnicastPerSecondMax answers to one
// asker a second, kAddressesMax addresses; the rest is dropped and counted. Threads: one. Borrows random. Errors: none.
// Refuses to: answer before the name is its own; own records of another service; say that a record does not exist
// (NSEC).
#pragma once

#include <deque>
#include <set>

#include "base/core/random.h"
#include "mesh/lan/link.h"

namespace hanse::lan {

constexpr std::size_t kAddressesMax = 16, kPendingMax = 16;
constexpr std::uint32_t kUnicastPerSecondMax = 20;
constexpr std::uint32_t kSharedTtlS = 4500, kHostTtlS = 120, kLegacyTtlS = 10;  // RFC 6762 section 10 and 6.7

struct Identity {
  std::string alias;  // the first label unless it is taken
  Bytes txt;
  std::uint16_t port = 0;
};

enum class Claim : std::uint8_t { kProbing, kAnnouncing, kHeld, kStopped };

struct ResponderCounts {
  std::uint64_t conflicts = 0, ties_lost = 0, unicast_refused = 0, pending_refused = 0;
};

class Responder {
 public:
  Responder(Identity identity, Random& random, std::int64_t now_ns);

  // Addresses of this interface; `everywhere` are those of all our interfaces: two of them may be on one network, and
  // what one says of our name is no conflict to the other.
  void set_addresses(const std::vector<Bytes>& here, const std::set<Bytes>& everywhere, std::int64_t now_ns,
                     std::vector<Outgoing>& out);
  void receive(const Message& message, const Address& from, std::int64_t now_ns, std::vector<Outgoing>& out);
  void tick(std::int64_t now_ns, std::vector<Outgoing>& out);
  void stop(std::vector<Outgoing>& out);  // goodbye: every record once more with TTL 0
  std::int64_t next_ns() const;

  Claim claim() const { return claim_; }
  const std::string& label() const { return label_; }
  const ResponderCounts& counts() const { return counts_; }

 private:
  struct Own {
    Record record;
    std::int64_t sent_ns = -1;  // last multicast; -1: never
    std::int64_t due_ns = kNever;
  };
  struct Pending {
    Address from;
    std::int64_t due_ns = 0;
    std::uint32_t wanted = 0;  // bits of records_
  };
  struct Pace {
    std::int64_t shared_ns = 0;  // wait of shared records
    std::int64_t apart_ns = kSecond;
  };

  bool speaks() const { return claim_ == Claim::kAnnouncing || claim_ == Claim::kHeld; }
  void build();
  void probe_from(std::int64_t start_ns);
  void step(std::int64_t now_ns, std::vector<Outgoing>& out);
  void conflict(std::int64_t now_ns);
  bool is_ours(const Record& record) const;
  void on_response(const Message& message, std::int64_t now_ns);
  void break_tie(const Message& message, std::int64_t now_ns);
  void on_query(const Message& message, const Address& from, std::int64_t now_ns, std::vector<Outgoing>& out);
  bool more_known(const Message& message, const Address& from, std::int64_t now_ns);
  std::uint32_t matching(const Question& question) const;
  std::uint32_t unknown_to(const Message& query, std::uint32_t wanted) const;
  void schedule(std::uint32_t wanted, const Pace& pace, std::int64_t now_ns);
  void answer_one(const Message& query, const Address& from, std::uint32_t wanted, std::int64_t now_ns,
                  std::vector<Outgoing>& out);
  void add_additional(Message& answer, std::uint32_t answered, std::int64_t now_ns);
  void send_due(std::int64_t now_ns, std::vector<Outgoing>& out);
  std::int64_t random_ns(std::int64_t least_ms, std::int64_t most_ms);

  Identity identity_;
  Random* random_;
  std::string label_;
  std::uint32_t number_ = 1;  // behind the label from 2 on
  Name instance_, host_;
  std::vector<Bytes> addresses_;
  std::set<Bytes> everywhere_;
  std::vector<Own> records_;
  Claim claim_ = Claim::kProbing;
  int steps_ = 0;  // probes or announcements made
  std::int64_t step_ns_ = kNever;
  std::deque<std::int64_t> conflicts_ns_;
  std::vector<Pending> pending_;
  std::int64_t unicast_second_ = -1;
  std::uint32_t unicast_sent_ = 0;
  ResponderCounts counts_;
};

}  // namespace hanse::lan
