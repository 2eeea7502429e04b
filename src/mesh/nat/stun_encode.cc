#include "base/core/check.h"
#include "base/crypto/hash.h"
#include "base/crypto/legacy.h"
#include "mesh/nat/detail/stun_types.h"
#include "mesh/nat/stun.h"

namespace hanse::nat {
namespace {

using namespace detail;  // the attribute types of this room

class Writer {
 public:
  explicit Writer(const StunMessage& message) {
    const auto method = static_cast<std::uint16_t>(message.method);
    const auto kind = static_cast<std::uint16_t>(message.kind);
    // RFC 8489, figure 3: the class bits stand between those of the method.
    const std::uint16_t type = static_cast<std::uint16_t>((method & 0x000f) | (kind & 1) << 4 | (method & 0x0070) << 1 |
                                                          (kind & 2) << 7 | (method & 0x0f80) << 2);
    append_be<std::uint16_t>(out_, type);
    append_be<std::uint16_t>(out_, 0);
    append_be(out_, kStunCookie);
    append(out_, message.id.view());
  }

  void raw(std::uint16_t type, ByteView value) {
    append_be(out_, type);
    append_be(out_, static_cast<std::uint16_t>(value.size()));
    append(out_, value);
    while (out_.size() % 4 != 0) out_.push_back(0);
    set_length(0);
  }
  void text(std::uint16_t type, const std::optional<std::string>& value) {
    if (value) raw(type, as_bytes(*value));
  }
  template <class T>
  void number(std::uint16_t type, T value) {  // in the high bytes of 4, the rest is reserved
    Bytes b;
    append_be(b, value);
    b.resize(4);
    raw(type, b);
  }
  void numbers(std::uint16_t type, const std::vector<std::uint16_t>& values) {
    Bytes b;
    for (const std::uint16_t v : values) append_be(b, v);
    raw(type, b);
  }
  void endpoint(std::uint16_t type, const std::optional<Endpoint>& value, bool masked) {
    if (!value) return;
    Bytes b{0, value->ip.v6 ? kFamilyV6 : kFamilyV4};
    append_be(b, value->port);
    append(b, value->ip.view());
    if (masked) {
      for (std::size_t i = 2; i < 4; ++i) b[i] ^= out_[4 + i - 2];
      for (std::size_t i = 4; i < b.size(); ++i) b[i] ^= out_[4 + i - 4];
    }
    raw(type, b);
  }
  // The length field counts up to the end of the attribute that is being sealed (RFC 8489, 14.5 to 14.7).
  void set_length(std::size_t more) {
    store_be(out_.data() + 2, static_cast<std::uint16_t>(out_.size() - kStunHeaderSize + more));
  }
  void seal(const StunSeal& seal) {
    if (seal.integrity == Integrity::kSha1) {
      set_length(24);
      raw(kMessageIntegrity, crypto::hmac_sha1(seal.key, {out_}).view());
    } else if (seal.integrity == Integrity::kSha256) {
      set_length(36);
      raw(kMessageIntegritySha256, crypto::hmac_sha256(seal.key, {out_}).view());
    }
    if (!seal.fingerprint) return;
    set_length(8);
    number(kFingerprint, crc32_ieee(out_) ^ kFingerprintXor);
  }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

void write_turn(Writer& w, const StunMessage& m) {
  if (m.channel) w.number(kChannelNumber, *m.channel);
  if (m.lifetime_s) w.number(kLifetime, *m.lifetime_s);
  for (const Endpoint& peer : m.xor_peers) w.endpoint(kXorPeerAddress, peer, true);
  if (m.data) w.raw(kData, *m.data);
  w.endpoint(kXorRelayedAddress, m.xor_relayed, true);
  if (m.requested_family) w.number(kRequestedAddressFamily, *m.requested_family);
  if (m.requested_transport) w.number(kRequestedTransport, *m.requested_transport);
}

void write_credential(Writer& w, const StunMessage& m) {
  if (m.userhash) w.raw(kUserhash, m.userhash->view());
  w.text(kUsername, m.username);
  w.text(kNonce, m.nonce);
  w.text(kRealm, m.realm);
  Bytes list;
  for (const std::uint16_t algorithm : m.password_algorithms) {
    append_be(list, algorithm);
    append_be<std::uint16_t>(list, 0);  // no parameters
  }
  if (!list.empty()) w.raw(kPasswordAlgorithms, list);
  if (m.password_algorithm) w.number(kPasswordAlgorithm, *m.password_algorithm);
}

}  // namespace

Bytes encode_stun(const StunMessage& m, const StunSeal& seal) {
  Writer w(m);
  w.text(kSoftware, m.software);
  if (m.error) {
    Bytes b{0, 0, static_cast<std::uint8_t>(m.error->code / 100), static_cast<std::uint8_t>(m.error->code % 100)};
    append(b, as_bytes(m.error->reason));
    w.raw(kErrorCode, b);
  }
  if (!m.unknown_attributes.empty()) w.numbers(kUnknownAttributes, m.unknown_attributes);
  w.endpoint(kXorMappedAddress, m.xor_mapped, true);
  w.endpoint(kMappedAddress, m.mapped, false);
  w.endpoint(kAlternateServer, m.alternate_server, false);
  w.endpoint(kResponseOrigin, m.response_origin, false);
  w.endpoint(kOtherAddress, m.other_address, false);
  if (m.change_request)
    w.number(kChangeRequest,
             static_cast<std::uint32_t>((m.change_request->ip ? 4 : 0) | (m.change_request->port ? 2 : 0)));
  if (m.padding_bytes) w.raw(kPadding, Bytes(*m.padding_bytes));
  write_turn(w, m);
  write_credential(w, m);
  w.seal(seal);
  return w.take();
}

bool integrity_ok(const StunMessage& m, ByteView datagram, Integrity kind, ByteView key) {
  const std::optional<std::uint16_t> at = kind == Integrity::kSha1     ? m.integrity_at
                                          : kind == Integrity::kSha256 ? m.integrity_sha256_at
                                                                       : std::nullopt;
  if (!at || *at + std::size_t{4} > datagram.size()) return false;
  const std::size_t size = load_be<std::uint16_t>(datagram.data() + *at + 2);
  if (*at + 4 + size > datagram.size()) return false;
  Bytes head = to_bytes(datagram.first(*at));
  store_be(head.data() + 2, static_cast<std::uint16_t>(*at - kStunHeaderSize + 4 + size));
  const ByteView found = datagram.subspan(*at + 4, size);
  FixedBytes<20> sha1;
  Hash32 sha256;
  ByteView want;
  if (kind == Integrity::kSha1) {
    sha1 = crypto::hmac_sha1(key, {head});
    want = sha1.view();
  } else {
    sha256 = crypto::hmac_sha256(key, {head});
    want = sha256.view().first(std::min<std::size_t>(size, 32));  // may be cut to 16 bytes and more (14.6)
  }
  if (found.size() != want.size()) return false;
  std::uint8_t differs = 0;  // in constant time
  for (std::size_t i = 0; i < want.size(); ++i) differs |= found[i] ^ want[i];
  return differs == 0;
}

Bytes long_term_key(const Credential& credential, std::string_view realm, std::uint16_t algorithm) {
  const ByteView colon = as_bytes(":");
  const std::initializer_list<ByteView> parts{as_bytes(credential.username), colon, as_bytes(realm), colon,
                                              as_bytes(credential.password)};
  check(algorithm == kAlgorithmMd5 || algorithm == kAlgorithmSha256, "the password algorithm is a known one");
  return algorithm == kAlgorithmMd5 ? to_bytes(crypto::md5(parts).view()) : to_bytes(crypto::sha256(parts).view());
}

Hash32 userhash(std::string_view username, std::string_view realm) {
  return crypto::sha256({as_bytes(username), as_bytes(":"), as_bytes(realm)});
}

}  // namespace hanse::nat
