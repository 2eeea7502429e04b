#include "base/core/text.h"
#include "mesh/nat/detail/stun_types.h"
#include "mesh/nat/stun.h"

namespace hanse::nat {
namespace {

using namespace detail;  // the attribute types of this room

constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? (c >> 1) ^ 0xedb88320u : c >> 1;
    table[i] = c;
  }
  return table;
}();

std::unexpected<Error> bad(std::string_view what) { return fail(Kind::kCorrupt, "nat.stun_format", what); }

std::unexpected<Error> bad_size(std::uint16_t type, std::size_t found) {
  return bad(text("found {} bytes in attribute 0x{:04x}, which do not fit its form", found, type));
}

struct Value {
  std::uint16_t type;
  ByteView bytes;
};

class Reader {
 public:
  Reader(ByteView datagram, StunMessage& out) : datagram_(datagram), out_(out) {}

  Status attributes() {
    std::size_t at = kStunHeaderSize, count = 0;
    while (at < datagram_.size()) {
      if (++count > kAttributesMax)
        return fail(Kind::kExhausted, "nat.stun_limit", text("found over {} attributes", kAttributesMax));
      if (datagram_.size() - at < 4) return bad("found an attribute header that is cut");
      const Value v{load_be<std::uint16_t>(datagram_.data() + at), {}};
      const std::size_t size = load_be<std::uint16_t>(datagram_.data() + at + 2);
      const std::size_t padded = (size + 3) / 4 * 4;
      if (padded > datagram_.size() - at - 4)
        return bad(text("found {} bytes announced in attribute 0x{:04x}, {} are left", size, v.type,
                        datagram_.size() - at - 4));
      if (out_.fingerprint) return bad("found an attribute behind FINGERPRINT");
      TRY_OK(place({v.type, datagram_.subspan(at + 4, size)}, at));
      at += 4 + padded;
    }
    return {};
  }

 private:
  // Integrity and fingerprint end what is read; everything before them goes by type.
  Status place(const Value& v, std::size_t at) {
    if (v.type == kFingerprint) return fingerprint(v, at);
    if (out_.integrity_sha256_at) return {};
    if (v.type == kMessageIntegritySha256) {
      if (v.bytes.size() < 16 || v.bytes.size() > 32 || v.bytes.size() % 4 != 0)
        return bad_size(v.type, v.bytes.size());
      out_.integrity_sha256_at = static_cast<std::uint16_t>(at);
      return {};
    }
    if (out_.integrity_at) return {};
    if (v.type == kMessageIntegrity) {
      if (v.bytes.size() != 20) return bad_size(v.type, v.bytes.size());
      out_.integrity_at = static_cast<std::uint16_t>(at);
      return {};
    }
    return read(v);
  }

  Status fingerprint(const Value& v, std::size_t at) {
    if (v.bytes.size() != 4) return bad_size(v.type, v.bytes.size());
    const std::uint32_t found = load_be<std::uint32_t>(v.bytes.data());
    const std::uint32_t want = crc32_ieee(datagram_.first(at)) ^ kFingerprintXor;
    if (found != want)
      return fail(Kind::kCorrupt, "nat.stun_fingerprint", text("found {:08x}, expected {:08x}", found, want));
    out_.fingerprint = true;
    return {};
  }

  Status read(const Value& v) {
    switch (v.type) {
      case kMappedAddress: return endpoint(v, out_.mapped, false);
      case kXorMappedAddress: return endpoint(v, out_.xor_mapped, true);
      case kXorRelayedAddress: return endpoint(v, out_.xor_relayed, true);
      case kAlternateServer: return endpoint(v, out_.alternate_server, false);
      case kResponseOrigin: return endpoint(v, out_.response_origin, false);
      case kOtherAddress: return endpoint(v, out_.other_address, false);
      case kXorPeerAddress: return peer(v);
      case kUsername: return words(v, out_.username, kUsernameBytesMax);
      case kRealm: return words(v, out_.realm, kTextBytesMax);
      case kNonce: return words(v, out_.nonce, kTextBytesMax);
      case kSoftware: return words(v, out_.software, kTextBytesMax);
      case kErrorCode: return error(v);
      case kUnknownAttributes: return unknown(v);
      case kPasswordAlgorithms: return algorithms(v);
      case kUserhash: return hash(v);
      case kPadding:
        if (!out_.padding_bytes) out_.padding_bytes = static_cast<std::uint16_t>(v.bytes.size());
        return {};
      case kData:
        if (!out_.data) out_.data = to_bytes(v.bytes);
        return {};
      default: return read_number(v);
    }
  }

  Status read_number(const Value& v) {
    switch (v.type) {
      case kPasswordAlgorithm: return algorithm(v);
      case kChannelNumber: return number(v, out_.channel);
      case kLifetime: return number(v, out_.lifetime_s);
      case kRequestedTransport: return number(v, out_.requested_transport);
      case kRequestedAddressFamily: return number(v, out_.requested_family);
      case kChangeRequest: return change(v);
      default:
        if (v.type < 0x8000 && out_.not_understood.size() < kUnknownMax) out_.not_understood.push_back(v.type);
        return {};
    }
  }

  Result<Endpoint> plain_endpoint(const Value& v, bool masked) const {
    if (v.bytes.size() != 8 && v.bytes.size() != 20) return bad_size(v.type, v.bytes.size());
    Bytes b = to_bytes(v.bytes);
    const bool v6 = b[1] == kFamilyV6;
    if (b[1] != kFamilyV4 && !v6) return bad(text("found address family {}, expected 1 or 2", b[1]));
    if (b.size() != (v6 ? 20u : 8u)) return bad_size(v.type, v.bytes.size());
    if (masked) {
      for (std::size_t i = 2; i < 4; ++i) b[i] ^= datagram_[4 + i - 2];
      for (std::size_t i = 4; i < b.size(); ++i) b[i] ^= datagram_[4 + i - 4];
    }
    Endpoint out;
    out.ip.v6 = v6;
    out.port = load_be<std::uint16_t>(b.data() + 2);
    std::copy(b.begin() + 4, b.end(), out.ip.bytes.begin());
    return out;
  }
  Status endpoint(const Value& v, std::optional<Endpoint>& out, bool masked) const {
    TRY(const Endpoint found, plain_endpoint(v, masked));
    if (!out) out = found;
    return {};
  }
  Status peer(const Value& v) {
    TRY(const Endpoint found, plain_endpoint(v, true));
    if (out_.xor_peers.size() == kXorPeersMax)
      return fail(Kind::kExhausted, "nat.stun_limit", text("found over {} peer addresses", kXorPeersMax));
    out_.xor_peers.push_back(found);
    return {};
  }
  static Status words(const Value& v, std::optional<std::string>& out, std::size_t bytes_max) {
    if (v.bytes.size() > bytes_max)
      return fail(Kind::kExhausted, "nat.stun_limit",
                  text("found {} bytes in attribute 0x{:04x}, at most {}", v.bytes.size(), v.type, bytes_max));
    if (!out) out = std::string(as_text(v.bytes));
    return {};
  }
  template <class T>
  static Status number(const Value& v, std::optional<T>& out) {
    if (v.bytes.size() != 4) return bad_size(v.type, v.bytes.size());
    if (!out) out = load_be<T>(v.bytes.data());
    return {};
  }
  Status error(const Value& v) {
    if (v.bytes.size() < 4) return bad_size(v.type, v.bytes.size());
    const std::uint8_t hundreds = v.bytes[2] & 7, rest = v.bytes[3];
    if (hundreds < 3 || hundreds > 6 || rest > 99) return bad(text("found error class {} number {}", hundreds, rest));
    if (v.bytes.size() > 4 + kTextBytesMax)
      return fail(Kind::kExhausted, "nat.stun_limit", text("found a reason of {} bytes", v.bytes.size() - 4));
    if (!out_.error)
      out_.error =
          ErrorCode{static_cast<std::uint16_t>(hundreds * 100 + rest), std::string(as_text(v.bytes.subspan(4)))};
    return {};
  }
  Status unknown(const Value& v) {
    if (v.bytes.size() % 2 != 0) return bad_size(v.type, v.bytes.size());
    if (v.bytes.size() / 2 > kUnknownMax)
      return fail(Kind::kExhausted, "nat.stun_limit", text("found {} unknown attributes", v.bytes.size() / 2));
    if (!out_.unknown_attributes.empty()) return {};
    for (std::size_t i = 0; i < v.bytes.size(); i += 2)
      out_.unknown_attributes.push_back(load_be<std::uint16_t>(v.bytes.data() + i));
    return {};
  }
  Status algorithms(const Value& v) {
    const bool first = out_.password_algorithms.empty();
    for (std::size_t at = 0; at < v.bytes.size();) {
      if (v.bytes.size() - at < 4) return bad_size(v.type, v.bytes.size());
      const std::size_t parameters = (load_be<std::uint16_t>(v.bytes.data() + at + 2) + std::size_t{3}) / 4 * 4;
      if (parameters > v.bytes.size() - at - 4) return bad_size(v.type, v.bytes.size());
      if (first && out_.password_algorithms.size() == kAlgorithmsMax)
        return fail(Kind::kExhausted, "nat.stun_limit", text("found over {} password algorithms", kAlgorithmsMax));
      if (first) out_.password_algorithms.push_back(load_be<std::uint16_t>(v.bytes.data() + at));
      at += 4 + parameters;
    }
    return {};
  }
  Status algorithm(const Value& v) {
    if (v.bytes.size() < 4) return bad_size(v.type, v.bytes.size());
    if (!out_.password_algorithm) out_.password_algorithm = load_be<std::uint16_t>(v.bytes.data());
    return {};
  }
  Status hash(const Value& v) {
    Hash32 found;
    if (!Hash32::from(v.bytes, found)) return bad_size(v.type, v.bytes.size());
    if (!out_.userhash) out_.userhash = found;
    return {};
  }
  Status change(const Value& v) {
    if (v.bytes.size() != 4) return bad_size(v.type, v.bytes.size());
    if (!out_.change_request) out_.change_request = ChangeRequest{(v.bytes[3] & 4) != 0, (v.bytes[3] & 2) != 0};
    return {};
  }

  ByteView datagram_;
  StunMessage& out_;
};

}  // namespace

std::uint32_t crc32_ieee(ByteView data) {
  std::uint32_t c = 0xffffffff;
  for (const std::uint8_t b : data) c = (c >> 8) ^ kCrcTable[(c ^ b) & 0xff];
  return ~c;
}

bool looks_like_stun(ByteView datagram) {
  return datagram.size() >= kStunHeaderSize && (datagram[0] & 0xc0) == 0 &&
         load_be<std::uint32_t>(datagram.data() + 4) == kStunCookie;
}

Result<StunMessage> decode_stun(ByteView datagram) {
  if (datagram.size() > kStunBytesMax)
    return fail(Kind::kExhausted, "nat.stun_limit", text("found {} bytes, at most {}", datagram.size(), kStunBytesMax));
  if (!looks_like_stun(datagram)) return bad(text("found {} bytes without header and cookie", datagram.size()));
  const std::size_t length = load_be<std::uint16_t>(datagram.data() + 2);
  if (length % 4 != 0 || length != datagram.size() - kStunHeaderSize)
    return bad(text("found length {} in a message of {} bytes", length, datagram.size()));
  const std::uint16_t type = load_be<std::uint16_t>(datagram.data());
  StunMessage out;
  out.kind = static_cast<StunClass>((type >> 4 & 1) | (type >> 7 & 2));
  out.method = static_cast<StunMethod>((type & 0x000f) | (type >> 1 & 0x0070) | (type >> 2 & 0x0f80));
  TransactionId::from(datagram.subspan(8, 12), out.id);
  TRY_OK(Reader(datagram, out).attributes());
  if (out.kind == StunClass::kError && !out.error) return bad("found an error response without ERROR-CODE");
  return out;
}

}  // namespace hanse::nat
