// TLS 1.3 between two holders of known ML-DSA keys: raw public keys both ways (RFC 7250), X25519MLKEM768 alone, ALPN
// "hanse-chain/1", no tickets, no resumption, no early data. Private to this room.
//   TlsContext   our key and the rules; one a process; borrowed by its sessions
//   TlsSession   one connection. Reads its socket itself, through a buffer of its own; what it wants to write gathers
//                in out(), which the owner sends and clears, so that many records leave in one system call.
// Threads: one. Errors: channel.tls (denied), channel.wrong_identity (denied), channel.closed (unavailable),
// channel.system (internal).
#pragma once

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>

#include "base/core/bytes.h"
#include "base/core/result.h"
#include "base/crypto/sign.h"
#include "base/crypto/tls_key.h"

namespace hanse::channel::detail {

constexpr std::string_view kAlpn = "hanse-chain/1";

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};

class TlsContext {
 public:
  static Result<std::unique_ptr<TlsContext>> create(const crypto::SecretKey& key);
  SSL_CTX* get() const { return context_.get(); }

 private:
  TlsContext() = default;
  std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>> context_;
};

class TlsSession {
 public:
  enum class Side : std::uint8_t { kDials, kAccepts };
  // Asked once, with the peer's raw public key: false ends the handshake with channel.wrong_identity.
  using KnowsKey = std::function<bool(const crypto::PublicKey& key)>;

  static Result<std::unique_ptr<TlsSession>> create(const TlsContext& context, int fd, Side side, KnowsKey knows_key);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession();

  Result<bool> handshake();                                              // false: needs more from the socket
  Result<std::size_t> read(ByteSpan out);                                // 0: needs more from the socket
  bool holds_bytes() const { return SSL_has_pending(ssl_.get()) == 1; }  // that were read from the socket already
  Status write(ByteView record);                                         // at most one record; appends to out()
  Status rekey();                                                        // the next record is under a new key

  Bytes& out() { return out_; }

 private:
  explicit TlsSession(KnowsKey knows_key) : knows_key_(std::move(knows_key)) {}
  static int verify(int ok, X509_STORE_CTX* store);
  static int alpn_select(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                         unsigned in_size, void*);
  static const BIO_METHOD* out_method();
  Error failure(int code, std::string_view doing);
  friend class TlsContext;

  std::unique_ptr<SSL, Freer<SSL_free>> ssl_;
  KnowsKey knows_key_;
  bool wrong_key_ = false;
  Bytes out_;
};

}  // namespace hanse::channel::detail
