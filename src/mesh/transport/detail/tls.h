// TLS 1.3 of a mesh connection: our key, the rules of both sides, the tag in the ClientHello. Private to this room.
//   TlsContext    one an endpoint; makes the SSL objects, which ngtcp2 drives
//   TlsSubject    what a connection tells TLS and hears from it; found through the SSL object
// The tag: extension 0xFF57 = u8 1, 16 bytes BLAKE3("hanse/mesh-tag/1", network, dialed id, client random), zeros up
// to 900 bytes (ML-DSA-65) or 1200 (ML-DSA-87). The zeros make the hello fill three datagrams, so that the server may
// answer its whole flight at once although it may send only three times what it got.
// Threads: one. Errors: transport.system (internal).
#pragma once

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_ossl.h>
#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/crypto/sign.h"

namespace hanse::transport::detail {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using SslPtr = std::unique_ptr<SSL, Freer<SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION_free>>;

constexpr std::uint16_t kTagExtension = 0xff57;
constexpr std::uint8_t kTagVersion = 1;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kTagBytes65 = 900, kTagBytes87 = 1200;

// What is spoken. Tests make foreigners with another one.
struct TlsProfile {
  std::string groups = "X25519MLKEM768";
  std::string sigalgs = "mldsa65:mldsa87";
  std::string alpn = "hanse/1";
  bool tagged = true;
  bool any_key = false;       // our own key may be of another kind
  std::size_t pad_bytes = 0;  // of the tag; 0: by our key
};

// The facts of one connection that TLS's callbacks need; SSL_get_app_data leads to conn_ref.
struct TlsSubject {
  ngtcp2_crypto_conn_ref conn_ref{};  // user_data: this object
  ngtcp2_conn* conn = nullptr;
  bool inbound = false;
  NetworkId network;
  AccountId self;      // inbound: our id, which the dialer has put into its tag
  AccountId expected;  // outbound: whom we dialed
  bool admit_untagged = false;
  bool tagged = false;              // inbound: the hello had the right tag
  std::optional<AccountId> proved;  // whose key was shown
  std::optional<Error> refusal;     // why we ended the handshake, when it was us
  Bytes tag;                        // outbound: the extension, until it is sent
  void* owner = nullptr;
  void (*on_session)(void* owner, SessionPtr session) = nullptr;  // outbound: a ticket came
};

FixedBytes<kTagSize> hello_tag(const NetworkId& network, const AccountId& dialed, ByteView client_random);

class TlsContext {
 public:
  static Result<std::unique_ptr<TlsContext>> create(const crypto::SecretKey& key, const TlsProfile& profile);
  // subject outlives the SSL object, or SSL_set_app_data(ssl, nullptr) is called before its end.
  // resumed: outbound, of an earlier connection to the same peer; it is used up.
  Result<SslPtr> session(TlsSubject& subject, SSL_SESSION* resumed) const;
  const TlsProfile& profile() const { return profile_; }

 private:
  TlsContext() = default;
  static int verify(int ok, X509_STORE_CTX* store);
  static int on_hello(SSL* ssl, int* alert, void* self);
  static int add_tag(SSL* ssl, unsigned type, unsigned context, const unsigned char** out, std::size_t* size, X509*,
                     std::size_t, int* alert, void* self);
  static int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                         unsigned in_size, void* self);
  static int on_ticket(SSL* ssl, SSL_SESSION* session);
  Status set_up(SSL_CTX* context, EVP_PKEY* key, bool inbound);
  std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>> inbound_, outbound_;  // tickets are kept differently
  TlsProfile profile_;
  std::size_t pad_bytes_ = 0;
};

}  // namespace hanse::transport::detail
