// What others on one interface say: asked for, kept for its time, asked for again before it ends (RFC 6762 section 5.2,
// 5.4, 7.1, 10).
//
// Asks for the instances of _hanse._udp.local after 20 to 120 ms (that once with QU), then after 1, 2, 4... s, at last
// every hour, saying which it knows. Every record is asked for again at 80, 85, 90 and 95 % of its TTL plus up to 2 %;
// what an instance still lacks (SRV, TXT, addresses) is asked for four times, 1, 2, 4 and 8 s apart. At most one
// question message a second, and those that carry on its known answers. Kept: PTR of the service, SRV and TXT of its
// instances, A and AAAA of the hosts that those SRV name. A record with the cache-flush bit ends, a second later,
// others of its name and type that are older than a second; TTL 0 ends its own. Limits: kCachedMax records,
// kInstancesMax instances, kPerNameMax records of one name and type; a TTL counts at most kTtlMaxS. What is too much is
// not kept, and counted. Threads: one. Borrows random. Errors: none. Refuses to: believe anything. Whoever is on the
// network can say what they like; a Hint is a place to try.
#pragma once

#include <map>
#include <set>
#include <tuple>

#include "base/core/ids.h"
#include "base/core/random.h"
#include "mesh/lan/link.h"

namespace hanse::lan {

constexpr std::size_t kCachedMax = 1024, kInstancesMax = 256, kPerNameMax = 16;
constexpr std::uint32_t kTtlMaxS = 4500;

struct Hint {
  AccountId peer = {};
  std::array<std::uint8_t, 4> network = {};  // the first bytes of its id; the owner compares them with its own
  std::vector<Address> addresses = {};       // with the port; fe80::/10 means on `interface`
  std::uint32_t interface = 0;
  std::string instance = {};
  friend bool operator==(const Hint&, const Hint&) = default;
};

struct CacheCounts {
  std::uint64_t refused = 0;  // over a limit
};

class Cache {
 public:
  Cache(Random& random, std::int64_t now_ns);

  // True when the hints may have changed, also of tick.
  bool receive(const Message& response, std::int64_t now_ns);
  bool tick(std::int64_t now_ns, std::vector<Outgoing>& out);
  std::int64_t next_ns() const;

  std::vector<Hint> hints(std::uint32_t interface) const;
  std::size_t size() const { return entries_.size(); }
  const CacheCounts& counts() const { return counts_; }

 private:
  using Key = std::tuple<std::string, Type, std::string>;  // name and data folded
  struct Entry {
    Record record;
    std::int64_t received_ns = 0, end_ns = 0;
    std::int64_t ask_ns = kNever;  // again, for itself
    int asked = 0;
    std::int64_t complete_ns = kNever;  // PTR: when to ask for what its instance lacks
    int completed = 0;
  };
  using Questions = std::vector<Question>;

  static Key key_of(const Record& record);
  std::vector<const Record*> of(const Name& name, Type type) const;
  bool wanted(const Record& record) const;
  bool keep(const Record& record, std::int64_t now_ns);
  void flush_others(const Record& record, std::int64_t now_ns);
  void ask_later(Entry& entry);
  Questions lacking(const Entry& ptr) const;
  Questions due(std::int64_t now_ns);
  void ask(const Questions& questions, std::int64_t now_ns, std::vector<Outgoing>& out);
  std::optional<Hint> hint_of(const Name& instance) const;
  std::int64_t random_ns(std::int64_t least_ns, std::int64_t most_ns) const;

  Random* random_;
  std::map<Key, Entry> entries_;
  std::size_t instances_ = 0;
  std::set<std::string> hosts_;  // folded, targets of the SRV records kept
  std::int64_t browse_ns_ = 0, browse_gap_ns_ = kSecond, quiet_until_ns_ = 0;
  bool browsed_ = false;
  CacheCounts counts_;
};

}  // namespace hanse::lan
