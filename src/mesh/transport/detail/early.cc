// What goes before the handshake has ended (0-RTT), for peers that were here before.
#include <openssl/ssl.h>

#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "base/crypto/tls_key.h"
#include "mesh/transport/detail/connection.h"

namespace hanse::transport::detail {
namespace {

constexpr std::size_t kParametersMax = 256;

}  // namespace

void Connection::keep_session(SessionPtr session) {
  if (inbound || !up_ || SSL_SESSION_get_max_early_data(session.get()) == 0) return;
  Bytes parameters(kParametersMax);
  const ngtcp2_ssize size = ngtcp2_conn_encode_0rtt_transport_params(conn_, parameters.data(), parameters.size());
  if (size <= 0) return;
  parameters.resize(static_cast<std::size_t>(size));
  host_.keep_ticket(subject_.expected, {.session = std::move(session), .parameters = std::move(parameters)});
}

void Connection::prepare_early(ByteView parameters) {
  if (ngtcp2_conn_decode_and_set_0rtt_transport_params(conn_, parameters.data(), parameters.size()) != 0) return;
  early_ = say_hello() == 0;
}

// Whether frames may be taken from a dialer whose handshake has not ended: it holds a ticket that only the owner of
// that key got, the ticket is used up now, and the network is right.
bool Connection::meet_early() {
  if (early_) return true;
  if (!inbound || handshake_ts != 0 || !subject_.tagged) return false;
  const auto peer = crypto::tls_key_owner(SSL_get0_peer_rpk(ssl_.get()));
  if (!peer || (host_.options.admit && !host_.options.admit(*peer))) return false;
  subject_.proved = peer;
  return early_ = true;
}

// The peer took nothing of it: all streams begin anew, now behind the handshake.
int Connection::send_again() {
  early_ = false;
  if (ngtcp2_conn_tls_early_data_rejected(conn_) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  for (auto& [number, stream] : streams_) {
    StreamId made = -1;
    if (stream->ready) forget_sent(*stream);
    if (ngtcp2_conn_open_bidi_stream(conn_, &made, nullptr) != 0 || made != number)
      return fail_callback(Error(Kind::kCorrupt, "transport.violation", "the peer lets fewer streams be opened now"));
    stream->dead = false;
    stream->next = 0;
    stream->written = 0;
    stream->end_sent = false;
    queue_ready(*stream);
  }
  return 0;
}

}  // namespace hanse::transport::detail
