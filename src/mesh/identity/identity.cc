#include "mesh/identity/identity.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::identity {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kFields = 7;
constexpr std::size_t kKeyBytesMax = 2'592, kSignatureBytesMax = 4'627;
constexpr std::string_view kAgentPrefix = "agent:", kUserPrefix = "user:";

std::string_view context_of(const AgentCert&) { return kAgentCertContext; }
std::string_view context_of(const UserCert&) { return kUserCertContext; }

template <class Id>
Id id_of(std::string_view context, const crypto::PublicKey& key) {
  const std::uint8_t alg = static_cast<std::uint8_t>(key.alg);
  Id out;
  out.data = crypto::blake3(context, {ByteView(&alg, 1), key.bytes}).data;
  return out;
}

template <class Id>
Result<Id> parse(std::string_view prefix, std::string_view shown, std::string_view what) {
  Id out;
  if (shown.starts_with(prefix))
    if (const auto bytes = codec::decode_id(shown.substr(prefix.size())); bytes && Id::from(*bytes, out)) return out;
  return fail(Kind::kInvalid, "identity.id",
              text("found \"{}\", expected the id of {} as {}hanse1...", shown.substr(0, 80), what, prefix));
}

// ---- one certificate -----------------------------------------------------------------------------------------------

Status check_suite(const crypto::PublicKey& key) {
  if (key.alg != crypto::SigAlg::kMlDsa65 && key.alg != crypto::SigAlg::kMlDsa87)
    return fail(Kind::kUnsupported, "identity.suite",
                text("found algorithm {}, expected 3 (ML-DSA-65) or 4 (ML-DSA-87)", static_cast<unsigned>(key.alg)));
  TRY(const auto sizes, crypto::sig_sizes(static_cast<std::uint8_t>(key.alg)));
  if (key.bytes.size() != sizes.public_key)
    return fail(Kind::kUnsupported, "identity.suite",
                text("found a key of {} bytes, expected {} for algorithm {}", key.bytes.size(), sizes.public_key,
                     static_cast<unsigned>(key.alg)));
  return {};
}

template <class C>
Status check_life(const C& cert) {
  if (cert.not_before_ms < 0 || cert.not_after_ms <= cert.not_before_ms ||
      cert.not_after_ms - cert.not_before_ms > kLifeMsMax)
    return fail(Kind::kInvalid, "identity.life",
                text("found a certificate from {} to {}, expected one of 1 to {} ms", cert.not_before_ms,
                     cert.not_after_ms, kLifeMsMax));
  return {};
}

template <class C>
Bytes body_of(const C& cert) {
  codec::CborWriter w;
  w.map(kFields);
  const auto field = [&](std::uint64_t key, std::uint64_t value) {
    w.key(key);
    w.u64(value);
  };
  field(0, kVersion);
  field(1, static_cast<std::uint64_t>(cert.key.alg));
  w.key(2);
  w.bytes(cert.key.bytes);
  w.key(3);
  w.bytes(cert.subject.view());
  field(4, static_cast<std::uint64_t>(cert.not_before_ms));
  field(5, static_cast<std::uint64_t>(cert.not_after_ms));
  field(6, cert.caps);
  return w.take();
}

template <class C>
Result<Bytes> sign(C cert, const crypto::SecretKey& key) {
  cert.key = key.public_key();
  TRY_OK(check_suite(cert.key));
  TRY_OK(check_life(cert));
  const Bytes body = body_of(cert);
  codec::CborWriter w;
  w.array(2);
  w.bytes(body);
  w.bytes(key.sign(context_of(cert), body));
  return w.take();
}

Status next(codec::CborReader& r, std::uint64_t key, std::string_view what) {
  TRY(const auto found, r.key());
  if (found != key) return r.fail_missing(what);
  return {};
}

template <class C>
Status read_body(ByteView body, C& out) {
  codec::CborReader r(body, {.size_max = kCertBytesMax, .depth_max = 2});
  const auto number = [&](std::uint64_t key, std::string_view what, std::uint64_t max) -> Result<std::uint64_t> {
    TRY_OK(next(r, key, what));
    return r.u64(what, max);
  };
  TRY_OK(r.enter_map("certificate", kFields));
  if (r.left() != kFields) return r.fail_missing("certificate");
  TRY(const auto version, number(0, "version", UINT64_MAX));
  if (version != kVersion) return r.fail_here("identity.papers", text("found version {}, expected 1", version));
  TRY(const auto alg, number(1, "algorithm", UINT8_MAX));
  out.key.alg = static_cast<crypto::SigAlg>(alg);
  TRY_OK(next(r, 2, "key"));
  TRY(const ByteView key, r.bytes("key", kKeyBytesMax));
  out.key.bytes = to_bytes(key);
  TRY_OK(next(r, 3, "subject"));
  TRY_OK(r.fixed("subject", out.subject));
  TRY(const auto not_before, number(4, "not_before", INT64_MAX));
  out.not_before_ms = static_cast<std::int64_t>(not_before);
  TRY(const auto not_after, number(5, "not_after", INT64_MAX));
  out.not_after_ms = static_cast<std::int64_t>(not_after);
  TRY(out.caps, number(6, "caps", UINT64_MAX));
  TRY_OK(r.leave());
  return r.finish();
}

template <class C>
struct Unproved {
  C cert;
  ByteView body, signature;  // views into what was read
};

template <class C>
Result<Unproved<C>> decode(ByteView bytes) {
  Unproved<C> out;
  const auto read = [&]() -> Status {
    codec::CborReader r(bytes, {.size_max = kCertBytesMax, .depth_max = 2});
    TRY_OK(r.enter_array("signed certificate", 2));
    TRY(out.body, r.bytes("body", kCertBytesMax));
    TRY(out.signature, r.bytes("signature", kSignatureBytesMax));
    TRY_OK(r.leave());
    TRY_OK(r.finish());
    return read_body(out.body, out.cert);
  };
  if (auto good = read(); !good) return fail(Kind::kCorrupt, "identity.papers", good.error().str());
  TRY_OK(check_suite(out.cert.key));
  TRY_OK(check_life(out.cert));
  return out;
}

template <class C>
Status check_time(const C& cert, std::string_view whose, std::int64_t now_ms) {
  if (now_ms < cert.not_before_ms - kSkewMs)
    return fail(
        Kind::kDenied, "identity.not_yet",
        text("found {} certificate that begins in {} ms, expected one that holds", whose, cert.not_before_ms - now_ms));
  if (now_ms - kSkewMs > cert.not_after_ms)
    return fail(
        Kind::kDenied, "identity.expired",
        text("found {} certificate that ended {} ms ago, expected one that holds", whose, now_ms - cert.not_after_ms));
  return {};
}

template <class C>
Status check_signature(const Unproved<C>& u, std::string_view whose) {
  const auto good = crypto::verify(u.cert.key, context_of(u.cert), u.body, u.signature);
  if (!good) return fail(Kind::kDenied, "identity.signature", text("{} certificate: {}", whose, good.error().str()));
  return {};
}

Status check_caps(std::uint64_t found, std::uint64_t within, std::string_view by) {
  if ((found & ~within) != 0)
    return fail(Kind::kDenied, "identity.caps",
                text("found capabilities {:#x}, expected none but those that {}: {:#x}", found, by, within));
  return {};
}

}  // namespace

// ---- ids -----------------------------------------------------------------------------------------------------------

AgentId agent_id(const crypto::PublicKey& key) { return id_of<AgentId>(kAgentIdContext, key); }
UserId user_id(const crypto::PublicKey& key) { return id_of<UserId>(kUserIdContext, key); }

std::string id_text(const MachineId& id) { return codec::encode_id(id.view()); }
std::string id_text(const AgentId& id) { return std::string(kAgentPrefix) + codec::encode_id(id.view()); }
std::string id_text(const UserId& id) { return std::string(kUserPrefix) + codec::encode_id(id.view()); }

Result<MachineId> parse_machine(std::string_view shown) { return parse<MachineId>("", shown, "a machine"); }
Result<AgentId> parse_agent(std::string_view shown) { return parse<AgentId>(kAgentPrefix, shown, "an agent"); }
Result<UserId> parse_user(std::string_view shown) { return parse<UserId>(kUserPrefix, shown, "a user"); }

// ---- certificates --------------------------------------------------------------------------------------------------

Result<Bytes> sign_cert(AgentCert cert, const crypto::SecretKey& key) { return sign(std::move(cert), key); }
Result<Bytes> sign_cert(UserCert cert, const crypto::SecretKey& key) { return sign(std::move(cert), key); }

Result<AgentCert> decode_agent_cert(ByteView bytes) {
  TRY(auto u, decode<AgentCert>(bytes));
  return std::move(u.cert);
}
Result<UserCert> decode_user_cert(ByteView bytes) {
  TRY(auto u, decode<UserCert>(bytes));
  return std::move(u.cert);
}

// ---- papers --------------------------------------------------------------------------------------------------------

Bytes encode(const Papers& papers) {
  codec::CborWriter w;
  w.array(2);
  w.bytes(papers.agent);
  w.bytes(papers.user);
  return w.take();
}

Result<Papers> decode_papers(ByteView bytes) {
  const auto read = [&]() -> Result<Papers> {
    codec::CborReader r(bytes, {.size_max = kPapersBytesMax, .depth_max = 2});
    TRY_OK(r.enter_array("papers", 2));
    TRY(const ByteView agent, r.bytes("agent", kCertBytesMax));
    TRY(const ByteView user, r.bytes("user", kCertBytesMax));
    TRY_OK(r.leave());
    TRY_OK(r.finish());
    return Papers{.agent = to_bytes(agent), .user = to_bytes(user)};
  };
  auto out = read();
  if (!out) return fail(Kind::kCorrupt, "identity.papers", out.error().str());
  return out;
}

// What costs nothing comes before the signatures.
Result<Who> verify(const Papers& papers, const Shown& shown) {
  TRY(const auto agent, decode<AgentCert>(papers.agent));
  if (agent.cert.subject != shown.by)
    return fail(Kind::kDenied, "identity.machine",
                text("found the certificate of {}, shown by {}", id_text(agent.cert.subject), id_text(shown.by)));
  TRY_OK(check_time(agent.cert, "an agent's", shown.now_ms));
  Who out{.agent = agent_id(agent.cert.key),
          .user = {},
          .caps = agent.cert.caps,
          .not_before_ms = agent.cert.not_before_ms,
          .not_after_ms = agent.cert.not_after_ms};
  if (!papers.user.empty()) {
    TRY(const auto user, decode<UserCert>(papers.user));
    if (user.cert.subject != out.agent)
      return fail(
          Kind::kDenied, "identity.agent",
          text("found a user's certificate for {}, shown for {}", id_text(user.cert.subject), id_text(out.agent)));
    TRY_OK(check_time(user.cert, "a user's", shown.now_ms));
    TRY_OK(check_caps(out.caps, user.cert.caps, "the user gave"));
    TRY_OK(check_signature(user, "the user's"));
    out.user = user_id(user.cert.key);
    out.not_before_ms = std::max(out.not_before_ms, user.cert.not_before_ms);
    out.not_after_ms = std::min(out.not_after_ms, user.cert.not_after_ms);
  }
  TRY_OK(check_caps(shown.caps_needed, out.caps, "the agent gave"));
  TRY_OK(check_signature(agent, "the agent's"));
  return out;
}

}  // namespace hanse::identity
