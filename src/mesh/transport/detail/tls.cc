#include "mesh/transport/detail/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstring>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "base/crypto/tls_key.h"

namespace hanse::transport::detail {
namespace {

constexpr unsigned char kRawPublicKey[] = {TLSEXT_cert_type_rpk};
constexpr unsigned char kSessionContext[] = {'h', 'a', 'n', 's', 'e'};
constexpr long kSessionsMax = 1024;  // that a server keeps, 2 to 3 KB each
constexpr long kSessionSeconds = 2 * 3600;

std::unexpected<Error> refused_by_openssl(std::string_view what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string why = reason != nullptr ? reason : "no reason given";
  ERR_clear_error();
  return fail(Kind::kInternal, "transport.system", text("{}: {}", what, why));
}

TlsSubject* subject_of(const SSL* ssl) {
  auto* ref = static_cast<ngtcp2_crypto_conn_ref*>(SSL_get_app_data(ssl));
  return ref != nullptr ? static_cast<TlsSubject*>(ref->user_data) : nullptr;
}

}  // namespace

FixedBytes<kTagSize> hello_tag(const NetworkId& network, const AccountId& dialed, ByteView client_random) {
  const Hash32 whole = crypto::blake3("hanse/mesh-tag/1", {network.view(), dialed.view(), client_random});
  FixedBytes<kTagSize> out;
  std::memcpy(out.data.data(), whole.data.data(), kTagSize);
  return out;
}

Result<std::unique_ptr<TlsContext>> TlsContext::create(const crypto::SecretKey& key, const TlsProfile& profile) {
  ERR_clear_error();
  if (ngtcp2_crypto_ossl_init() != 0) return refused_by_openssl("fetch the algorithms of QUIC");
  std::unique_ptr<TlsContext> made(new TlsContext);
  made->profile_ = profile;
  made->pad_bytes_ = profile.pad_bytes != 0                             ? profile.pad_bytes
                     : key.public_key().alg == crypto::SigAlg::kMlDsa87 ? kTagBytes87
                                                                        : kTagBytes65;
  const std::shared_ptr<void> handle = crypto::tls_key(key);
  for (const bool inbound : {true, false}) {
    auto& context = inbound ? made->inbound_ : made->outbound_;
    context.reset(SSL_CTX_new(TLS_method()));
    if (context == nullptr) return refused_by_openssl("make a TLS context");
    TRY_OK(made->set_up(context.get(), static_cast<EVP_PKEY*>(handle.get()), inbound));
  }
  return made;
}

// Tickets are names of sessions that the server keeps (SSL_OP_NO_TICKET) and forgets when they are shown: OpenSSL's
// guard against replays, which stays on. A ticket that carries its session would hold the dialer's key, 2 KB in every
// hello.
Status TlsContext::set_up(SSL_CTX* context, EVP_PKEY* key, bool inbound) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, &TlsContext::verify);
  if (inbound) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
    SSL_CTX_sess_set_cache_size(context, kSessionsMax);
    SSL_CTX_set_alpn_select_cb(context, &TlsContext::select_alpn, this);
    SSL_CTX_set_client_hello_cb(context, &TlsContext::on_hello, this);
  } else {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, &TlsContext::on_ticket);
  }
  SSL_CTX_set_timeout(context, kSessionSeconds);
  if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") != 1 ||
      SSL_CTX_set1_groups_list(context, profile_.groups.c_str()) != 1 ||
      SSL_CTX_set1_sigalgs_list(context, profile_.sigalgs.c_str()) != 1 ||
      SSL_CTX_set1_client_sigalgs_list(context, profile_.sigalgs.c_str()) != 1 ||
      SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext) != 1 ||
      SSL_CTX_set_num_tickets(context, 1) != 1 || SSL_CTX_set_max_early_data(context, 0xffffffff) != 1 ||
      SSL_CTX_set1_server_cert_type(context, kRawPublicKey, sizeof kRawPublicKey) != 1 ||
      SSL_CTX_set1_client_cert_type(context, kRawPublicKey, sizeof kRawPublicKey) != 1 ||
      // On both sides: OpenSSL shows a server only those extensions of a hello that it knows.
      SSL_CTX_add_custom_ext(context, kTagExtension, SSL_EXT_CLIENT_HELLO, &TlsContext::add_tag, nullptr, this, nullptr,
                             nullptr) != 1 ||
      SSL_CTX_use_PrivateKey(context, key) != 1)
    return refused_by_openssl("set up TLS 1.3 with X25519MLKEM768 and ML-DSA raw public keys");
  return {};
}

int TlsContext::on_ticket(SSL* ssl, SSL_SESSION* session) {
  TlsSubject* subject = subject_of(ssl);
  if (subject == nullptr || subject->on_session == nullptr) return 0;
  subject->on_session(subject->owner, SessionPtr(session));
  return 1;  // it is ours now
}

Result<SslPtr> TlsContext::session(TlsSubject& subject, SSL_SESSION* resumed) const {
  ERR_clear_error();
  SslPtr ssl(SSL_new((subject.inbound ? inbound_ : outbound_).get()));
  if (ssl == nullptr) return refused_by_openssl("make a TLS session");
  subject.conn_ref.user_data = &subject;
  SSL_set_app_data(ssl.get(), &subject.conn_ref);
  const int configured = subject.inbound ? ngtcp2_crypto_ossl_configure_server_session(ssl.get())
                                         : ngtcp2_crypto_ossl_configure_client_session(ssl.get());
  if (configured != 0) return refused_by_openssl("give a TLS session to QUIC");
  if (subject.inbound) {
    SSL_set_accept_state(ssl.get());
    SSL_set_quic_tls_early_data_enabled(ssl.get(), 1);  // behind the state: it means something else for a client
    return ssl;
  }
  SSL_set_connect_state(ssl.get());
  if (resumed != nullptr) {
    if (SSL_set_session(ssl.get(), resumed) != 1) return refused_by_openssl("show a ticket");
    SSL_set_quic_tls_early_data_enabled(ssl.get(), 1);
  }
  std::string alpn(1, static_cast<char>(profile_.alpn.size()));
  alpn += profile_.alpn;
  if (SSL_set_alpn_protos(ssl.get(), as_bytes(alpn).data(), static_cast<unsigned>(alpn.size())) != 0)
    return refused_by_openssl("offer the application protocol");
  return ssl;
}

// Before the proof of the key is checked, and long before a byte of the application.
int TlsContext::verify(int, X509_STORE_CTX* store) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  TlsSubject* subject = subject_of(ssl);
  X509_STORE_CTX_set_error(store, X509_V_ERR_RPK_UNTRUSTED);
  if (subject == nullptr) return 0;
  subject->proved = crypto::tls_key_owner(X509_STORE_CTX_get0_rpk(store));
  if (!subject->proved) return 0;
  if (!subject->inbound && *subject->proved != subject->expected) {
    subject->refusal = Error(Kind::kDenied, "transport.wrong_identity",
                             text("found identity {}, dialed {}", *subject->proved, subject->expected));
    return 0;
  }
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

// Runs before anything else of a hello is looked at: a hello of another network costs a hash, not a signature.
int TlsContext::on_hello(SSL* ssl, int* alert, void*) {
  TlsSubject* subject = subject_of(ssl);
  *alert = SSL_AD_ACCESS_DENIED;
  if (subject == nullptr) return SSL_CLIENT_HELLO_ERROR;
  const unsigned char* bytes = nullptr;
  const unsigned char* random = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, kTagExtension, &bytes, &size) != 1) {
    if (subject->admit_untagged) return SSL_CLIENT_HELLO_SUCCESS;
    subject->refusal = Error(Kind::kDenied, "transport.wrong_network", "found a hello without a network tag");
    return SSL_CLIENT_HELLO_ERROR;
  }
  const std::size_t random_size = SSL_client_hello_get0_random(ssl, &random);
  const auto tag = hello_tag(subject->network, subject->self, {random, random_size});
  if (size < 1 + kTagSize || bytes[0] != kTagVersion || !equal({bytes + 1, kTagSize}, tag.view())) {
    subject->refusal = Error(Kind::kDenied, "transport.wrong_network",
                             text("found a hello of {} tag bytes for another network or node", size));
    return SSL_CLIENT_HELLO_ERROR;
  }
  subject->tagged = true;
  return SSL_CLIENT_HELLO_SUCCESS;
}

int TlsContext::add_tag(SSL* ssl, unsigned, unsigned, const unsigned char** out, std::size_t* size, X509*, std::size_t,
                        int* alert, void* self) {
  const auto* context = static_cast<const TlsContext*>(self);
  TlsSubject* subject = subject_of(ssl);
  std::uint8_t random[SSL3_RANDOM_SIZE];
  if (subject == nullptr || subject->inbound || !context->profile_.tagged) return 0;
  if (SSL_get_client_random(ssl, random, sizeof random) != sizeof random) {
    *alert = SSL_AD_INTERNAL_ERROR;
    return -1;
  }
  // A server that knows the ticket answers with little, so the hello need not be large.
  const SSL_SESSION* resumed = SSL_get0_session(ssl);
  const bool small = resumed != nullptr && SSL_SESSION_is_resumable(resumed) == 1;
  subject->tag.assign(small ? 1 + kTagSize : context->pad_bytes_, 0);
  subject->tag[0] = kTagVersion;
  const auto tag = hello_tag(subject->network, subject->expected, random);
  std::memcpy(subject->tag.data() + 1, tag.data.data(), kTagSize);
  *out = subject->tag.data();
  *size = subject->tag.size();
  return 1;
}

int TlsContext::select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                            unsigned in_size, void* self) {
  const auto& wanted = static_cast<const TlsContext*>(self)->profile_.alpn;
  for (unsigned at = 0; at < in_size; at += in[at] + 1u) {
    if (in_size - at - 1 < in[at]) break;
    if (as_text({in + at + 1, in[at]}) != wanted) continue;
    *out = in + at + 1;
    *out_size = in[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace hanse::transport::detail
