#include "mesh/gossip/messages.h"

#include "base/codec/fixed.h"
#include "base/core/check.h"
#include "base/crypto/hash.h"

namespace hanse::gossip {
namespace {

using codec::FixedReader;
using codec::FixedWriter;

template <class Id>
void write_ids(FixedWriter& w, const std::vector<Id>& ids) {
  w.num(static_cast<std::uint32_t>(ids.size()));
  for (const Id& id : ids) w.fixed(id);
}

template <class Id>
std::vector<Id> read_ids(FixedReader& r, std::size_t max) {
  const std::size_t n = r.count(max, Id::kSize);
  std::vector<Id> ids;
  ids.reserve(n);
  for (std::size_t i = 0; i < n; ++i) ids.push_back(r.fixed<Id>());
  return ids;
}

struct Encoder {
  FixedWriter& w;
  void type(Type t) { w.num(static_cast<std::uint8_t>(t)); }

  void operator()(const Join&) { type(Type::kJoin); }
  void operator()(const ForwardJoin& m) {
    type(Type::kForwardJoin);
    w.fixed(m.peer);
    w.num(m.ttl);
  }
  void operator()(const Neighbor& m) {
    type(Type::kNeighbor);
    w.num(static_cast<std::uint8_t>(m.urgency));
  }
  void operator()(const NeighborReply& m) {
    type(Type::kNeighborReply);
    w.num(m.accepted);
  }
  void operator()(const Disconnect&) { type(Type::kDisconnect); }
  void operator()(const Shuffle& m) {
    type(Type::kShuffle);
    w.fixed(m.origin);
    w.num(m.ttl);
    write_ids(w, m.peers);
  }
  void operator()(const ShuffleReply& m) {
    type(Type::kShuffleReply);
    write_ids(w, m.peers);
  }
  void operator()(const Ping& m) {
    type(Type::kPing);
    w.num(m.nonce);
    w.num(m.suspected);
    w.num(m.incarnation);
  }
  void operator()(const Ack& m) {
    type(Type::kAck);
    w.num(m.nonce);
    w.num(m.incarnation);
    w.num(m.neighbour);
  }
  void operator()(const PingRequest& m) {
    type(Type::kPingRequest);
    w.num(m.nonce);
    w.fixed(m.target);
    w.num(m.suspected);
    w.num(m.incarnation);
  }
  void operator()(const PingAnswer& m) {
    type(Type::kPingAnswer);
    w.num(m.nonce);
    w.fixed(m.target);
    w.num(m.incarnation);
  }
  void operator()(const IHave& m) {
    type(Type::kIHave);
    w.fixed(m.topic);
    w.num(static_cast<std::uint32_t>(m.messages.size()));
    for (const Announced& a : m.messages) {
      w.fixed(a.id);
      w.num(a.hops);
    }
  }
  void operator()(const Graft& m) {
    type(Type::kGraft);
    w.fixed(m.topic);
    write_ids(w, m.ids);
  }
  void operator()(const Prune& m) {
    type(Type::kPrune);
    w.fixed(m.topic);
  }
  void operator()(const Fetch& m) {
    type(Type::kFetch);
    w.fixed(m.topic);
    write_ids(w, m.ids);
  }
  void operator()(const Reconcile& m) {
    type(Type::kReconcile);
    w.fixed(m.topic);
    w.num(m.session);
    w.num(m.low);
    w.num(m.high);
    w.num(m.answer);
    w.bytes(m.body);
  }
};

std::uint8_t read_ttl(FixedReader& r, std::uint8_t max) {
  const auto v = r.num<std::uint8_t>();
  if (r.ok() && v > max) r.refuse(text("found {} hops, expected at most {}", v, max));
  return v;
}

Urgency read_urgency(FixedReader& r) {
  const auto v = r.num<std::uint8_t>();
  if (r.ok() && v > 2) r.refuse(text("found urgency {}, expected 0 to 2", v));
  return static_cast<Urgency>(v);
}

IHave read_ihave(FixedReader& r) {
  IHave m{.topic = r.fixed<TopicId>(), .messages = {}};
  const std::size_t n = r.count(kIdsMax, 32 + 1);
  m.messages.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    Announced a{.id = r.fixed<MessageId>(), .hops = 0};
    a.hops = read_ttl(r, kHopsMax);
    m.messages.push_back(a);
  }
  return m;
}

Gossip read_gossip(FixedReader& r) {
  Gossip g;
  g.flood = r.flag();
  g.hops = read_ttl(r, kHopsMax);
  g.message.topic = r.fixed<TopicId>();
  g.message.origin = g.batch.origin = r.fixed<PeerId>();
  g.message.seq = r.num<std::uint64_t>();
  g.message.hlc = r.num<std::uint64_t>();
  g.index = r.num<std::uint16_t>();
  g.batch.count = r.num<std::uint16_t>();
  g.batch.root = r.fixed<Hash32>();
  if (r.ok() && (g.batch.count == 0 || g.batch.count > kBatchMessagesMax || g.index >= g.batch.count))
    r.refuse(text("found message {} of a batch of {}, expected 1 to {}", g.index, g.batch.count, kBatchMessagesMax));
  g.path = read_ids<Hash32>(r, kPathMax);
  g.signature = to_bytes(r.bytes(kSignatureBytesMax));
  g.message.payload = to_bytes(r.bytes(kPayloadBytesMax));
  return g;
}

Result<Any> read_body(Type type, FixedReader& r) {
  Body out;
  switch (type) {
    case Type::kJoin: out = Join{}; break;
    case Type::kForwardJoin: {
      ForwardJoin m{.peer = r.fixed<PeerId>(), .ttl = 0};
      m.ttl = read_ttl(r, kTtlMax);
      out = m;
      break;
    }
    case Type::kNeighbor: out = Neighbor{.urgency = read_urgency(r)}; break;
    case Type::kNeighborReply: out = NeighborReply{.accepted = r.flag()}; break;
    case Type::kDisconnect: out = Disconnect{}; break;
    case Type::kShuffle: {
      Shuffle m{.origin = r.fixed<PeerId>(), .ttl = 0, .peers = {}};
      m.ttl = read_ttl(r, kTtlMax);
      m.peers = read_ids<PeerId>(r, kShufflePeersMax);
      out = std::move(m);
      break;
    }
    case Type::kShuffleReply: out = ShuffleReply{.peers = read_ids<PeerId>(r, kShufflePeersMax)}; break;
    case Type::kPing: {
      Ping m{.nonce = r.num<std::uint64_t>(), .suspected = 0, .incarnation = 0};
      m.suspected = r.flag();
      m.incarnation = r.num<std::uint64_t>();
      out = m;
      break;
    }
    case Type::kAck: {
      Ack m{.nonce = r.num<std::uint64_t>(), .incarnation = 0, .neighbour = 0};
      m.incarnation = r.num<std::uint64_t>();
      m.neighbour = r.flag();
      out = m;
      break;
    }
    case Type::kPingRequest: {
      PingRequest m;
      m.nonce = r.num<std::uint64_t>();
      m.target = r.fixed<PeerId>();
      m.suspected = r.flag();
      m.incarnation = r.num<std::uint64_t>();
      out = m;
      break;
    }
    case Type::kPingAnswer: {
      PingAnswer m;
      m.nonce = r.num<std::uint64_t>();
      m.target = r.fixed<PeerId>();
      m.incarnation = r.num<std::uint64_t>();
      out = m;
      break;
    }
    case Type::kIHave: out = read_ihave(r); break;
    case Type::kGraft: {
      Graft m{.topic = r.fixed<TopicId>(), .ids = {}};
      m.ids = read_ids<MessageId>(r, kIdsMax);
      out = std::move(m);
      break;
    }
    case Type::kPrune: out = Prune{.topic = r.fixed<TopicId>()}; break;
    case Type::kFetch: {
      Fetch m{.topic = r.fixed<TopicId>(), .ids = {}};
      m.ids = read_ids<MessageId>(r, kIdsMax);
      out = std::move(m);
      break;
    }
    case Type::kReconcile: {
      Reconcile m;
      m.topic = r.fixed<TopicId>();
      m.session = r.num<std::uint64_t>();
      m.low = r.num<std::uint64_t>();
      m.high = r.num<std::uint64_t>();
      m.answer = r.flag();
      m.body = to_bytes(r.bytes(kReconcileBytesMax));
      out = std::move(m);
      break;
    }
    default: r.refuse(text("found type {}, expected one of gossip's", static_cast<unsigned>(type))); break;
  }
  return out;
}

}  // namespace

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kJoin: return "join";
    case Type::kForwardJoin: return "forward_join";
    case Type::kNeighbor: return "neighbor";
    case Type::kNeighborReply: return "neighbor_reply";
    case Type::kDisconnect: return "disconnect";
    case Type::kShuffle: return "shuffle";
    case Type::kShuffleReply: return "shuffle_reply";
    case Type::kPing: return "ping";
    case Type::kAck: return "ack";
    case Type::kPingRequest: return "ping_request";
    case Type::kPingAnswer: return "ping_answer";
    case Type::kGossip: return "gossip";
    case Type::kIHave: return "ihave";
    case Type::kGraft: return "graft";
    case Type::kPrune: return "prune";
    case Type::kFetch: return "fetch";
    case Type::kReconcile: return "reconcile";
  }
  return "unknown";
}

MessageId message_id(const Message& m) {
  std::uint8_t numbers[16];
  store_le(numbers, m.seq);
  store_le(numbers + 8, m.hlc);
  const Hash32 payload = crypto::blake3("hanse/gossip-payload/1", {m.payload});
  const Hash32 id =
      crypto::blake3("hanse/gossip-message/1", {m.topic.view(), m.origin.view(), ByteView(numbers), payload.view()});
  return MessageId{id.data};
}

BatchId batch_id(const Batch& b) {
  std::uint8_t count[2];
  store_le(count, b.count);
  const Hash32 id = crypto::blake3("hanse/gossip-batch/1", {b.origin.view(), ByteView(count), b.root.view()});
  return BatchId{id.data};
}

Bytes encode(const Body& body) {
  FixedWriter w;
  std::visit(Encoder{w}, body);
  return w.take();
}

Bytes encode(const Gossip& g) {
  check(g.message.payload.size() <= kPayloadBytesMax && g.path.size() <= kPathMax,
        "a gossip message within its limits");
  FixedWriter w;
  w.reserve(160 + g.path.size() * 32 + g.signature.size() + g.message.payload.size());
  w.num(static_cast<std::uint8_t>(Type::kGossip));
  w.num(g.flood);
  w.num(g.hops);
  w.fixed(g.message.topic);
  w.fixed(g.message.origin);
  w.num(g.message.seq);
  w.num(g.message.hlc);
  w.num(g.index);
  w.num(g.batch.count);
  w.fixed(g.batch.root);
  write_ids(w, g.path);
  w.bytes(g.signature);
  w.bytes(g.message.payload);
  return w.take();
}

Result<Any> decode(ByteView frame) {
  if (frame.empty() || frame.size() > kFrameBytesMax)
    return fail(Kind::kCorrupt, "gossip.frame",
                text("found a frame of {} bytes, expected 1 to {}", frame.size(), kFrameBytesMax));
  FixedReader r(frame.subspan(1));
  const auto type = static_cast<Type>(frame[0]);
  Any out;
  if (type == Type::kGossip) {
    out = read_gossip(r);
  } else {
    TRY(out, read_body(type, r));
  }
  if (!r.finish()) return fail(Kind::kCorrupt, "gossip.frame", text("{}: {}", type_name(type), r.why()));
  return out;
}

}  // namespace hanse::gossip
