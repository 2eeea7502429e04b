#include "node/overlay/topics.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::overlay {
namespace {

constexpr std::int64_t kDialNs = 8 * kSecondNs;   // that a frame waits for a connection
constexpr std::int64_t kHeldNs = 20 * kSecondNs;  // of who is no neighbour
constexpr std::int64_t kJoinNs = 2 * kSecondNs, kLookNs = 5 * kSecondNs, kAskKeyNs = 2 * kSecondNs;
constexpr unsigned kKeyAsks = 5;
constexpr std::uint64_t kSequenceBlock = 10'000;

Result<gossip::TopicId> topic_id(std::string_view name) {
  if (name.empty() || name.size() > kTopicNameMax)
    return fail(Kind::kInvalid, "overlay.topic",
                text("found a topic's name of {} bytes, expected 1 to {}", name.size(), kTopicNameMax));
  return gossip::TopicId{crypto::blake3("hanse/gossip-topic/1", {as_bytes(name)}).data};
}

}  // namespace

Topics::Topics(const Parts& parts, const OverlayOptions& options, Sequence sequence)
    : parts_(parts),
      // Borrowed: it outlives us.
      keys_(std::shared_ptr<const crypto::SecretKey>(std::shared_ptr<void>(), options.key)),
      sequence_(std::move(sequence)) {}

Result<std::unique_ptr<Topics>> Topics::open(const Parts& parts, const OverlayOptions& options, std::int64_t now_ns) {
  Fs& fs = options.fs != nullptr ? *options.fs : real_fs();
  const std::string path = options.folder.empty() ? "" : options.folder + "/gossip.seq";
  TRY(Sequence sequence, Sequence::open(fs, path, kSequenceBlock, parts.book->wall_ms()));
  std::unique_ptr<Topics> out(new Topics(parts, options, std::move(sequence)));
  gossip::Config config;
  config.first_seq = out->first_seq_ = out->sequence_.first();
  TRY(out->node_, gossip::Node::create(config, parts.reach->id(), out->keys_, *parts.random, out->now(now_ns)));
  return out;
}

// ---- what happens --------------------------------------------------------------------------------------------------

void Topics::handle(const reach::PeerEvent& event, std::int64_t now_ns) {
  using Type = reach::PeerEvent::Type;
  switch (event.type) {
    case Type::kUp:
      peers_[event.peer] = {.group = group_of(event.path.remote, 16, 32)};
      apply(node_->connected(now(now_ns), event.peer, peers_[event.peer].group), event.peer, now_ns);
      break;
    case Type::kHello: {
      const auto peer = peers_.find(event.peer);
      if (peer == peers_.end() || !event.hello) break;
      peer->second.greeted = true;
      peer->second.gossips = (event.hello->facts.caps & kGossipCap) != 0;
      ready_.insert(event.peer);
      if (peer->second.gossips) {
        node_->learn(event.peer);
        if (node_->membership().active().empty()) join_ns_ = std::min(join_ns_, now_ns);
      }
      break;
    }
    case Type::kRoom:
      if (const auto line = lines_.find(event.peer); line != lines_.end()) line->second.full = false;
      ready_.insert(event.peer);
      break;
    case Type::kDown:
      if (peers_.erase(event.peer) > 0) give_up(event.peer, now_ns);
      break;
    case Type::kFrame:
      if (event.protocol < static_cast<std::uint64_t>(gossip::Protocol::kMembership) ||
          event.protocol > static_cast<std::uint64_t>(gossip::Protocol::kReconcile))
        return;
      apply(node_->receive(now(now_ns), event.peer, event.body), event.peer, now_ns);
      break;
    default: return;
  }
  flush(now_ns);
}

void Topics::apply(gossip::Effects effects, const PeerId& from, std::int64_t now_ns) {
  for (gossip::SendFrame& send : effects.sends) {
    const PeerId to = send.to;
    Line& line = lines_[to];
    if (line.frames.empty()) line.until_ns = now_ns + kDialNs;
    line.frames.push_back(std::move(send));
    ready_.insert(to);
  }
  for (const gossip::Notice& notice : effects.notices) {
    if (notice.kind == gossip::NoticeKind::kIsolated) join_ns_ = std::min(join_ns_, now_ns + kJoinNs);
    if (notice.kind == gossip::NoticeKind::kUp && parts_.holds->hold(notice.peer, Hold::kGossip, {}, now_ns))
      held_[notice.peer] = now_ns + kHeldNs;
  }
  for (const PeerId& peer : effects.closes) {
    lines_.erase(peer);
    let_go(peer);
    if (node_->score(now(now_ns), peer) <= gossip::kScoreBanned)
      parts_.reach->close(peer, transport::CloseCode::kBanned, now_ns);
  }
  for (const gossip::Held& held : effects.deliveries) deliver(held);
  for (const PeerId& origin : effects.keys_wanted) want_key(origin, from, now_ns);
}

void Topics::deliver(const gossip::Held& held) {
  const gossip::Message& m = held->gossip.message;
  forget_gone();
  for (const Subscriber& s : subscribers_) {
    const auto listener = s.listener.lock();
    if (s.id != m.topic || listener == nullptr) continue;
    ++delivered_;
    listener->take({.topic = s.topic,
                    .origin = m.origin,
                    .seq = m.seq,
                    .published_ms = gossip::hlc_ms(m.hlc),
                    .payload = m.payload});
  }
}

void Topics::forget_gone() {
  std::vector<gossip::TopicId> left;
  std::erase_if(subscribers_, [&](const Subscriber& s) {
    if (s.listener.expired()) left.push_back(s.id);
    return s.listener.expired();
  });
  for (const gossip::TopicId& id : left)
    if (std::ranges::find(subscribers_, id, &Subscriber::id) == subscribers_.end()) node_->unsubscribe(id);
}

// ---- frames out ----------------------------------------------------------------------------------------------------

// Steps of the node make frames, and frames that left make steps: until nothing moves.
void Topics::flush(std::int64_t now_ns) {
  while (!ready_.empty()) {
    const PeerId peer = *ready_.begin();
    ready_.erase(ready_.begin());
    const auto line = lines_.find(peer);
    if (line == lines_.end()) continue;
    if (flush(peer, line->second, now_ns)) continue;
    give_up(peer, now_ns);
  }
}

// False when nothing can be sent to it.
bool Topics::flush(const PeerId& peer, Line& line, std::int64_t now_ns) {
  const auto connected = peers_.find(peer);
  if (connected == peers_.end()) {
    if (line.until_ns <= now_ns) return false;
    if (held_.contains(peer)) return true;
    if (!parts_.seeker->want(peer, Hold::kGossip, {}, now_ns)) return false;
    held_[peer] = now_ns + kHeldNs;
    return true;
  }
  if (!connected->second.greeted) return true;
  if (!connected->second.gossips) return false;
  std::size_t bytes = 0;
  while (!line.frames.empty() && !line.full) {
    const gossip::SendFrame& next = line.frames.front();
    const Status sent =
        parts_.reach->send(peer, static_cast<std::uint64_t>(next.protocol), (*next.frame)[0], next.frame, now_ns);
    if (!sent) {
      line.full = sent.error().id() == "transport.full";
      if (!line.full) return false;
      break;
    }
    bytes += next.frame->size();
    line.frames.pop_front();
  }
  if (line.frames.empty()) lines_.erase(peer);
  if (bytes > 0) apply(node_->sent(now(now_ns), peer, bytes), peer, now_ns);
  return true;
}

void Topics::give_up(const PeerId& peer, std::int64_t now_ns) {
  lines_.erase(peer);
  let_go(peer);
  apply(node_->disconnected(now(now_ns), peer), peer, now_ns);
}

void Topics::let_go(const PeerId& peer) {
  if (held_.erase(peer) > 0) parts_.seeker->drop(peer, Hold::kGossip);
}

// ---- keys ----------------------------------------------------------------------------------------------------------

void Topics::want_key(const PeerId& origin, const PeerId& from, std::int64_t now_ns) {
  if (wanted_keys_.size() >= kWantedKeysMax && !wanted_keys_.contains(origin)) return;
  wanted_keys_.try_emplace(origin, WantedKey{.from = from});
  look_ns_ = now_ns;
}

void Topics::learned(const PeerId& peer, std::int64_t now_ns) {
  if (wanted_keys_.contains(peer)) look_ns_ = now_ns;
}

void Topics::ask_keys(std::int64_t now_ns) {
  std::vector<PeerId> known;
  for (auto& [origin, wanted] : wanted_keys_) {
    if (const auto key = parts_.book->key_of(origin)) {
      if (keys_.learn(*key)) known.push_back(origin);
      continue;
    }
    if (wanted.ask_ns > now_ns) continue;
    wanted.ask_ns = now_ns + kAskKeyNs;
    const auto& active = node_->membership().active();
    // First who sent the message, which checked it; then the origin's neighbours, whoever they are.
    if (wanted.asks++ > 0 && !active.empty()) wanted.from = active[parts_.random->below(active.size())].peer;
    parts_.book->ask(origin, wanted.from, now_ns);
  }
  std::erase_if(wanted_keys_, [](const auto& w) { return w.second.asks > kKeyAsks; });
  for (const PeerId& origin : known) {
    wanted_keys_.erase(origin);
    apply(node_->key_known(now(now_ns), origin), origin, now_ns);
  }
}

// ---- time ----------------------------------------------------------------------------------------------------------

void Topics::join(std::int64_t now_ns) {
  join_ns_ = INT64_MAX;
  if (!node_->membership().active().empty()) return;
  std::vector<PeerId> contacts;
  for (const auto& [peer, state] : peers_)
    if (state.gossips) contacts.push_back(peer);
  if (contacts.empty()) return;  // until one says that it gossips
  join_ns_ = now_ns + kJoinNs;
  const PeerId& contact = contacts[parts_.random->below(contacts.size())];
  apply(node_->join(now(now_ns), contact), contact, now_ns);
}

void Topics::pump(std::int64_t now_ns) {
  if (next_ns() > now_ns) return;
  if (node_->wake_ns() <= now_ns) apply(node_->tick(now(now_ns)), {}, now_ns);
  if (join_ns_ <= now_ns) join(now_ns);
  if (look_ns_ <= now_ns) {
    look_ns_ = now_ns + (wanted_keys_.empty() ? kLookNs : kSecondNs / 2);
    ask_keys(now_ns);
    for (const auto& [peer, line] : lines_)
      if (!peers_.contains(peer) && line.until_ns <= now_ns) ready_.insert(peer);
    std::vector<PeerId> idle;
    for (const auto& [peer, until_ns] : held_)
      if (until_ns <= now_ns && !lines_.contains(peer) && !node_->membership().is_active(peer)) idle.push_back(peer);
    for (const PeerId& peer : idle) let_go(peer);
  }
  flush(now_ns);
}

std::int64_t Topics::next_ns() const { return std::min({node_->wake_ns(), join_ns_, look_ns_}); }

// ---- calls ---------------------------------------------------------------------------------------------------------

Status Topics::subscribe(std::string_view topic, std::weak_ptr<Listener> listener) {
  TRY(const gossip::TopicId id, topic_id(topic));
  forget_gone();
  if (subscribers_.size() >= kSubscribersMax)
    return fail(Kind::kExhausted, "overlay.limit", text("found {} subscribers, expected fewer", subscribers_.size()));
  TRY_OK(node_->subscribe(id));
  subscribers_.push_back({.topic = std::string(topic), .id = id, .listener = std::move(listener)});
  return {};
}

Result<std::uint64_t> Topics::publish(std::string_view topic, ByteView payload, std::int64_t now_ns) {
  TRY(const gossip::TopicId id, topic_id(topic));
  const std::uint64_t seq = first_seq_ + node_->counters().messages_published;
  TRY_OK(sequence_.reserve(seq + 1));
  TRY(gossip::Effects effects, node_->publish(now(now_ns), id, payload));
  apply(std::move(effects), parts_.reach->id(), now_ns);
  flush(now_ns);
  return seq;
}

TopicCounts Topics::counts() const {
  return {.neighbours = node_->membership().active().size(),
          .passive = node_->membership().passive().size(),
          .gossip = node_->counters(),
          .delivered = delivered_};
}

}  // namespace hanse::overlay
