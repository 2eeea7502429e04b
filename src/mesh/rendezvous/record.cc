#include "mesh/rendezvous/record.h"

#include <tuple>

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::rendezvous {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kFields = 8;
constexpr std::size_t kKeyBytesMax = 2'592, kSignatureBytesMax = 4'627;

Bytes body_of(const Record& r) {
  codec::CborWriter w;
  w.map(kFields);
  const auto number = [&](std::uint64_t key, std::uint64_t value) {
    w.key(key);
    w.u64(value);
  };
  const auto bytes = [&](std::uint64_t key, ByteView value) {
    w.key(key);
    w.bytes(value);
  };
  number(0, kVersion);
  number(1, static_cast<std::uint64_t>(r.key.alg));
  bytes(2, r.key.bytes);
  bytes(3, r.network.view());
  number(4, r.seq);
  number(5, static_cast<std::uint64_t>(r.not_after_ms));
  w.key(6);
  w.boolean(r.here);
  bytes(7, r.cert);
  return w.take();
}

Status next(codec::CborReader& r, std::uint64_t key, std::string_view what) {
  TRY(const auto found, r.key());
  if (found != key) return r.fail_missing(what);
  return {};
}

Status read_key(codec::CborReader& r, crypto::PublicKey& out) {
  TRY_OK(next(r, 1, "algorithm"));
  TRY(const auto alg, r.u64("algorithm", 4));
  if (alg != 3 && alg != 4) return r.fail_here("rendezvous.record", text("found algorithm {}, expected 3 or 4", alg));
  TRY_OK(next(r, 2, "key"));
  TRY(const ByteView key, r.bytes("key", kKeyBytesMax));
  TRY(const auto sizes, crypto::sig_sizes(static_cast<std::uint8_t>(alg)));
  if (key.size() != sizes.public_key)
    return r.fail_here("rendezvous.record", text("found a key of {} bytes, expected {}", key.size(), sizes.public_key));
  out = {.alg = static_cast<crypto::SigAlg>(alg), .bytes = to_bytes(key)};
  return {};
}

Result<Record> read_body(ByteView body) {
  codec::CborReader r(body, {.size_max = kRecordBytesMax, .depth_max = 2});
  Record out;
  TRY_OK(r.enter_map("record", kFields));
  if (r.left() != kFields) return r.fail_missing("record");
  TRY_OK(next(r, 0, "version"));
  TRY(const auto version, r.u64("version"));
  if (version != kVersion) return r.fail_here("rendezvous.record", text("found version {}, expected 1", version));
  TRY_OK(read_key(r, out.key));
  TRY_OK(next(r, 3, "network"));
  TRY_OK(r.fixed("network", out.network));
  TRY_OK(next(r, 4, "seq"));
  TRY(out.seq, r.u64("seq"));
  TRY_OK(next(r, 5, "not_after"));
  TRY(const auto not_after, r.u64("not_after", INT64_MAX));
  out.not_after_ms = static_cast<std::int64_t>(not_after);
  TRY_OK(next(r, 6, "here"));
  TRY(out.here, r.boolean("here"));
  TRY_OK(next(r, 7, "certificate"));
  TRY(const ByteView cert, r.bytes("certificate", identity::kCertBytesMax));
  out.cert = to_bytes(cert);
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

// What the record is about: the ids that its key and certificate stand for.
Status fill_in(Record& r) {
  TRY(const auto cert, identity::decode_agent_cert(r.cert));
  r.machine = crypto::account_id(r.key);
  r.agent = identity::agent_id(cert.key);
  r.certified_ms = cert.not_before_ms;
  if (cert.subject == r.machine) return {};
  return fail(Kind::kDenied, "rendezvous.agent",
              text("found an agent's certificate of {}, expected of {}, whose key this is",
                   identity::id_text(cert.subject), identity::id_text(r.machine)));
}

}  // namespace

Result<SignedRecord> sign_record(Record record, const crypto::SecretKey& key) {
  record.key = key.public_key();
  TRY_OK(fill_in(record));
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
    TRY(out.signature, r.bytes("signature", kSignatureBytesMax));
    TRY_OK(r.leave());
    TRY_OK(r.finish());
    TRY(out.record, read_body(out.body));
    TRY_OK(fill_in(out.record));
    return out;
  };
  auto out = read();
  if (!out) return fail(Kind::kCorrupt, "rendezvous.record", out.error().str());
  return out;
}

Result<SignedRecord> open_record(ByteView bytes, const Expected& expected) {
  TRY(Unproved u, decode_record(bytes));
  const Record& r = u.record;
  // What costs nothing comes before the signatures.
  if (r.network != expected.network)
    return fail(Kind::kConflict, "rendezvous.network",
                text("found network {}, expected {}", r.network, expected.network));
  if (r.not_after_ms < expected.now_ms - kSkewMs || r.not_after_ms - expected.now_ms > kLifeMsMax + kSkewMs)
    return fail(Kind::kUnavailable, "rendezvous.expired",
                text("found an end {} ms from now, expected at most {}", r.not_after_ms - expected.now_ms, kLifeMsMax));
  if (expected.agent && r.agent != *expected.agent)
    return fail(
        Kind::kDenied, "rendezvous.agent",
        text("found a record of {}, expected of {}", identity::id_text(r.agent), identity::id_text(*expected.agent)));
  TRY_OK(identity::verify({.agent = r.cert, .user = {}}, {.by = r.machine, .now_ms = expected.now_ms}));
  if (auto good = crypto::verify(r.key, kRecordContext, u.body, u.signature); !good)
    return fail(Kind::kDenied, "rendezvous.signature", good.error().str());
  return SignedRecord{.record = std::move(u.record), .bytes = to_bytes(bytes)};
}

Succession succession(const Record& have, const Record& other) {
  if (other.seq != have.seq) return other.seq > have.seq ? Succession::kNewer : Succession::kOlder;
  // The signature is hedged: signing the same record twice is no lie.
  return other == have ? Succession::kSame : Succession::kEquivocation;
}

bool stands_before(const Record& a, const Record& b) {
  return std::tie(b.certified_ms, b.seq, b.machine) < std::tie(a.certified_ms, a.seq, a.machine);
}

}  // namespace hanse::rendezvous
