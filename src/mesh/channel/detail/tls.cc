#include "mesh/channel/detail/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cerrno>

#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::channel::detail {
namespace {

constexpr std::size_t kReadBufferSize = 128 << 10;  // so many bytes of records come with one system call
constexpr unsigned char kRawPublicKey[] = {TLSEXT_cert_type_rpk};

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  std::string out = reason != nullptr ? reason : "no reason given";
  ERR_clear_error();
  return out;
}

std::unexpected<Error> refused_by_openssl(std::string_view what) {
  return fail(Kind::kInternal, "channel.system", text("{}: {}", what, openssl_reason()));
}

// The raw key of a peer that has one of the algorithms we accept.
bool raw_key(const EVP_PKEY* pkey, crypto::PublicKey& out) {
  if (pkey == nullptr) return false;
  if (EVP_PKEY_is_a(pkey, "ML-DSA-65") == 1)
    out.alg = crypto::SigAlg::kMlDsa65;
  else if (EVP_PKEY_is_a(pkey, "ML-DSA-87") == 1)
    out.alg = crypto::SigAlg::kMlDsa87;
  else
    return false;
  std::size_t size = 0;
  if (EVP_PKEY_get_raw_public_key(pkey, nullptr, &size) != 1) return false;
  out.bytes.resize(size);
  return EVP_PKEY_get_raw_public_key(pkey, out.bytes.data(), &size) == 1;
}

int out_write(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
  auto* out = static_cast<Bytes*>(BIO_get_data(bio));
  append(*out, ByteView(reinterpret_cast<const std::uint8_t*>(data), size));
  *written = size;
  return 1;
}

long out_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::create(const crypto::SecretKey& key) {
  ERR_clear_error();
  std::unique_ptr<TlsContext> made(new TlsContext);
  made->context_.reset(SSL_CTX_new(TLS_method()));
  SSL_CTX* context = made->context_.get();
  if (context == nullptr) return refused_by_openssl("make a TLS context");
  const std::shared_ptr<void> handle = crypto::tls_key(key);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);  // a read goes on after a change of keys
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kReadBufferSize);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, &TlsSession::verify);
  SSL_CTX_set_alpn_select_cb(context, &TlsSession::alpn_select, nullptr);
  if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") != 1 ||
      SSL_CTX_set1_groups_list(context, "X25519MLKEM768") != 1 ||
      SSL_CTX_set1_sigalgs_list(context, "mldsa65:mldsa87") != 1 ||
      SSL_CTX_set1_client_sigalgs_list(context, "mldsa65:mldsa87") != 1 || SSL_CTX_set_num_tickets(context, 0) != 1 ||
      SSL_CTX_set_max_early_data(context, 0) != 1 ||
      SSL_CTX_set1_server_cert_type(context, kRawPublicKey, sizeof kRawPublicKey) != 1 ||
      SSL_CTX_set1_client_cert_type(context, kRawPublicKey, sizeof kRawPublicKey) != 1 ||
      SSL_CTX_use_PrivateKey(context, static_cast<EVP_PKEY*>(handle.get())) != 1)
    return refused_by_openssl("set up TLS 1.3 with X25519MLKEM768 and ML-DSA raw public keys");
  return made;
}

int TlsSession::verify(int, X509_STORE_CTX* store) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* session = static_cast<TlsSession*>(SSL_get_app_data(ssl));
  crypto::PublicKey key;
  if (raw_key(X509_STORE_CTX_get0_rpk(store), key) && session->knows_key_(key)) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  session->wrong_key_ = true;
  X509_STORE_CTX_set_error(store, X509_V_ERR_RPK_UNTRUSTED);
  return 0;
}

int TlsSession::alpn_select(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                            unsigned in_size, void*) {
  for (unsigned at = 0; at < in_size; at += in[at] + 1u) {
    if (in_size - at - 1 < in[at]) break;
    if (as_text({in + at + 1, in[at]}) != kAlpn) continue;
    *out = in + at + 1;
    *out_size = in[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

const BIO_METHOD* TlsSession::out_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "hanse channel");
    check(m != nullptr && BIO_meth_set_write_ex(m, &out_write) == 1 && BIO_meth_set_ctrl(m, &out_control) == 1,
          "OpenSSL has memory for a method");
    return m;  // one a process, never freed
  }();
  return method;
}

Result<std::unique_ptr<TlsSession>> TlsSession::create(const TlsContext& context, int fd, Side side,
                                                       KnowsKey knows_key) {
  ERR_clear_error();
  std::unique_ptr<TlsSession> made(new TlsSession(std::move(knows_key)));
  made->ssl_.reset(SSL_new(context.get()));
  SSL* ssl = made->ssl_.get();
  BIO* in = BIO_new_socket(fd, BIO_NOCLOSE);
  BIO* out = BIO_new(out_method());
  if (ssl == nullptr || in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    return refused_by_openssl("make a TLS session");
  }
  BIO_set_data(out, &made->out_);
  BIO_set_init(out, 1);
  SSL_set_bio(ssl, in, out);
  SSL_set_app_data(ssl, made.get());
  if (side == Side::kAccepts) {
    SSL_set_accept_state(ssl);
    return made;
  }
  SSL_set_connect_state(ssl);
  std::string alpn(1, static_cast<char>(kAlpn.size()));
  alpn += kAlpn;
  if (SSL_set_alpn_protos(ssl, as_bytes(alpn).data(), static_cast<unsigned>(alpn.size())) != 0)
    return refused_by_openssl("offer the application protocol");
  return made;
}

TlsSession::~TlsSession() = default;

Error TlsSession::failure(int code, std::string_view doing) {
  const int system = errno;
  if (wrong_key_) {
    ERR_clear_error();
    return Error(Kind::kDenied, "channel.wrong_identity", "found a public key that is not the configured one");
  }
  const bool eof = code == SSL_ERROR_ZERO_RETURN ||
                   (code == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
  if (eof) {
    ERR_clear_error();
    return Error(Kind::kUnavailable, "channel.closed", text("the peer closed the connection while {}", doing));
  }
  if (code == SSL_ERROR_SYSCALL) {
    ERR_clear_error();
    return Error(Kind::kUnavailable, "channel.closed",
                 text("the connection broke while {}: {}", doing, std::string_view(strerror(system))));
  }
  return Error(Kind::kDenied, "channel.tls", text("TLS failed while {}: {}", doing, openssl_reason()));
}

Result<bool> TlsSession::handshake() {
  ERR_clear_error();
  errno = 0;
  const int done = SSL_do_handshake(ssl_.get());
  if (done != 1) {
    const int code = SSL_get_error(ssl_.get(), done);
    if (code == SSL_ERROR_WANT_READ) return false;
    return std::unexpected(failure(code, "shaking hands"));
  }
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  if (as_text({name, size}) != kAlpn)
    return fail(Kind::kDenied, "channel.tls",
                text("found application protocol '{}', expected {}", as_text({name, size}), kAlpn));
  return true;
}

Result<std::size_t> TlsSession::read(ByteSpan out) {
  ERR_clear_error();
  errno = 0;
  std::size_t got = 0;
  const int done = SSL_read_ex(ssl_.get(), out.data(), out.size(), &got);
  if (done == 1) return got;
  const int code = SSL_get_error(ssl_.get(), done);
  if (code == SSL_ERROR_WANT_READ) return std::size_t{0};
  return std::unexpected(failure(code, "reading"));
}

Status TlsSession::write(ByteView record) {
  ERR_clear_error();
  std::size_t put = 0;
  const int done = SSL_write_ex(ssl_.get(), record.data(), record.size(), &put);
  if (done == 1 && put == record.size()) return {};
  return std::unexpected(failure(SSL_get_error(ssl_.get(), done), "writing"));
}

Status TlsSession::rekey() {
  if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1) return {};
  return refused_by_openssl("change the key of a connection");
}

}  // namespace hanse::channel::detail
