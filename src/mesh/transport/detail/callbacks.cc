#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "base/crypto/tls_key.h"
#include "mesh/transport/detail/connection.h"

namespace hanse::transport::detail {

// ngtcp2 calls these with the connection as user_data; none calls ngtcp2 back but for flow control and streams.
struct Connection::Hooks {
  static Connection& of(void* self) { return *static_cast<Connection*>(self); }

  static void random(std::uint8_t* out, std::size_t size, const ngtcp2_rand_ctx* context) {
    static_cast<Random*>(context->native_handle)->fill({out, size});
  }
  static int challenge(ngtcp2_conn*, ngtcp2_path_challenge_data* out, void* self) {
    of(self).host_.random->fill({out->data, sizeof out->data});
    return 0;
  }
  static int new_cid(ngtcp2_conn*, ngtcp2_cid* cid, ngtcp2_stateless_reset_token* token, std::size_t size, void* self) {
    if (size != kCidSize) return NGTCP2_ERR_CALLBACK_FAILURE;
    Host& host = of(self).host_;
    host.cids->mint(*cid);
    host.cids->reset_token({cid->data, cid->datalen}, token->data);
    host.add_cid(Cid::of(*cid), of(self));
    return 0;
  }
  static int remove_cid(ngtcp2_conn*, const ngtcp2_cid* cid, void* self) {
    std::erase(of(self).cids, Cid::of(*cid));
    of(self).host_.remove_cid(Cid::of(*cid));
    return 0;
  }
  static int peer_cid(ngtcp2_conn*, ngtcp2_connection_id_status_type type, std::uint64_t, const ngtcp2_cid*,
                      const ngtcp2_stateless_reset_token* token, void* self) {
    ResetToken known;
    if (token == nullptr || !ResetToken::from({token->data, sizeof token->data}, known)) return 0;
    if (type == NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE) {
      of(self).host_.add_reset_token(known, of(self));
    } else {
      std::erase(of(self).reset_tokens, known);
      of(self).host_.remove_reset_token(known);
    }
    return 0;
  }
  static int visit_token(ngtcp2_conn*, const std::uint8_t* token, std::size_t size, void* self) {
    Connection& c = of(self);
    if (c.up_) c.host_.keep_token(*c.subject_.proved, {token, size});
    return 0;
  }
  static int path_judged(ngtcp2_conn*, std::uint32_t, const ngtcp2_path* path, const ngtcp2_path*,
                         ngtcp2_path_validation_result result, void* self) {
    if (result != NGTCP2_PATH_VALIDATION_RESULT_ABORTED)
      of(self).on_path(*path, result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS);
    return 0;
  }
  static int completed(ngtcp2_conn*, void* self) { return of(self).completed(); }

  static int opened(ngtcp2_conn*, std::int64_t stream, void* self) { return of(self).on_opened(stream); }
  static int data(ngtcp2_conn*, std::uint32_t flags, std::int64_t stream, std::uint64_t, const std::uint8_t* bytes,
                  std::size_t size, void* self, void*) {
    return of(self).on_data(stream, {bytes, size}, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
  }
  static int acknowledged(ngtcp2_conn*, std::int64_t stream, std::uint64_t offset, std::uint64_t size, void* self,
                          void*) {
    of(self).on_acknowledged(stream, offset + size);
    return 0;
  }
  static int closed(ngtcp2_conn*, std::uint32_t, std::int64_t stream, std::uint64_t, void* self, void*) {
    of(self).on_closed(stream);
    return 0;
  }
  static int reset(ngtcp2_conn*, std::int64_t stream, std::uint64_t, std::uint64_t code, void* self, void*) {
    of(self).on_reset(stream, code);
    return 0;
  }
  static int stopped(ngtcp2_conn*, std::int64_t stream, std::uint64_t code, void* self, void*) {
    of(self).on_stopped(stream, code);
    return 0;
  }
  static int unblocked(ngtcp2_conn*, std::int64_t stream, std::uint64_t, void* self, void*) {
    of(self).on_unblocked(stream);
    return 0;
  }
  static int datagram(ngtcp2_conn*, std::uint32_t, const std::uint8_t* bytes, std::size_t size, void* self) {
    Connection& c = of(self);
    if (!c.up_) return 0;  // before we know who sent it
    c.host_.emit({.type = Event::Type::kDatagram,
                  .connection = c.id,
                  .inbound = c.inbound,
                  .body = to_bytes(ByteView(bytes, size))});
    return 0;
  }
};

const ngtcp2_callbacks& Connection::callbacks(bool server) {
  static const auto make = [](bool is_server) {
    ngtcp2_callbacks out{};
    if (is_server)
      out.recv_client_initial = &ngtcp2_crypto_recv_client_initial_cb;
    else
      out.client_initial = &ngtcp2_crypto_client_initial_cb;
    if (!is_server) out.recv_retry = &ngtcp2_crypto_recv_retry_cb;
    out.recv_crypto_data = &ngtcp2_crypto_recv_crypto_data_cb;
    out.encrypt = &ngtcp2_crypto_encrypt_cb;
    out.decrypt = &ngtcp2_crypto_decrypt_cb;
    out.hp_mask = &ngtcp2_crypto_hp_mask_cb;
    out.update_key = &ngtcp2_crypto_update_key_cb;
    out.delete_crypto_aead_ctx = &ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    out.delete_crypto_cipher_ctx = &ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    out.version_negotiation = &ngtcp2_crypto_version_negotiation_cb;
    out.rand = &Hooks::random;
    out.get_path_challenge_data2 = &Hooks::challenge;
    out.get_new_connection_id2 = &Hooks::new_cid;
    out.remove_connection_id = &Hooks::remove_cid;
    out.dcid_status2 = &Hooks::peer_cid;
    if (!is_server) out.recv_new_token = &Hooks::visit_token;
    out.path_validation = &Hooks::path_judged;
    out.handshake_completed = &Hooks::completed;
    out.stream_open = &Hooks::opened;
    out.recv_stream_data = &Hooks::data;
    out.acked_stream_data_offset = &Hooks::acknowledged;
    out.stream_close = &Hooks::closed;
    out.stream_reset = &Hooks::reset;
    out.stream_stop_sending = &Hooks::stopped;
    out.extend_max_stream_data = &Hooks::unblocked;
    out.recv_datagram = &Hooks::datagram;
    return out;
  };
  static const ngtcp2_callbacks kServer = make(true), kClient = make(false);
  return server ? kServer : kClient;
}

int Connection::fail_callback(Error error) {
  if (!failure_) failure_ = std::move(error);
  return NGTCP2_ERR_CALLBACK_FAILURE;
}

// The last judgement of who the peer is, also where TLS did not ask: nothing of the application has gone either way.
int Connection::completed() {
  subject_.proved = crypto::tls_key_owner(SSL_get0_peer_rpk(ssl_.get()));
  if (!subject_.proved)
    return fail_callback(Error(Kind::kDenied, "transport.tls", "found no ML-DSA key of the peer after the handshake"));
  if (!inbound && *subject_.proved != subject_.expected)
    return fail_callback(Error(Kind::kDenied, "transport.wrong_identity",
                               text("found identity {}, dialed {}", *subject_.proved, subject_.expected)));
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  if (as_text({name, size}) != host_.tls->profile().alpn)
    return fail_callback(
        Error(Kind::kDenied, "transport.tls",
              text("found application protocol '{}', expected {}", as_text({name, size}), host_.tls->profile().alpn)));
  if (inbound && host_.options.admit && !host_.options.admit(*subject_.proved))
    return fail_callback(
        Error(Kind::kDenied, "transport.not_admitted", text("identity {} is not admitted", *subject_.proved)));
  handshake_ts = std::max<ngtcp2_tstamp>(now_ts_, 1);
  if (inbound) {
    host_.handshake_ended(*this);
    const Bytes token = host_.visit_token(slots_.front().path);
    if (!token.empty()) ngtcp2_conn_submit_new_token(conn_, token.data(), token.size());
  }
  const bool hello_sent = early_ && !inbound;
  if (hello_sent && SSL_get_early_data_status(ssl_.get()) != SSL_EARLY_DATA_ACCEPTED)
    if (const int code = send_again(); code != 0) return code;
  if (!hello_sent)
    if (const int code = say_hello(); code != 0) return code;
  if (!inbound || subject_.tagged || hello_) come_up();
  if (hello_) tell_hello(*std::exchange(hello_, std::nullopt));
  return 0;
}

int Connection::say_hello() {
  if (!inbound) {
    StreamId control = -1;
    if (ngtcp2_conn_open_bidi_stream(conn_, &control, nullptr) != 0 || control != 0)
      return fail_callback(Error(Kind::kCorrupt, "transport.violation", "the peer lets no stream be opened"));
    find(0)->opened = true;
  }
  const Hello hello{.network = host_.options.network, .facts = host_.options.hello};
  const auto body = std::make_shared<const Bytes>(encode(hello));
  Stream& control = *find(0);
  control.push(frame_head(kHelloFrame, body->size()), body);
  send_bytes_ += control.segments.back().size();
  queue_ready(control);
  return 0;
}

void Connection::come_up() {
  if (std::exchange(up_, true)) return;
  host_.emit({.type = Event::Type::kUp,
              .connection = id,
              .inbound = inbound,
              .peer = *subject_.proved,
              .path = slots_.front().path});
}

void Connection::tell_hello(Hello hello) {
  host_.emit({.type = Event::Type::kHello,
              .connection = id,
              .inbound = inbound,
              .peer = *subject_.proved,
              .hello = std::move(hello)});
}

}  // namespace hanse::transport::detail
