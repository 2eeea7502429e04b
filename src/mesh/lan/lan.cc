#include "mesh/lan/lan.h"

#include <algorithm>

#include "base/codec/hex.h"

namespace hanse::lan {
namespace {

constexpr std::size_t kAliasBytes = 10;  // 16 letters of base32
constexpr int kTtl = 255;

bool within(const Subnet& subnet, ByteView ip) {
  if (subnet.ip.size() != ip.size() || subnet.bits > 8 * ip.size()) return false;
  const std::size_t whole = subnet.bits / 8;
  if (!equal(ByteView(subnet.ip).first(whole), ip.first(whole))) return false;
  const unsigned rest = subnet.bits % 8;
  return rest == 0 || (subnet.ip[whole] ^ ip[whole]) >> (8 - rest) == 0;
}

bool on_link(const Interface& interface, ByteView ip) {
  if (ip.size() == 16 && ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) return true;
  return std::ranges::any_of(interface.subnets, [&](const Subnet& s) { return within(s, ip); });
}

std::vector<Bytes> addresses_of(const Interface& interface) {
  std::vector<Bytes> out;
  for (const Subnet& s : interface.subnets) out.push_back(s.ip);
  return out;
}

}  // namespace

Lan::Lan(const LanOptions& options, Random& random) : options_(options), random_(&random) {
  Bytes alias(kAliasBytes);
  random.fill(alias);
  identity_ = {codec::to_base32(alias),
               txt_data({"v=1", "id=" + codec::to_base32(options.peer.view()),
                         "net=" + codec::to_hex(options.network.view().first(4))}),
               options.port};
}

void Lan::set_interfaces(std::span<const Interface> interfaces, std::int64_t now_ns, Outbox& out) {
  if (stopped_) return;
  const std::size_t taken = std::min(interfaces.size(), kInterfacesMax);
  counts_.interfaces_refused += interfaces.size() - taken;
  std::map<std::uint32_t, Interface> wanted;
  std::set<Bytes> everywhere;
  for (const Interface& one : interfaces.first(taken)) {
    if (one.subnets.empty()) continue;
    wanted[one.index] = one;
    for (const Subnet& s : one.subnets) everywhere.insert(s.ip);
  }
  for (auto it = links_.begin(); it != links_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    out.hints_changed |= !it->second.cache.hints(it->first).empty();
    it = links_.erase(it);
  }
  for (const auto& [index, interface] : wanted) {
    auto it = links_.find(index);
    if (it == links_.end())
      it =
          links_.emplace(index, Link{interface, Responder(identity_, *random_, now_ns), Cache(*random_, now_ns)}).first;
    it->second.interface = interface;
    std::vector<Outgoing> messages;
    it->second.responder.set_addresses(addresses_of(interface), everywhere, now_ns, messages);
    send(it->second, messages, out);
  }
}

void Lan::send(const Link& link, std::vector<Outgoing>& messages, Outbox& out) const {
  bool v4 = false, v6 = false;
  for (const Subnet& s : link.interface.subnets) (s.ip.size() == 4 ? v4 : v6) = true;
  for (const Outgoing& one : messages) {
    Bytes bytes = encode_message(one.message);
    const std::uint32_t index = link.interface.index;
    if (one.to) {
      out.datagrams.push_back({index, *one.to, std::move(bytes)});
      continue;
    }
    if (v4) out.datagrams.push_back({index, {.ip = to_bytes(kGroupV4), .port = kPort}, bytes});
    if (v6) out.datagrams.push_back({index, {.ip = to_bytes(kGroupV6), .port = kPort}, std::move(bytes)});
  }
  messages.clear();
}

void Lan::receive(const Arrival& arrival, ByteView datagram, std::int64_t now_ns, Outbox& out) {
  const auto it = links_.find(arrival.interface);
  if (stopped_ || it == links_.end()) return;
  ++counts_.received;
  Link& link = it->second;
  if (arrival.ttl != kTtl || arrival.from.port == 0 || !on_link(link.interface, arrival.from.ip)) {
    ++counts_.foreign;
    return;
  }
  const auto message = decode_message(datagram);
  if (!message) ++counts_.malformed;
  if (!message || !*message) return;
  if ((*message)->response && arrival.from.port != kPort) {  // RFC 6762 section 6: no responder answers from elsewhere
    ++counts_.foreign;
    return;
  }
  std::vector<Outgoing> messages;
  link.responder.receive(**message, arrival.from, now_ns, messages);
  if ((*message)->response) out.hints_changed |= link.cache.receive(**message, now_ns);
  send(link, messages, out);
}

void Lan::tick(std::int64_t now_ns, Outbox& out) {
  if (stopped_) return;
  for (auto& [index, link] : links_) {
    std::vector<Outgoing> messages;
    link.responder.tick(now_ns, messages);
    out.hints_changed |= link.cache.tick(now_ns, messages);
    send(link, messages, out);
  }
}

std::int64_t Lan::next_ns() const {
  std::int64_t next = kNever;
  if (stopped_) return next;
  for (const auto& [index, link] : links_) next = std::min({next, link.responder.next_ns(), link.cache.next_ns()});
  return next;
}

void Lan::stop(Outbox& out) {
  if (stopped_) return;
  for (auto& [index, link] : links_) {
    std::vector<Outgoing> messages;
    link.responder.stop(messages);
    send(link, messages, out);
  }
  stopped_ = true;
}

std::vector<Hint> Lan::hints() const {
  std::vector<Hint> out;
  for (const auto& [index, link] : links_)
    for (Hint& hint : link.cache.hints(index))
      if (hint.peer != options_.peer) out.push_back(std::move(hint));
  return out;
}

Claim Lan::claim(std::uint32_t interface) const {
  const auto it = links_.find(interface);
  return it == links_.end() ? Claim::kStopped : it->second.responder.claim();
}

std::string Lan::instance(std::uint32_t interface) const {
  const auto it = links_.find(interface);
  return it == links_.end() ? std::string() : it->second.responder.label();
}

LanCounts Lan::counts() const {
  LanCounts out = counts_;
  for (const auto& [index, link] : links_) {
    const ResponderCounts& r = link.responder.counts();
    out.responder.conflicts += r.conflicts;
    out.responder.ties_lost += r.ties_lost;
    out.responder.unicast_refused += r.unicast_refused;
    out.responder.pending_refused += r.pending_refused;
    out.cache.refused += link.cache.counts().refused;
  }
  return out;
}

}  // namespace hanse::lan
