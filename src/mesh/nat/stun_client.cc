#include "mesh/nat/stun_client.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::nat {

StunMessage binding_request() {
  StunMessage m;
  m.software = "hanse" + std::string(39, ' ');  // 68 bytes with the header: 102 in answer hold three IPv6 addresses
  return m;
}

Result<TransactionId> StunClient::start(StunRequest request, std::int64_t now_ns, Outbox& out) {
  if (pending_.size() >= kTransactionsMax)
    return fail(Kind::kExhausted, "nat.transactions", text("found {} transactions that wait", pending_.size()));
  random_.fill(request.message.id.span());
  const TransactionId id = request.message.id;
  Pending p;
  p.bytes = encode_stun(request.message, request.seal);
  p.timing = request.timing.value_or(timing_);
  p.sent_ns = now_ns;
  p.due_ns = now_ns + (p.timing.sends == 1 ? p.timing.last : 1) * p.timing.rto_ms * kMs;
  out.push_back({request.socket, 0, request.server, p.bytes});
  p.request = std::move(request);
  pending_[id] = std::move(p);
  return id;
}

bool StunClient::belongs(const Pending& p, std::uint16_t socket, const Endpoint& from, const StunMessage& m,
                         ByteView bytes) const {
  if (socket != p.request.socket || from != p.request.answers_from.value_or(p.request.server)) return false;
  if (m.method != p.request.message.method) return false;
  const StunSeal& seal = p.request.seal;
  if (seal.integrity == Integrity::kNone) return true;
  if (integrity_ok(m, bytes, seal.integrity, seal.key)) return true;
  if (m.integrity_at || m.integrity_sha256_at || m.kind != StunClass::kError) return false;
  return m.error->code == 400 || m.error->code == 401 || m.error->code == 438;
}

std::optional<StunAnswer> StunClient::receive(std::uint16_t socket, const Endpoint& from, ByteView datagram,
                                              std::int64_t now_ns) {
  Result<StunMessage> message = decode_stun(datagram);
  const bool answer = message && (message->kind == StunClass::kSuccess || message->kind == StunClass::kError);
  const auto found = answer ? pending_.find(message->id) : pending_.end();
  if (found == pending_.end() || !belongs(found->second, socket, from, *message, datagram)) {
    ++ignored_;
    return std::nullopt;
  }
  const Pending& p = found->second;
  StunAnswer out{message->id, socket, p.request.server, std::move(*message), std::nullopt};
  if (p.sent == 1) out.rtt_ns = now_ns - p.sent_ns;  // Karn: an answer to one of several says nothing
  pending_.erase(found);
  return out;
}

std::vector<StunTimeout> StunClient::tick(std::int64_t now_ns, Outbox& out) {
  std::vector<StunTimeout> given_up;
  for (auto it = pending_.begin(); it != pending_.end();) {
    Pending& p = it->second;
    if (p.due_ns > now_ns) {
      ++it;
      continue;
    }
    if (p.sent == p.timing.sends) {
      given_up.push_back({it->first, p.request.socket, p.request.server});
      it = pending_.erase(it);
      continue;
    }
    out.push_back({p.request.socket, 0, p.request.server, p.bytes});
    ++p.sent;
    p.sent_ns = now_ns;
    const std::int64_t wait = p.sent == p.timing.sends ? p.timing.last : std::int64_t{1} << (p.sent - 1);
    p.due_ns = now_ns + wait * p.timing.rto_ms * kMs;
    ++it;
  }
  return given_up;
}

std::optional<std::int64_t> StunClient::next_ns() const {
  std::optional<std::int64_t> next;
  for (const auto& [id, p] : pending_) next = std::min(next.value_or(p.due_ns), p.due_ns);
  return next;
}

}  // namespace hanse::nat
