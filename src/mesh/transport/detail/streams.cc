#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "mesh/transport/detail/connection.h"

namespace hanse::transport::detail {
namespace {

constexpr std::size_t kSlicesMax = 16;
constexpr std::size_t kSpareMin = 64u << 10;  // of a body for which memory of an earlier one is asked
constexpr std::size_t kStrictPriorities = 3;
// Shares of those that are not served strictly: direct, gossip, ihave, bulk.
constexpr std::uint64_t kWeights[kPriorities] = {1, 1, 1, 8, 4, 2, 1};
constexpr std::uint64_t kWeightScale = 8;

constexpr auto kViolation = static_cast<std::uint64_t>(CloseCode::kViolation);

}  // namespace

Stream* Connection::find(StreamId stream) {
  const auto it = streams_.find(stream);
  return it == streams_.end() ? nullptr : it->second.get();
}

Stream& Connection::add(StreamId stream, FrameReader::Of of) {
  auto& made = streams_[stream];
  made = std::make_unique<Stream>(stream, of);
  return *made;
}

int Connection::on_opened(StreamId stream) {
  if (stream != 0) {
    add(stream, FrameReader::Of::kStream).opened = true;
    return 0;
  }
  find(0)->opened = true;
  queue_ready(*find(0));
  return 0;
}

int Connection::on_data(StreamId number, ByteView bytes, bool last) {
  Stream* stream = find(number);
  if (stream == nullptr || stream->unread) {
    give_credit(number, bytes.size());
    return 0;
  }
  if (!up_ && number != 0 && !meet_early())  // a peer without a tag first shows its network
    return fail_callback(Error(Kind::kCorrupt, "transport.bad_frame", text("found stream {} before HELLO", number)));
  reading_ = stream;
  Status fed = stream->reader.feed(bytes, *this);
  reading_ = nullptr;
  if (!fed) return fail_callback(std::move(fed).error());
  if (failure_) return NGTCP2_ERR_CALLBACK_FAILURE;
  if (stream->reader.refused()) {
    stream->unread = true;
    give_credit(number, bytes.size());
    ngtcp2_conn_shutdown_stream(conn_, 0, number, kViolation);
    return 0;
  }
  if (!last) return 0;
  if (number == 0)
    return fail_callback(Error(Kind::kCorrupt, "transport.bad_frame", "found an end of the control stream"));
  if (!stream->reader.between_frames())
    return fail_callback(
        Error(Kind::kCorrupt, "transport.bad_frame", text("found an end of stream {} inside a frame", number)));
  host_.emit({.type = Event::Type::kEnd,
              .connection = id,
              .inbound = inbound,
              .stream = number,
              .protocol = stream->protocol});
  return 0;
}

std::uint32_t Connection::opened(std::uint64_t number) {
  const Protocol* protocol = host_.protocol(number);
  reading_->protocol = number;
  if (protocol == nullptr) return 0;
  if (!up_ && !protocol->early) {
    fail_callback(Error(Kind::kCorrupt, "transport.bad_frame",
                        text("found early bytes of protocol {:#x}, which is not for them", number)));
    return 0;
  }
  reading_->priority = protocol->priority;
  reading_->frame_bytes_max = protocol->frame_bytes_max;
  return protocol->frame_bytes_max;
}

Bytes Connection::body_for(std::size_t size) { return size >= kSpareMin ? host_.spare_body() : Bytes(); }

void Connection::frame(std::uint8_t type, Bytes body, std::uint64_t size) {
  if (reading_->id == 0) return control_frame(type, std::move(body), size);
  host_.emit({.type = Event::Type::kFrame,
              .connection = id,
              .inbound = inbound,
              .stream = reading_->id,
              .protocol = reading_->protocol,
              .frame_type = type,
              .early = !up_,
              .credit = size,
              .peer = *subject_.proved,
              .body = std::move(body)});
}

// HELLO comes once and first. A type that is not known is skipped, or ends the connection when its lowest bit is set;
// those that the rooms above know are theirs.
void Connection::control_frame(std::uint8_t type, Bytes body, std::uint64_t size) {
  if (failure_) return;
  if (type == kHelloFrame && !heard_hello_) {
    give_credit(0, size);
    auto hello = decode_hello(body, host_.options.network);
    if (!hello) return (void)fail_callback(std::move(hello).error());
    heard_hello_ = true;
    if (handshake_ts == 0) {  // early: who sent it is proved later
      hello_ = std::move(*hello);
      return;
    }
    come_up();
    tell_hello(std::move(*hello));
    return;
  }
  if (type == kHelloFrame || !heard_hello_)
    return (void)fail_callback(
        Error(Kind::kCorrupt, "transport.bad_frame",
              text("found control type {:#x} {} HELLO", type, heard_hello_ ? "behind a first" : "before")));
  if (!host_.knows_control(type)) {
    give_credit(0, size);
    if (type % 2 == 1)
      fail_callback(
          Error(Kind::kCorrupt, "transport.bad_frame", text("found unknown critical control type {:#x}", type)));
    return;
  }
  host_.emit({.type = Event::Type::kFrame,
              .connection = id,
              .inbound = inbound,
              .stream = 0,
              .protocol = kControlProtocol,
              .frame_type = type,
              .credit = size,
              .body = std::move(body)});
}

void Connection::give_credit(StreamId stream, std::uint64_t bytes) {
  ngtcp2_conn_extend_max_stream_offset(conn_, stream, bytes);
  ngtcp2_conn_extend_max_offset(conn_, bytes);
}

void Connection::consumed(StreamId stream, std::uint64_t credit) { give_credit(stream, credit); }

void Connection::on_acknowledged(StreamId number, std::uint64_t upto) {
  if (Stream* stream = find(number); stream != nullptr) release(stream->acknowledge(upto));
}

void Connection::release(std::uint64_t bytes) {
  send_bytes_ -= bytes;
  if (!refused_full_ || send_bytes_ > host_.options.limits.send_bytes_max / 2) return;
  refused_full_ = false;
  host_.emit({.type = Event::Type::kRoom, .connection = id, .inbound = inbound});
}

void Connection::on_closed(StreamId number) {
  Stream* stream = find(number);
  if (stream == nullptr) return;
  ngtcp2_conn_extend_max_offset(conn_, stream->reader.unreported());
  forget_sent(*stream);
  const std::uint64_t held = stream->queued - stream->acked;
  streams_.erase(number);
  release(held);
  if (ngtcp2_conn_is_local_stream(conn_, number) == 0) ngtcp2_conn_extend_max_streams_bidi(conn_, 1);
}

void Connection::on_reset(StreamId number, std::uint64_t code) {
  Stream* stream = find(number);
  if (stream == nullptr) return;
  if (number == 0) {
    fail_callback(Error(Kind::kCorrupt, "transport.bad_frame", "found a reset of the control stream"));
    return;
  }
  if (stream->unread) return;
  stream->unread = true;
  host_.emit({.type = Event::Type::kReset,
              .connection = id,
              .inbound = inbound,
              .stream = number,
              .protocol = stream->protocol,
              .code = code});
}

void Connection::on_stopped(StreamId number, std::uint64_t code) {
  Stream* stream = find(number);
  if (stream == nullptr) return;
  forget_sent(*stream);
  host_.emit({.type = Event::Type::kReset,
              .connection = id,
              .inbound = inbound,
              .stream = number,
              .protocol = stream->protocol,
              .code = code});
}

// The segments stay until the stream is closed: ngtcp2 may still hold pointers into them.
void Connection::forget_sent(Stream& stream) {
  stream.dead = true;
  if (!stream.ready) return;
  std::erase(ready_[static_cast<std::size_t>(stream.priority)], &stream);
  stream.ready = false;
}

void Connection::on_unblocked(StreamId number) {
  if (Stream* stream = find(number); stream != nullptr) queue_ready(*stream);
}

Result<StreamId> Connection::open_stream(std::uint64_t number) {
  const Protocol* protocol = host_.protocol(number);
  if (protocol == nullptr)
    return fail(Kind::kInvalid, "transport.frame",
                text("found protocol {:#x}, which this endpoint does not speak", number));
  StreamId made = -1;
  if (!up_ && !(early_ && protocol->early))
    return fail(Kind::kNotFound, "transport.no_connection", "the connection is not up");
  if (ngtcp2_conn_open_bidi_stream(conn_, &made, nullptr) != 0)
    return fail(Kind::kExhausted, "transport.limit", "the peer lets no further stream be opened now");
  Stream& stream = add(made, FrameReader::Of::kStream);
  stream.opened = true;
  stream.reader = FrameReader(protocol->frame_bytes_max);
  stream.protocol = number;
  stream.priority = protocol->priority;
  stream.frame_bytes_max = protocol->frame_bytes_max;
  stream.push(stream_opening(number), nullptr);
  send_bytes_ += stream.queued;
  queue_ready(stream);
  return made;
}

Status Connection::send(StreamId number, std::uint8_t type, std::shared_ptr<const Bytes> body) {
  Stream* stream = find(number);
  if (stream == nullptr || stream->dead || stream->ended || (!up_ && !early_))
    return fail(Kind::kNotFound, "transport.no_stream", text("found no stream {} that can be written", number));
  if (body == nullptr || body->size() > stream->frame_bytes_max)
    return fail(Kind::kInvalid, "transport.frame",
                text("found a body of {} bytes, expected at most {}", body == nullptr ? 0 : body->size(),
                     stream->frame_bytes_max));
  const FrameHead head = frame_head(type, body->size());
  const std::uint64_t cost = head.size + body->size();
  if (send_bytes_ + cost > host_.options.limits.send_bytes_max) {
    refused_full_ = true;
    return fail(Kind::kExhausted, "transport.full",
                text("found {} bytes that wait, expected at most {} with this frame's {}", send_bytes_,
                     host_.options.limits.send_bytes_max, cost));
  }
  stream->push(head, std::move(body));
  send_bytes_ += cost;
  queue_ready(*stream);
  return {};
}

Status Connection::end(StreamId number) {
  Stream* stream = find(number);
  if (stream == nullptr || stream->dead || stream->ended || number == 0)
    return fail(Kind::kNotFound, "transport.no_stream", text("found no stream {} that can be ended", number));
  stream->ended = true;
  queue_ready(*stream);
  return {};
}

Status Connection::cancel(StreamId number, CloseCode code) {
  Stream* stream = find(number);
  if (stream == nullptr || number == 0)
    return fail(Kind::kNotFound, "transport.no_stream", text("found no stream {} that can be cancelled", number));
  stream->unread = true;
  forget_sent(*stream);
  ngtcp2_conn_shutdown_stream(conn_, 0, number, static_cast<std::uint64_t>(code));
  return {};
}

// What a packet of the path holds beside its head (RFC 9000, 17.3.1: flags, the peer's id, packet number), the frame's
// head (RFC 9221, 4) and the AEAD's tag.
std::size_t Connection::datagram_room() const {
  constexpr std::size_t kAround = 1 + kCidSize + 4 + 3 + 16;
  return std::max(kDatagramMax, ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_) - kAround);
}

Status Connection::send_datagram(Bytes body) {
  if (!up_) return fail(Kind::kNotFound, "transport.no_connection", "the connection is not up");
  if (body.size() > datagram_room())
    return fail(Kind::kInvalid, "transport.frame",
                text("found a datagram of {} bytes, expected at most {}", body.size(), datagram_room()));
  if (datagrams_.size() == kDatagramsQueuedMax)
    return fail(Kind::kExhausted, "transport.full", text("found {} datagrams that wait already", kDatagramsQueuedMax));
  datagrams_.push_back(std::move(body));
  return {};
}

void Connection::queue_ready(Stream& stream) {
  if (stream.ready || !stream.wants_write()) return;
  const auto p = static_cast<std::size_t>(stream.priority);
  if (p >= kStrictPriorities && ready_[p].empty()) {  // it was idle: no claim on what others had meanwhile
    std::uint64_t least = UINT64_MAX;
    for (std::size_t i = kStrictPriorities; i < kPriorities; ++i)
      if (!ready_[i].empty()) least = std::min(least, served_[i]);
    if (least != UINT64_MAX) served_[p] = std::max(served_[p], least);
  }
  stream.ready = true;
  ready_[p].push_back(&stream);
}

Stream* Connection::pick() {
  for (std::size_t p = 0; p < kStrictPriorities; ++p)
    if (!ready_[p].empty()) return ready_[p].front();
  Stream* best = nullptr;
  std::uint64_t least = UINT64_MAX;
  for (std::size_t p = kStrictPriorities; p < kPriorities; ++p) {
    if (ready_[p].empty() || served_[p] >= least) continue;
    least = served_[p];
    best = ready_[p].front();
  }
  return best;
}

void Connection::charge(const Stream& stream, std::size_t bytes) {
  const auto p = static_cast<std::size_t>(stream.priority);
  served_[p] += bytes * kWeightScale / kWeights[p];
}

ngtcp2_ssize Connection::write_datagram(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* out, std::size_t size,
                                        ngtcp2_tstamp ts) {
  if (datagrams_.front().size() > datagram_room()) {  // queued for a path of larger packets
    datagrams_.pop_front();
    return NGTCP2_ERR_WRITE_MORE;
  }
  const Bytes& body = datagrams_.front();
  int accepted = 0;
  const ngtcp2_ssize wrote =
      ngtcp2_conn_write_datagram(conn_, path, info, out, size, &accepted, NGTCP2_WRITE_DATAGRAM_FLAG_MORE, datagram_id_,
                                 body.data(), body.size(), ts);
  const bool never = wrote == NGTCP2_ERR_INVALID_ARGUMENT || wrote == NGTCP2_ERR_INVALID_STATE;  // the peer takes none
  if (accepted != 0 || never) {
    datagrams_.pop_front();
    ++datagram_id_;
  }
  if (never) return NGTCP2_ERR_WRITE_MORE;
  return wrote;
}

// One packet: datagrams, then streams in their order, until it is full or nothing is left to say.
ngtcp2_ssize Connection::write_packet(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* out, std::size_t size,
                                      ngtcp2_tstamp ts) {
  while (up_ && !datagrams_.empty()) {
    const ngtcp2_ssize wrote = write_datagram(path, info, out, size, ts);
    if (wrote != NGTCP2_ERR_WRITE_MORE) return wrote;
  }
  while (true) {
    Stream* stream = (handshake_ts != 0 || early_) && ngtcp2_conn_get_max_data_left(conn_) > 0 ? pick() : nullptr;
    ngtcp2_vec vectors[kSlicesMax];
    std::size_t count = 0, offered = 0;
    std::uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
    if (stream != nullptr) {
      Slice slices[kSlicesMax];
      count = stream->peek(slices, size);
      for (std::size_t i = 0; i < count; ++i) {
        vectors[i] = {.base = const_cast<std::uint8_t*>(slices[i].data), .len = slices[i].size};
        offered += slices[i].size;
      }
      flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
      if (stream->ended && stream->written + offered == stream->queued) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
    }
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize wrote = ngtcp2_conn_writev_stream(conn_, path, info, out, size, &taken, flags,
                                                         stream != nullptr ? stream->id : -1, vectors, count, ts);
    if (stream != nullptr) settle(*stream, taken, offered, wrote, (flags & NGTCP2_WRITE_STREAM_FLAG_FIN) != 0);
    switch (wrote) {
      case NGTCP2_ERR_WRITE_MORE:
      case NGTCP2_ERR_STREAM_DATA_BLOCKED:
      case NGTCP2_ERR_STREAM_SHUT_WR:
      case NGTCP2_ERR_STREAM_NOT_FOUND: continue;
      default: return wrote;
    }
  }
}

// What became of the bytes of a stream that were offered to a packet.
void Connection::settle(Stream& stream, ngtcp2_ssize taken, std::size_t offered, ngtcp2_ssize wrote, bool fin) {
  auto& queue = ready_[static_cast<std::size_t>(stream.priority)];
  if (taken >= 0) {
    const auto bytes = static_cast<std::size_t>(taken);
    stream.wrote(bytes);
    if (fin && bytes == offered) stream.end_sent = true;
    charge(stream, bytes);
  }
  const bool out = wrote == NGTCP2_ERR_STREAM_DATA_BLOCKED || wrote == NGTCP2_ERR_STREAM_SHUT_WR ||
                   wrote == NGTCP2_ERR_STREAM_NOT_FOUND || !stream.wants_write();
  if (!out && (taken < 0 || queue.size() == 1)) return;  // congestion: it keeps its turn; alone: it is its turn again
  std::erase(queue, &stream);
  stream.ready = false;
  if (out) return;
  stream.ready = true;
  queue.push_back(&stream);
}

}  // namespace hanse::transport::detail
