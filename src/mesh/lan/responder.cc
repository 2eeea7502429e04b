#include "mesh/lan/responder.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::lan {
namespace {

constexpr int kProbes = 3, kAnnouncements = 2;
constexpr std::int64_t kProbeGapNs = 250 * kMs, kDefendApartNs = 250 * kMs, kTieWaitNs = kSecond;
constexpr std::size_t kConflictsMax = 15;
constexpr std::int64_t kConflictWindowNs = 10 * kSecond, kConflictWaitNs = 5 * kSecond;
constexpr std::size_t kSharedRecords = 2;  // the first of records_

const Name& types_name() {
  static const Name name = Name::of({"_services", "_dns-sd", "_udp", "local"});
  return name;
}

// RFC 6762 8.2.1: by type, then by data as unsigned bytes; all are of class IN. Who has more at the end is later.
using Ranks = std::vector<std::pair<Type, ByteView>>;
void add_rank(Ranks& ranks, const Record& r) { ranks.emplace_back(r.type, r.data); }
std::strong_ordering compare(const std::pair<Type, ByteView>& a, const std::pair<Type, ByteView>& b) {
  if (const auto by_type = a.first <=> b.first; by_type != 0) return by_type;
  return std::lexicographical_compare_three_way(a.second.begin(), a.second.end(), b.second.begin(), b.second.end());
}
std::strong_ordering compare(Ranks& a, Ranks& b) {
  for (Ranks* ranks : {&a, &b})
    std::ranges::sort(*ranks, [](const auto& x, const auto& y) { return compare(x, y) < 0; });
  return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end(),
                                                [](const auto& x, const auto& y) { return compare(x, y); });
}

std::uint32_t bit(std::size_t index) { return std::uint32_t{1} << index; }
static_assert(kSharedRecords + 2 + kAddressesMax <= 32);

}  // namespace

Responder::Responder(Identity identity, Random& random, std::int64_t now_ns)
    : identity_(std::move(identity)), random_(&random), label_(identity_.alias) {
  build();
  probe_from(now_ns + random_ns(0, 250));
}

std::int64_t Responder::random_ns(std::int64_t least_ms, std::int64_t most_ms) {
  return least_ms * kMs +
         static_cast<std::int64_t>(random_->below(static_cast<std::uint64_t>((most_ms - least_ms) * kMs + 1)));
}

void Responder::build() {
  instance_ = Name::of({label_, "_hanse", "_udp", "local"});
  host_ = Name::of({label_, "local"});
  std::vector<Own> records;
  const auto add = [&](const Name& name, Type type, std::uint32_t ttl_s, Bytes data) {
    records.push_back({.record = {name, type, records.size() >= kSharedRecords, ttl_s, std::move(data)}});
  };
  add(types_name(), Type::kPtr, kSharedTtlS, ptr_data(service_name()));
  add(service_name(), Type::kPtr, kSharedTtlS, ptr_data(instance_));
  add(instance_, Type::kSrv, kHostTtlS, srv_data({identity_.port, host_}));
  add(instance_, Type::kTxt, kSharedTtlS, identity_.txt);
  for (const Bytes& ip : addresses_) add(host_, ip.size() == 4 ? Type::kA : Type::kAaaa, kHostTtlS, ip);
  for (Own& own : records)  // what stays keeps its distance from its last multicast
    for (const Own& old : records_)
      if (same_record(old.record, own.record)) own.sent_ns = old.sent_ns;
  records_ = std::move(records);
  pending_.clear();
}

void Responder::probe_from(std::int64_t start_ns) {
  claim_ = Claim::kProbing;
  steps_ = 0;
  step_ns_ = start_ns;
  pending_.clear();
  for (Own& own : records_) own.due_ns = kNever;
}

void Responder::set_addresses(const std::vector<Bytes>& here, const std::set<Bytes>& everywhere, std::int64_t now_ns,
                              std::vector<Outgoing>& out) {
  everywhere_ = everywhere;
  std::vector<Bytes> kept(here.begin(),
                          here.begin() + static_cast<std::ptrdiff_t>(std::min(here.size(), kAddressesMax)));
  if (kept == addresses_) return;
  Message gone{.response = true};
  for (const Own& own : records_) {
    const bool address = own.record.type == Type::kA || own.record.type == Type::kAaaa;
    if (!address || std::ranges::find(kept, own.record.data) != kept.end()) continue;
    gone.answers.push_back(own.record);
    gone.answers.back().ttl_s = 0;
    gone.answers.back().flush = false;
  }
  if (speaks() && !gone.answers.empty()) out.push_back({std::move(gone)});
  addresses_ = std::move(kept);
  build();
  if (!speaks()) return;
  claim_ = Claim::kAnnouncing;  // the name is ours; its new data is announced (RFC 6762 8.4)
  steps_ = 0;
  step_ns_ = now_ns;
}

void Responder::step(std::int64_t now_ns, std::vector<Outgoing>& out) {
  if (claim_ == Claim::kProbing && steps_ < kProbes) {
    Message probe;
    for (const Name& name : {instance_, host_}) probe.questions.push_back({name, Type::kAny, true});
    for (std::size_t i = kSharedRecords; i < records_.size(); ++i) {
      probe.authority.push_back(records_[i].record);
      probe.authority.back().flush = false;
    }
    out.push_back({std::move(probe)});
    ++steps_;
    step_ns_ = now_ns + kProbeGapNs;
    return;
  }
  if (claim_ == Claim::kProbing) claim_ = Claim::kAnnouncing, steps_ = 0;
  schedule((bit(records_.size() - 1) << 1) - 1, {}, now_ns);
  ++steps_;
  if (steps_ < kAnnouncements) {
    step_ns_ = now_ns + kSecond;
  } else {
    claim_ = Claim::kHeld;
    step_ns_ = kNever;
  }
}

void Responder::conflict(std::int64_t now_ns) {
  ++counts_.conflicts;
  conflicts_ns_.push_back(now_ns);
  if (conflicts_ns_.size() > kConflictsMax) conflicts_ns_.pop_front();
  const bool many = conflicts_ns_.size() == kConflictsMax && now_ns - conflicts_ns_.front() < kConflictWindowNs;
  if (claim_ == Claim::kProbing) {
    label_ = text("{}-{}", identity_.alias, ++number_);
    build();
  }
  probe_from(now_ns + (many ? kConflictWaitNs : random_ns(0, 250)));
}

bool Responder::is_ours(const Record& record) const {
  if (record.type == Type::kA || record.type == Type::kAaaa) return everywhere_.contains(record.data);
  return std::ranges::any_of(records_, [&](const Own& own) { return same_record(own.record, record); });
}

void Responder::on_response(const Message& message, std::int64_t now_ns) {
  for (const auto* section : {&message.answers, &message.additional}) {
    for (const Record& r : *section) {
      for (Own& own : records_)
        if (own.due_ns != kNever && !own.record.flush && same_record(own.record, r) && r.ttl_s >= own.record.ttl_s)
          own.due_ns = kNever;  // said for us (RFC 6762 7.4)
      if (r.ttl_s == 0 || !(r.name == instance_ || r.name == host_) || is_ours(r)) continue;
      // Before the first probe it may be the second copy of what started this claim; a holder will answer the probe.
      if (claim_ == Claim::kProbing && steps_ == 0) continue;
      const bool same_set = std::ranges::any_of(
          records_, [&](const Own& own) { return own.record.name == r.name && own.record.type == r.type; });
      if (claim_ != Claim::kProbing && !same_set) continue;
      return conflict(now_ns);
    }
  }
}

void Responder::break_tie(const Message& message, std::int64_t now_ns) {
  if (std::ranges::all_of(message.authority,
                          [&](const Record& r) { return !(r.name == instance_ || r.name == host_) || is_ours(r); }))
    return;
  for (const Name& name : {instance_, host_}) {
    Ranks mine, theirs;
    for (const Record& r : message.authority)
      if (r.name == name) add_rank(theirs, r);
    if (theirs.empty()) continue;
    for (const Own& own : records_)
      if (own.record.name == name) add_rank(mine, own.record);
    const auto order = compare(mine, theirs);
    if (order > 0) return;
    if (order == 0) continue;
    ++counts_.ties_lost;
    return probe_from(now_ns + kTieWaitNs);
  }
}

void Responder::receive(const Message& message, const Address& from, std::int64_t now_ns, std::vector<Outgoing>& out) {
  if (claim_ == Claim::kStopped) return;
  if (message.response) return on_response(message, now_ns);
  if (claim_ == Claim::kProbing) return break_tie(message, now_ns);
  on_query(message, from, now_ns, out);
}

std::uint32_t Responder::matching(const Question& question) const {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const Record& r = records_[i].record;
    if ((question.type == r.type || question.type == Type::kAny) && question.name == r.name) out |= bit(i);
  }
  return out;
}

std::uint32_t Responder::unknown_to(const Message& query, std::uint32_t wanted) const {
  for (const Record& known : query.answers)
    for (std::size_t i = 0; i < records_.size(); ++i)
      if ((wanted & bit(i)) != 0 && known.ttl_s >= records_[i].record.ttl_s / 2 &&
          same_record(known, records_[i].record))
        wanted &= ~bit(i);
  return wanted;
}

void Responder::on_query(const Message& message, const Address& from, std::int64_t now_ns, std::vector<Outgoing>& out) {
  if (more_known(message, from, now_ns)) return;
  std::uint32_t alone = 0, group = 0;
  for (const Question& q : message.questions) {
    const std::uint32_t wanted = unknown_to(message, matching(q));
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if ((wanted & bit(i)) == 0) continue;
      const Own& own = records_[i];
      const bool fresh = own.sent_ns >= 0 && now_ns - own.sent_ns < own.record.ttl_s * kSecond / 4;
      (from.port != kPort || (q.unicast && fresh) ? alone : group) |= bit(i);
    }
  }
  if (alone != 0) answer_one(message, from, alone, now_ns, out);
  if (group == 0) return;
  if (message.truncated) {
    if (pending_.size() < kPendingMax) return pending_.push_back({from, now_ns + random_ns(400, 500), group});
    ++counts_.pending_refused;
  }
  schedule(group, {random_ns(20, 120), message.authority.empty() ? kSecond : kDefendApartNs}, now_ns);
}

// A datagram of an asker that has said there would be more: takes from what it wants.
bool Responder::more_known(const Message& message, const Address& from, std::int64_t now_ns) {
  const auto found = std::ranges::find(pending_, from, &Pending::from);
  if (!message.questions.empty() || found == pending_.end()) return false;
  found->wanted = unknown_to(message, found->wanted);
  if (message.truncated) found->due_ns = now_ns + random_ns(400, 500);
  return true;
}

void Responder::schedule(std::uint32_t wanted, const Pace& pace, std::int64_t now_ns) {
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if ((wanted & bit(i)) == 0) continue;
    Own& own = records_[i];
    std::int64_t due = now_ns + (own.record.flush ? 0 : pace.shared_ns);
    if (own.sent_ns >= 0) due = std::max(due, own.sent_ns + pace.apart_ns);
    own.due_ns = std::min(own.due_ns, due);
  }
}

// RFC 6763 section 12: what the asker will want next goes along, unless it was multicast within the last second.
void Responder::add_additional(Message& answer, std::uint32_t answered, std::int64_t now_ns) {
  std::uint32_t more = 0;
  if ((answered & bit(1)) != 0) more |= bit(2) | bit(3);
  if (((answered | more) & bit(2)) != 0)
    for (std::size_t i = kSharedRecords + 2; i < records_.size(); ++i) more |= bit(i);
  for (std::size_t i = 0; i < records_.size(); ++i) {
    Own& own = records_[i];
    if ((more & ~answered & bit(i)) == 0 || (own.sent_ns >= 0 && now_ns - own.sent_ns < kSecond)) continue;
    answer.additional.push_back(own.record);
    own.sent_ns = now_ns;
    own.due_ns = kNever;
  }
}

void Responder::answer_one(const Message& query, const Address& from, std::uint32_t wanted, std::int64_t now_ns,
                           std::vector<Outgoing>& out) {
  if (now_ns / kSecond != unicast_second_) unicast_second_ = now_ns / kSecond, unicast_sent_ = 0;
  if (unicast_sent_ >= kUnicastPerSecondMax) {
    ++counts_.unicast_refused;
    return;
  }
  ++unicast_sent_;
  const bool legacy = from.port != kPort;
  if ((wanted & bit(1)) != 0)  // all that the asker will want next
    for (std::size_t i = kSharedRecords; i < records_.size(); ++i) wanted |= bit(i);
  Message answer{.response = true};
  if (legacy) answer.id = query.id, answer.questions = query.questions;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if ((wanted & bit(i)) == 0) continue;
    Record record = records_[i].record;
    if (legacy) record.ttl_s = std::min(record.ttl_s, kLegacyTtlS), record.flush = false;
    answer.answers.push_back(std::move(record));
  }
  out.push_back({std::move(answer), from});
}

void Responder::send_due(std::int64_t now_ns, std::vector<Outgoing>& out) {
  Message answer{.response = true};
  std::uint32_t answered = 0;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    Own& own = records_[i];
    if (own.due_ns > now_ns) continue;
    answered |= bit(i);
    answer.answers.push_back(own.record);
    own.sent_ns = now_ns;
    own.due_ns = kNever;
  }
  if (answered == 0) return;
  add_additional(answer, answered, now_ns);
  out.push_back({std::move(answer)});
}

void Responder::tick(std::int64_t now_ns, std::vector<Outgoing>& out) {
  if (claim_ == Claim::kStopped) return;
  if (step_ns_ <= now_ns) step(now_ns, out);
  for (const Pending& p : pending_)
    if (p.due_ns <= now_ns) schedule(p.wanted, {}, now_ns);
  std::erase_if(pending_, [&](const Pending& p) { return p.due_ns <= now_ns; });
  send_due(now_ns, out);
}

void Responder::stop(std::vector<Outgoing>& out) {
  if (speaks()) {
    Message bye{.response = true};
    for (const Own& own : records_) {
      // The type of the service is shared with other nodes: it does not end with this one.
      if (own.record.name == types_name()) continue;
      bye.answers.push_back(own.record);
      bye.answers.back().ttl_s = 0;
    }
    out.push_back({std::move(bye)});
  }
  claim_ = Claim::kStopped;
}

std::int64_t Responder::next_ns() const {
  if (claim_ == Claim::kStopped) return kNever;
  std::int64_t next = step_ns_;
  for (const Own& own : records_) next = std::min(next, own.due_ns);
  for (const Pending& p : pending_) next = std::min(next, p.due_ns);
  return next;
}

}  // namespace hanse::lan
