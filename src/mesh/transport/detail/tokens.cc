// Address tokens: of Retry, which a dialer gets instead of a connection while we are pressed, and of a visit, which it
// may show when it comes again. Both are sealed under a key of ours and bound to the address, so nothing is stored.
#include <netinet/in.h>

#include "mesh/transport/detail/core.h"

namespace hanse::transport {
namespace {

constexpr ngtcp2_tstamp kSecond = 1'000'000'000;
constexpr ngtcp2_duration kRetryLife = 10 * kSecond;
constexpr ngtcp2_duration kVisitLife = 24 * 3600 * kSecond;

sockaddr_in6 socket_address(const Address& address) {
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(address.port);
  std::memcpy(out.sin6_addr.s6_addr, address.ip.data(), address.ip.size());
  return out;
}

const ngtcp2_sockaddr* view(const sockaddr_in6& address) { return reinterpret_cast<const ngtcp2_sockaddr*>(&address); }

}  // namespace

// Many at once, or many a second.
bool Endpoint::Core::pressed(ngtcp2_tstamp ts) {
  if (ts - second_began_ >= kSecond) {
    second_began_ = ts;
    hellos_in_second_ = 0;
  }
  return ++hellos_in_second_ > options.limits.retry_per_second || handshakes_ >= options.limits.retry_handshakes;
}

bool Endpoint::Core::validate(const Path& path, const ngtcp2_pkt_hd& hello, ngtcp2_tstamp ts, detail::Validated& out) {
  const sockaddr_in6 from = socket_address(path.remote);
  if (hello.tokenlen > 0 && hello.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) {
    if (ngtcp2_crypto_verify_retry_token2(&out.original, hello.token, hello.tokenlen, token_secret_.data.data(),
                                          token_secret_.kSize, hello.version, view(from), sizeof from, &hello.dcid,
                                          kRetryLife, ts) != 0) {
      refuse_token(path, hello);
      return false;
    }
    out.type = NGTCP2_TOKEN_TYPE_RETRY;
    return true;
  }
  if (hello.tokenlen > 0 && hello.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR &&
      ngtcp2_crypto_verify_regular_token(hello.token, hello.tokenlen, token_secret_.data.data(), token_secret_.kSize,
                                         view(from), sizeof from, kVisitLife, ts) == 0)
    out.type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  if (!pressed(ts) || out.type != NGTCP2_TOKEN_TYPE_UNKNOWN) return true;
  retry(path, hello, ts);
  return false;
}

void Endpoint::Core::retry(const Path& path, const ngtcp2_pkt_hd& hello, ngtcp2_tstamp ts) {
  const sockaddr_in6 from = socket_address(path.remote);
  ngtcp2_cid scid;
  cids->mint(scid);
  std::uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2];
  const ngtcp2_ssize token_size =
      ngtcp2_crypto_generate_retry_token2(token, token_secret_.data.data(), token_secret_.kSize, hello.version,
                                          view(from), sizeof from, &scid, &hello.dcid, ts);
  if (token_size <= 0) return;
  Bytes out(kPacketMax);
  const ngtcp2_ssize size = ngtcp2_crypto_write_retry(out.data(), out.size(), hello.version, &hello.scid, &scid,
                                                      &hello.dcid, token, static_cast<std::size_t>(token_size));
  if (size <= 0) return;
  out.resize(static_cast<std::size_t>(size));
  ++totals_.retries;
  queue(path, std::move(out));
}

void Endpoint::Core::refuse_token(const Path& path, const ngtcp2_pkt_hd& hello) {
  ++totals_.strays;
  Bytes out(kPacketMax);
  const ngtcp2_ssize size = ngtcp2_crypto_write_connection_close(out.data(), out.size(), hello.version, &hello.scid,
                                                                 &hello.dcid, NGTCP2_INVALID_TOKEN, nullptr, 0);
  if (size <= 0) return;
  out.resize(static_cast<std::size_t>(size));
  queue(path, std::move(out));
}

Bytes Endpoint::Core::visit_token(const Path& path) const {
  const sockaddr_in6 to = socket_address(path.remote);
  Bytes out(NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN);
  const ngtcp2_ssize size = ngtcp2_crypto_generate_regular_token(out.data(), token_secret_.data.data(),
                                                                 token_secret_.kSize, view(to), sizeof to, ts_);
  out.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return out;
}

void Endpoint::Core::keep_token(const PeerId& peer, ByteView token) {
  if (!options.remember_visits || token.size() > NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN) return;
  tokens_.keep(peer, to_bytes(token));
}

void Endpoint::Core::keep_ticket(const PeerId& peer, detail::Ticket ticket) {
  if (options.remember_visits) tickets_.keep(peer, std::move(ticket));
}

}  // namespace hanse::transport
