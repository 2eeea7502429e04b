#include "mesh/discovery/record.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::discovery {

namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kFields = 12;
constexpr std::uint64_t kTimeMax = INT64_MAX;

Status may_hold(const PeerRecord& r, const Address& a) {
  const Reach reach = reach_of(a);
  if (reach == Reach::kNever || (reach == Reach::kPrivate && r.scope == Scope::kPublic))
    return fail(Kind::kInvalid, "discovery.address",
                text("found {} in a record of scope {}, expected one that may be dialled there", address_text(a),
                     static_cast<unsigned>(r.scope)));
  return {};
}

Bytes body_of(const PeerRecord& r) {
  codec::CborWriter w;
  w.map(kFields);
  const auto field = [&](std::uint64_t key, std::uint64_t value) {
    w.key(key);
    w.u64(value);
  };
  field(0, kVersion);
  field(1, static_cast<std::uint64_t>(r.alg));
  w.key(2);
  w.bytes(r.peer.view());
  field(3, r.seq);
  field(4, static_cast<std::uint64_t>(r.not_after_ms));
  w.key(5);
  w.bytes(r.network.view());
  field(6, static_cast<std::uint64_t>(r.scope));
  w.key(7);
  w.array(r.addresses.size());
  for (const Address& a : r.addresses) {
    w.array(3);
    w.u64(static_cast<std::uint64_t>(a.kind));
    w.bytes(a.ip);
    w.u64(a.port);
  }
  w.key(8);
  w.array(r.relays.size());
  for (const PeerId& relay : r.relays) w.bytes(relay.view());
  field(9, r.roles);
  field(10, r.caps);
  field(11, static_cast<std::uint64_t>(r.nat));
  return w.take();
}

Status read_addresses(codec::CborReader& r, PeerRecord& out) {
  TRY_OK(r.enter_array("addresses", kAddressesMax));
  while (r.more()) {
    Address a;
    TRY_OK(r.enter_array("address", 3));
    TRY(const auto kind, r.u64("kind", 2));
    a.kind = static_cast<AddressKind>(kind);
    TRY(const ByteView ip, r.bytes("ip", 16));
    a.ip = to_bytes(ip);
    TRY(const auto port, r.u64("port", 65'535));
    a.port = static_cast<std::uint16_t>(port);
    TRY_OK(r.leave());
    TRY_OK(may_hold(out, a));
    if (!out.addresses.empty() && a <= out.addresses.back())
      return r.fail_here("discovery.record", "found addresses out of order, expected ascending ones");
    out.addresses.push_back(std::move(a));
  }
  return r.leave();
}

Status read_relays(codec::CborReader& r, PeerRecord& out) {
  TRY_OK(r.enter_array("relays", kRelaysMax));
  while (r.more()) {
    PeerId relay;
    TRY_OK(r.fixed("relay", relay));
    out.relays.push_back(relay);
  }
  return r.leave();
}

Result<std::uint64_t> number(codec::CborReader& r, std::uint64_t key, std::string_view what,
                             std::uint64_t max = UINT64_MAX) {
  TRY(const auto found, r.key());
  if (found != key) return r.fail_missing(what);
  return r.u64(what, max);
}

Status next(codec::CborReader& r, std::uint64_t key, std::string_view what) {
  TRY(const auto found, r.key());
  if (found != key) return r.fail_missing(what);
  return {};
}

Result<PeerRecord> read_body(ByteView body) {
  codec::CborReader r(body, {.size_max = kRecordBytesMax, .depth_max = 4});
  PeerRecord out;
  TRY_OK(r.enter_map("record", kFields));
  if (r.left() != kFields) return r.fail_missing("record");
  TRY(const auto version, number(r, 0, "version", kVersion));
  if (version != kVersion) return r.fail_here("discovery.record", text("found version {}, expected 1", version));
  TRY(const auto alg, number(r, 1, "alg", 4));
  if (alg != 3 && alg != 4) return r.fail_here("discovery.record", text("found algorithm {}, expected 3 or 4", alg));
  out.alg = static_cast<crypto::SigAlg>(alg);
  TRY_OK(next(r, 2, "peer"));
  TRY_OK(r.fixed("peer", out.peer));
  TRY(out.seq, number(r, 3, "seq"));
  TRY(const auto not_after, number(r, 4, "not_after", kTimeMax));
  out.not_after_ms = static_cast<std::int64_t>(not_after);
  TRY_OK(next(r, 5, "network"));
  TRY_OK(r.fixed("network", out.network));
  TRY(const auto scope, number(r, 6, "scope", 1));
  out.scope = static_cast<Scope>(scope);
  TRY_OK(next(r, 7, "addresses"));
  TRY_OK(read_addresses(r, out));
  TRY_OK(next(r, 8, "relays"));
  TRY_OK(read_relays(r, out));
  TRY(out.roles, number(r, 9, "roles"));
  TRY(out.caps, number(r, 10, "caps"));
  TRY(const auto nat, number(r, 11, "nat", 4));
  out.nat = static_cast<Nat>(nat);
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

}  // namespace

Result<SignedRecord> sign_record(PeerRecord record, const crypto::SecretKey& key) {
  std::erase_if(record.addresses,
                [&](const Address& a) { return record.scope == Scope::kPublic && reach_of(a) == Reach::kPrivate; });
  std::ranges::sort(record.addresses);
  const auto twice = std::ranges::unique(record.addresses);
  record.addresses.erase(twice.begin(), twice.end());
  for (const Address& a : record.addresses) TRY_OK(may_hold(record, a));
  if (record.addresses.size() > kAddressesMax || record.relays.size() > kRelaysMax || record.not_after_ms < 0)
    return fail(Kind::kInvalid, "discovery.address",
                text("found {} addresses and {} relays, expected at most {} and {}", record.addresses.size(),
                     record.relays.size(), kAddressesMax, kRelaysMax));
  record.alg = key.public_key().alg;
  record.peer = crypto::account_id(key.public_key());
  const Bytes body = body_of(record);
  codec::CborWriter w;
  w.array(2);
  w.bytes(body);
  w.bytes(key.sign(kRecordContext, body));
  return SignedRecord{.record = std::move(record), .bytes = w.take()};
}

Result<Unproved> decode_record(ByteView bytes) {
  const auto read = [&]() -> Result<Unproved> {
    codec::CborReader r(bytes, {.size_max = kRecordBytesMax, .depth_max = 2});
    Unproved out;
    TRY_OK(r.enter_array("signed record", 2));
    TRY(out.body, r.bytes("body", kRecordBytesMax));
    TRY(out.signature, r.bytes("signature", 4'627));
    TRY_OK(r.leave());
    TRY_OK(r.finish());
    TRY(out.record, read_body(out.body));
    return out;
  };
  auto out = read();
  if (!out) return fail(Kind::kCorrupt, "discovery.record", out.error().str());
  return out;
}

Result<SignedRecord> open_record(ByteView bytes, const crypto::PublicKey& key, const Expected& expected) {
  TRY(Unproved u, decode_record(bytes));
  const PeerRecord& r = u.record;
  // What costs nothing comes before the signature.
  if (r.network != expected.network)
    return fail(Kind::kConflict, "discovery.network",
                text("found network {}, expected {}", r.network, expected.network));
  if (r.not_after_ms < expected.now_ms - kSkewMs || r.not_after_ms - expected.now_ms > kLifeMsMax + kSkewMs)
    return fail(Kind::kUnavailable, "discovery.expired",
                text("found an end {} ms from now, expected at most {}", r.not_after_ms - expected.now_ms, kLifeMsMax));
  if (key.alg != r.alg || crypto::account_id(key) != r.peer)
    return fail(Kind::kDenied, "discovery.signature", text("found a record of {}, expected of the key", r.peer));
  if (auto good = crypto::verify(key, kRecordContext, u.body, u.signature); !good)
    return fail(Kind::kDenied, "discovery.signature", good.error().str());
  return SignedRecord{.record = std::move(u.record), .bytes = to_bytes(bytes)};
}

Succession succession(const SignedRecord& have, const SignedRecord& other) {
  if (other.record.seq != have.record.seq)
    return other.record.seq > have.record.seq ? Succession::kNewer : Succession::kOlder;
  // The signature is hedged: signing the same record twice is no lie.
  return other.record == have.record ? Succession::kSame : Succession::kEquivocation;
}

}  // namespace hanse::discovery
