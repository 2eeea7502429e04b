#include "mesh/gate/detail/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/crypto/tls_key.h"

namespace hanse::gate::detail {
namespace {

using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;

constexpr unsigned char kH2[] = {2, 'h', '2'};
constexpr long kBackdatedS = 24 * 3600, kValidS = 10L * 365 * 24 * 3600;  // means nothing here, but to who pins it
constexpr int kTurnsMax = 16;                                             // pieces of one connection in a row

std::unexpected<Error> refused(std::string_view what) {
  return fail(Kind::kInternal, "gate.system", text("{}: {}", what, openssl_reason()));
}

// A socket's bytes without SIGPIPE, which OpenSSL's own BIO would raise.
int bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  const auto n = ::send(fd, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}
int bio_read(BIO* bio, char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  const auto n = ::recv(fd, bytes, static_cast<std::size_t>(size), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(n);
}
long bio_control(BIO*, int what, long, void*) { return what == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* socket_method() {
  static BIO_METHOD* const made = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "hanse socket");
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_ctrl(m, bio_control);
    return m;
  }();
  return made;
}

Result<X509Ptr> self_signed(const crypto::SecretKey& key) {
  const std::shared_ptr<void> handle = crypto::tls_key(key);
  auto* pkey = static_cast<EVP_PKEY*>(handle.get());
  X509Ptr cert(X509_new());
  const std::string id = codec::encode_id(crypto::account_id(key.public_key()).view());
  const auto* name = reinterpret_cast<const unsigned char*>(id.data());
  X509_NAME* subject = cert ? X509_get_subject_name(cert.get()) : nullptr;
  const ExtensionPtr names(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1"));
  if (subject == nullptr || names == nullptr || X509_set_version(cert.get(), X509_VERSION_3) != 1 ||
      ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1) != 1 ||
      X509_gmtime_adj(X509_getm_notBefore(cert.get()), -kBackdatedS) == nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(cert.get()), kValidS) == nullptr ||
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, static_cast<int>(id.size()), -1, 0) != 1 ||
      X509_set_issuer_name(cert.get(), subject) != 1 || X509_set_pubkey(cert.get(), pkey) != 1 ||
      X509_add_ext(cert.get(), names.get(), -1) != 1 || X509_sign(cert.get(), pkey, nullptr) == 0)
    return refused("make a certificate");
  return cert;
}

Status use_certificate(SSL_CTX& context, const crypto::SecretKey& key, std::string* pem) {
  TRY(const X509Ptr cert, self_signed(key));
  const std::shared_ptr<void> handle = crypto::tls_key(key);
  if (SSL_CTX_use_certificate(&context, cert.get()) != 1 ||
      SSL_CTX_use_PrivateKey(&context, static_cast<EVP_PKEY*>(handle.get())) != 1)
    return refused("use a certificate");
  if (pem == nullptr) return {};
  const BioPtr out(BIO_new(BIO_s_mem()));
  char* bytes = nullptr;
  if (out == nullptr || PEM_write_bio_X509(out.get(), cert.get()) != 1) return refused("write a certificate");
  const long size = BIO_get_mem_data(out.get(), &bytes);
  pem->append(bytes, static_cast<std::size_t>(size));
  return {};
}

Result<ContextPtr> context_of(const char* groups, const char* sigalgs) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(TLS_method()));
  if (context == nullptr) return refused("make a TLS context");
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  if (SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(context.get(), TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") != 1 ||
      SSL_CTX_set1_groups_list(context.get(), groups) != 1 || SSL_CTX_set1_sigalgs_list(context.get(), sigalgs) != 1 ||
      SSL_CTX_set1_client_sigalgs_list(context.get(), "mldsa65") != 1 || SSL_CTX_set_num_tickets(context.get(), 0) != 1)
    return refused("set up TLS 1.3 with X25519MLKEM768 and ML-DSA-65");
  return context;
}

// A certificate stands for its key: whose it is is looked at when the handshake is over, and TLS itself checks that the
// other side holds it. Any other kind of key is refused here.
int is_mldsa(X509_STORE_CTX* store, void*) {
  if (crypto::tls_key_owner(X509_get0_pubkey(X509_STORE_CTX_get0_cert(store)))) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
  return 0;
}

int select_h2(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
              void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kH2, sizeof kH2, in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

std::string openssl_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string out = reason != nullptr ? reason : "no reason given";
  ERR_clear_error();
  return out;
}

std::unexpected<Error> system_error(std::string_view what) {
  return fail(Kind::kInternal, "gate.system", text("{}: {}", what, std::strerror(errno)));
}

Result<ContextPtr> server_context(const crypto::Identity& identity, std::string& pem) {
  // The slash: who can do the first does it, even if its first guess was the second.
  TRY(ContextPtr context, context_of("X25519MLKEM768/X25519", "mldsa65:ed25519"));
  TRY_OK(use_certificate(*context, identity.mldsa(), &pem));
  TRY_OK(use_certificate(*context, identity.ed25519(), &pem));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), is_mldsa, nullptr);
  SSL_CTX_set_alpn_select_cb(context.get(), select_h2, nullptr);
  return context;
}

Result<ContextPtr> client_context(const crypto::SecretKey* key) {
  TRY(ContextPtr context, context_of("X25519MLKEM768", "mldsa65"));
  if (key != nullptr) TRY_OK(use_certificate(*context, *key, nullptr));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), is_mldsa, nullptr);
  if (SSL_CTX_set_alpn_protos(context.get(), kH2, sizeof kH2) != 0) return refused("offer HTTP/2");
  return context;
}

Result<SslPtr> session(SSL_CTX& context, int net) {
  ERR_clear_error();
  SslPtr ssl(SSL_new(&context));
  BIO* bio = ssl ? BIO_new(socket_method()) : nullptr;
  if (bio == nullptr) return refused("make a TLS session");
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(net)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);
  return ssl;
}

std::optional<AccountId> shown_by_peer(const SSL& ssl) {
  const X509* cert = SSL_get0_peer_certificate(&ssl);
  return cert != nullptr ? crypto::tls_key_owner(X509_get0_pubkey(cert)) : std::nullopt;
}

Result<Pair> plain_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
    return system_error("make a socket pair");
  return Pair{.ours = Fd(fds[0]), .theirs = Fd(fds[1])};
}

Relay::Shake Relay::shake(bool server) {
  ERR_clear_error();
  const int rc = server ? SSL_accept(ssl_.get()) : SSL_connect(ssl_.get());
  if (rc == 1) return Shake::kDone;
  return want(rc) == Moved::kNone ? Shake::kGoing : Shake::kFailed;
}

Relay::Moved Relay::want(int rc) {
  const int why = SSL_get_error(ssl_.get(), rc);
  wants_read_ = why == SSL_ERROR_WANT_READ;
  wants_write_ = why == SSL_ERROR_WANT_WRITE;
  return wants_read_ || wants_write_ ? Moved::kNone : Moved::kEnd;
}

Relay::Moved Relay::read_net() {
  ERR_clear_error();
  std::size_t n = 0;
  const int rc = SSL_read_ex(ssl_.get(), in_.bytes->data(), in_.bytes->size(), &n);
  if (rc != 1) {
    const Moved moved = want(rc);
    net_ended_ = moved == Moved::kEnd;
    return net_ended_ ? Moved::kSome : moved;
  }
  in_.begin = 0;
  in_.end = n;
  return Moved::kSome;
}

Relay::Moved Relay::write_plain() {
  const auto n = ::send(plain_.get(), in_.bytes->data() + in_.begin, in_.end - in_.begin, MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? Moved::kNone : Moved::kEnd;
  in_.begin += static_cast<std::size_t>(n);
  return Moved::kSome;
}

Relay::Moved Relay::read_plain() {
  const auto n = ::recv(plain_.get(), out_.bytes->data(), out_.bytes->size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Moved::kNone;
  plain_ended_ = n <= 0;
  out_.begin = 0;
  out_.end = n > 0 ? static_cast<std::size_t>(n) : 0;
  return Moved::kSome;
}

Relay::Moved Relay::write_net() {
  ERR_clear_error();
  std::size_t n = 0;
  const int rc = SSL_write_ex(ssl_.get(), out_.bytes->data() + out_.begin, out_.end - out_.begin, &n);
  if (rc != 1) {
    const int why = SSL_get_error(ssl_.get(), rc);
    wants_write_ = why == SSL_ERROR_WANT_WRITE;
    return wants_write_ || why == SSL_ERROR_WANT_READ ? Moved::kNone : Moved::kEnd;
  }
  wants_write_ = false;
  out_.begin += n;
  return Moved::kSome;
}

bool Relay::move() {
  more_ = false;
  for (int turn = 0; turn < kTurnsMax; ++turn) {
    Moved all[4] = {Moved::kNone, Moved::kNone, Moved::kNone, Moved::kNone};
    if (in_.empty() && !net_ended_) all[0] = read_net();
    if (!in_.empty()) all[1] = write_plain();
    if (out_.empty() && !plain_ended_) all[2] = read_plain();
    if (!out_.empty()) all[3] = write_net();
    bool some = false;
    for (const Moved moved : all) {
      if (moved == Moved::kEnd) return false;
      some = some || moved == Moved::kSome;
    }
    if (net_ended_ && in_.empty()) return false;
    if (plain_ended_ && out_.empty()) {
      ERR_clear_error();
      (void)SSL_shutdown(ssl_.get());
      return false;
    }
    if (!some) return true;
  }
  more_ = true;
  return true;
}

short Relay::net_events() const {
  const bool reads = wants_read_ && in_.empty() && !net_ended_;
  return static_cast<short>((reads ? POLLIN : 0) | (wants_write_ ? POLLOUT : 0));
}

short Relay::plain_events() const {
  const bool reads = out_.empty() && !plain_ended_;
  return static_cast<short>((reads ? POLLIN : 0) | (in_.empty() ? 0 : POLLOUT));
}

}  // namespace hanse::gate::detail
