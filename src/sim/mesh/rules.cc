#include <algorithm>
#include <deque>

#include "base/core/text.h"
#include "sim/mesh/detail/net.h"

// What must hold, told from outside a node; and the figures.

namespace hanse::sim::mesh {

void Net::check_views(Host h) {
  const gossip::Membership& m = hosts_[h].node->membership();
  if (m.active().size() > config_.membership.active_max || m.passive().size() > config_.membership.passive_max)
    fail("I13", text("host {} has views of {} and {}", h, m.active().size(), m.passive().size()));
  if (m.is_active(hosts_[h].id) || std::ranges::count(m.passive(), hosts_[h].id) != 0)
    fail("I13", text("host {} has itself in a view", h));
  for (const auto& a : m.active())
    if (std::ranges::count(m.passive(), a.peer) != 0) fail("I13", text("host {} has a peer in both views", h));
  if (hosts_[h].node->peers() > gossip::kPeersMax) fail("I13", text("host {} knows more peers than it may", h));
}

void Net::check_quiet() {
  // Links come and go all the time, and one side knows first; what stays one-sided is broken.
  const auto before = one_sided();
  if (!before.empty()) run_for(kOneSidedNs);
  for (const auto& link : one_sided())
    if (before.contains(link))
      fail("I13", text("host {} has host {} as a neighbour, that one does not know", link.first, link.second));
  for (Host h = 0; h < hosts_.size(); ++h)
    if (hosts_[h].up) check_views(h);
  check_one_piece();
  check_sets();
}

std::set<std::pair<Host, Host>> Net::one_sided() const {
  std::set<std::pair<Host, Host>> out;
  for (Host h = 0; h < hosts_.size(); ++h) {
    if (!hosts_[h].up) continue;
    for (const auto& a : hosts_[h].node->membership().active()) {
      const auto other = host_of(a.peer);
      if (!other || !hosts_[*other].up || !hosts_[*other].node->membership().is_active(hosts_[h].id))
        out.emplace(h, other.value_or(h));
    }
  }
  return out;
}

void Net::check_one_piece() {
  std::vector<bool> reached(hosts_.size());
  std::deque<Host> next;
  std::size_t found = 0, all = 0;
  for (Host h = 0; h < hosts_.size(); ++h) {
    if (!hosts_[h].up || hosts_[h].lies) continue;
    ++all;
    if (next.empty() && found == 0) next.push_back(h), reached[h] = true, found = 1;
  }
  while (!next.empty()) {
    const Host h = next.front();
    next.pop_front();
    for (const auto& a : hosts_[h].node->membership().active()) {
      const auto other = host_of(a.peer);
      if (!other || reached[*other] || !hosts_[*other].up || hosts_[*other].lies) continue;
      reached[*other] = true;
      ++found;
      next.push_back(*other);
    }
  }
  if (found != all) fail("connected", text("{} of {} hosts are in one piece", found, all));
}

// I6: the same set everywhere. Crashed hosts are no part of it, and what they alone had may be lost.
void Net::check_sets() {
  const HostState* first = nullptr;
  Host first_host = 0;
  for (Host h = 0; h < hosts_.size() && !failed(); ++h) {
    if (!hosts_[h].up || hosts_[h].lies) continue;
    if (first == nullptr) first = &hosts_[h], first_host = h;
    if (hosts_[h].delivered != first->delivered)
      fail("I6", text("host {} delivered {} messages, host {} {} or others", h, hosts_[h].delivered.size(), first_host,
                      first->delivered.size()));
  }
}

std::uint64_t Net::missed_of(std::size_t part, std::size_t index) const {
  for (const Published* p : in_order_)
    if (p->part == part && index-- == 0) return p->expected - std::min(p->expected, p->delivered);
  return 0;
}

void Net::measure() {
  for (std::size_t i = 0; i < outcome_.parts.size(); ++i) {
    MeshPart& out = outcome_.parts[i];
    double hops = 0, ms = 0;
    std::size_t copies = 0, expected = 0;
    for (const Published* p : in_order_) {
      if (p->part != i) continue;
      ++out.messages;
      out.missed += p->expected - std::min(p->expected, p->delivered);
      hops += static_cast<double>(p->last_hops);
      ms += static_cast<double>(p->last_ns) / 1e6;
      out.hops_max = std::max(out.hops_max, p->last_hops);
      out.last_ms_max = std::max(out.last_ms_max, static_cast<double>(p->last_ns) / 1e6);
      copies += p->copies;
      expected += p->expected;
    }
    if (out.messages == 0) continue;
    out.hops_mean = hops / static_cast<double>(out.messages);
    out.last_ms_mean = ms / static_cast<double>(out.messages);
    out.redundancy = expected == 0 ? 0 : static_cast<double>(copies) / static_cast<double>(expected) - 1;
  }
}

MeshOutcome Net::finish() {
  outcome_.virtual_ms = now_ / kMs;
  std::map<std::string, std::uint64_t> sums = notes_;
  for (const HostState& h : hosts_) {
    if (!h.up) continue;
    const auto& c = h.node->counters();
    const auto& b = h.node->broadcast().counters();
    const auto& m = h.node->membership().counters();
    const auto& d = h.node->detector().counters();
    sums["frames"] += c.frames;
    sums["frames_malformed"] += c.frames_malformed;
    sums["messages_invalid"] += c.messages_invalid;
    sums["signatures_checked"] += c.signatures_checked;
    sums["signatures_fetched"] += c.signatures_fetched;
    sums["checks_shed"] += c.checks_shed;
    sums["shed_messages"] += c.shed.messages;
    sums["shed_announcements"] += c.shed.announcements;
    sums["overflows"] += c.shed.overflows;
    sums["sessions"] += c.sessions;
    sums["sessions_failed"] += c.sessions_failed;
    sums["items_needed"] += c.items_needed;
    sums["delivered"] += b.delivered;
    sums["duplicates"] += b.duplicates;
    sums["grafts"] += b.grafts_sent;
    sums["prunes"] += b.prunes_sent;
    sums["optimised"] += b.optimised;
    sums["announced"] += b.announced;
    sums["evictions"] += m.evictions;
    sums["redials"] += m.redials;
    sums["suspicions"] += d.suspicions;
    sums["refutations"] += d.refutations;
    sums["failures"] += d.failures;
    sums["active"] += h.node->membership().active().size();
    sums["passive"] += h.node->membership().passive().size();
  }
  outcome_.counters.assign(sums.begin(), sums.end());
  std::erase_if(outcome_.parts, [](const MeshPart& p) { return p.name.empty(); });
  return outcome_;
}

}  // namespace hanse::sim::mesh
