#include "mesh/nat/reflector.h"

#include "base/crypto/hash.h"

namespace hanse::nat {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kTokenNs = kSecondNs / kReflectionsPerSecond;

StunMessage refusal(const StunMessage& request) {  // 420
  StunMessage m;
  m.kind = StunClass::kError;
  m.id = request.id;
  m.error = ErrorCode{420, ""};
  m.unknown_attributes = request.not_understood;
  return m;
}

}  // namespace

Reflector::Reflector(const ReflectorOptions& options, Random& random) : options_(options), slots_(kSourceSlots) {
  random.fill(key_.span());
}

bool Reflector::take_token(const Endpoint& from, std::int64_t now_ns) {
  const ByteView source = from.ip.v6 ? from.ip.view().first(8) : from.ip.view();
  const Hash32 hash = crypto::blake3("hanse/nat-source/1", {key_.view(), source});
  Slot& slot = slots_[load_le<std::uint64_t>(hash.data.data()) % kSourceSlots];
  const std::int64_t full = std::max(slot.full_ns, now_ns) + kTokenNs;
  if (full > now_ns + kSecondNs) return false;
  slot.full_ns = full;
  return true;
}

std::optional<Endpoint> Reflector::origin(const Endpoint& local, const ChangeRequest& change) const {
  if (!change.ip && !change.port) return local;
  if (!options_.alternate) return std::nullopt;
  const Endpoint& a = options_.primary;
  const Endpoint& b = *options_.alternate;
  Endpoint out = local;
  if (change.ip) out.ip = local.ip == a.ip ? b.ip : a.ip;
  if (change.port) out.port = local.port == a.port ? b.port : a.port;
  return out;
}

std::optional<Reflection> Reflector::receive(const Endpoint& local, const Endpoint& from, ByteView datagram,
                                             std::int64_t now_ns) {
  Result<StunMessage> request = decode_stun(datagram);
  if (!request || request->kind != StunClass::kRequest || request->method != StunMethod::kBinding ||
      !answerable(from)) {
    ++counts_.not_stun;
    return std::nullopt;
  }
  if (!take_token(from, now_ns)) {
    ++counts_.limited;
    return std::nullopt;
  }
  const std::optional<Endpoint> source = origin(local, request->change_request.value_or(ChangeRequest{}));
  if (!source) request->not_understood.push_back(0x0003);  // CHANGE-REQUEST, which one address cannot do
  const bool refused = !request->not_understood.empty();
  StunMessage m = refused ? refusal(*request) : StunMessage{};
  if (!refused) {
    m.kind = StunClass::kSuccess;
    m.id = request->id;
    m.xor_mapped = from;
    m.response_origin = *source;
    if (options_.alternate) m.other_address = origin(local, {true, true});
  }
  const std::size_t bytes_max = datagram.size() * 3 / 2;
  const StunSeal seal{Integrity::kNone, {}, request->fingerprint};
  Bytes bytes = encode_stun(m, seal);
  if (bytes.size() > bytes_max) {
    m.response_origin.reset();
    bytes = encode_stun(m, seal);
  }
  if (bytes.size() > bytes_max) {
    m.other_address.reset();
    bytes = encode_stun(m, seal);
  }
  if (bytes.size() > bytes_max) {
    ++counts_.too_short;
    return std::nullopt;
  }
  ++(refused ? counts_.refused : counts_.answered);
  return Reflection{source.value_or(local), from, std::move(bytes)};
}

}  // namespace hanse::nat
