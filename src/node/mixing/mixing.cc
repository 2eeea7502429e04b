#include "node/mixing/mixing.h"

#include <algorithm>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::mixing {
namespace {

constexpr std::int64_t kLookNsMin = 50'000'000, kLookNs = 1'000'000'000;

constexpr const router::Geometry& kGeometry = router::kXWingGeometry;

std::unexpected<Error> bad_nodes(std::string_view what) { return fail(Kind::kInvalid, "mixing.nodes", what); }

router::MixConfig mix_config(const MixingSettings& s, const PeerId& self) {
  router::MixConfig out{.node = self, .geometry = kGeometry};
  out.peer_cells_per_s = s.peer_cells_per_s;
  out.held_max = s.held_max;
  out.peer_burst = 2 * s.peer_cells_per_s;
  out.loops_per_s = s.ledger && !s.mixes ? 0 : s.mix_loops_per_s;
  out.wanted = s.wanted;
  out.rate_window_ns = std::min(router::RateMeter::kWindowNs, s.epoch_ms * 1'000'000);
  return out;
}
router::SenderConfig sender_config(const MixingSettings& s, const PeerId& self) {
  return {.geometry = kGeometry,
          .home = self,
          .wanted = s.wanted,
          .sends_per_s = s.sends_per_s,
          .loops_per_s = s.loops_per_s,
          .epoch_ms = s.epoch_ms,
          .grace_ms = s.grace_ms};
}
Random& random_of(const MixingSettings& s) { return s.random != nullptr ? *s.random : system_random(); }
Clock& clock_of(const MixingSettings& s) { return s.clock != nullptr ? *s.clock : system_clock(); }

}  // namespace

transport::Protocol protocol() {
  return {.id = kMixProtocol, .frame_bytes_max = router::kCellSize, .priority = transport::Priority::kDirect};
}

Counts refusals(const MixFacts& f) {
  const router::MixCounters& c = f.mix;
  return {{"full", c.refused_full},   {"cell", c.refused_cell},  {"layer", c.refused_layer}, {"epoch", c.refused_epoch},
          {"rate", c.refused_rate},   {"rejected", c.rejected},  {"replay", c.replays},      {"expired", c.expired},
          {"delay", c.refused_delay}, {"lane", c.refused_lane},  {"outbox", c.outbox_full},  {"lost", c.lost + f.lost},
          {"stranger", f.strangers},  {"message", f.undelivered}};
}

Counts results(const MixFacts& f) {
  const router::MixCounters& c = f.mix;
  return {{"flash", c.flash}, {"deep", c.deep}, {"delivered", c.delivered}, {"cover", c.cover}, {"loop", c.loops_back}};
}

Counts calls(const MixFacts& f) {
  return {{"begun", f.calls_begun},
          {"repeated", f.calls_repeated},
          {"rerouted", f.calls_rerouted},
          {"answered", f.calls_answered},
          {"refused", f.calls_refused}};
}

Result<Place> parse_place(std::string_view given) {
  constexpr std::string_view kExit = "/exit";
  std::string_view rest = given;
  Place out;
  out.exit = rest.ends_with(kExit);
  if (out.exit) rest.remove_suffix(kExit.size());
  const auto slash = rest.find('/');
  const auto id = codec::decode_id(rest.substr(0, slash));
  const bool strange = !id || !PeerId::from(*id, out.node);
  if (!strange && slash == rest.npos) return out;
  const std::string_view stratum = strange ? "" : rest.substr(slash + 1);
  if (stratum.size() != 1 || stratum[0] < '0' || stratum[0] > '2')
    return bad_nodes(
        text("found \"{}\", expected ID/0, ID/1, ID/2, or ID alone, and /exit behind it or not", given.substr(0, 80)));
  out.stratum = static_cast<std::uint8_t>(stratum[0] - '0');
  return out;
}

Result<std::unique_ptr<Mixing>> Mixing::open(MixingSettings settings, reach::Reach& reach, std::int64_t now_ns) {
  std::set<PeerId> nodes;
  for (const Place& place : settings.nodes)
    if (!nodes.insert(place.node).second) return bad_nodes(text("found {} twice", codec::encode_id(place.node.view())));
  if (nodes.size() > kNodesMax) return bad_nodes(text("found {} nodes, expected at most {}", nodes.size(), kNodesMax));
  if (!settings.ledger && !nodes.contains(reach.id()))
    return bad_nodes(text("found a list without this node, {}", codec::encode_id(reach.id().view())));
  crypto::Secret<32> seal;
  crypto::blake3_xof("hanse/mix-keys/1", {settings.secret.view()}, seal.span());
  TRY(auto ring,
      router::KeyRing::open(
          real_fs(), settings.path, crypto::AeadKey(std::move(seal)),
          {.node = reach.id(), .geometry = kGeometry, .epoch_ms = settings.epoch_ms, .grace_ms = settings.grace_ms},
          random_of(settings), clock_of(settings).wall_ms()));
  return std::unique_ptr<Mixing>(new Mixing(std::move(settings), reach, std::move(ring), now_ns));
}

Mixing::Mixing(MixingSettings settings, reach::Reach& reach, router::KeyRing ring, std::int64_t now_ns)
    : settings_(std::move(settings)),
      reach_(reach),
      clock_(clock_of(settings_)),
      random_(random_of(settings_)),
      self_(reach.id()),
      ring_(std::move(ring)),
      mix_(mix_config(settings_, self_), ring_, random_, at(now_ns)),
      sender_(sender_config(settings_, self_), random_, at(now_ns)),
      book_(kGeometry),
      calls_(kGeometry, random_),
      exit_(kGeometry) {
  for (const Place& place : settings_.nodes) places_[place.node] = place;
  turn(now_ns);
}

Status Mixing::stop() { return std::move(ring_).stop(); }

// ---- keys and directories ------------------------------------------------------------------------------------------

void Mixing::turn(std::int64_t now_ns) {
  const std::int64_t wall_ms = clock_.wall_ms();
  const Status turned = ring_.turn(wall_ms);
  key_error_ = turned ? "" : turned.error().str();
  turn_ms_ = turned ? ring_.next_turn_ms(wall_ms) : 0;  // or again with the next look
  const std::uint32_t epoch = ring_.epoch_of(wall_ms);
  for (auto& [node, known] : known_) std::erase_if(known.keys, [&](const auto& k) { return k.first + 1 < epoch; });
  book_.expire(epoch);
  Known& own = known_[self_];
  own.keys.clear();
  own.deep_per_s = mix_.deep_per_s(at(now_ns));
  for (std::uint32_t e = epoch == 0 ? 0 : epoch - 1; e <= epoch + 1; ++e)
    if (const auto open = ring_.at(e)) own.keys.emplace(e, open->secret.public_key());
  for (router::EpochPublic& one : ring_.to_publish()) own.keys.emplace(one.epoch, std::move(one.key));
  make_directories(now_ns);
  for (const PeerId& peer : greeted_) tell(peer, now_ns);
}

Mixing::ToPublish Mixing::to_publish(std::int64_t now_ns) {
  return {
      .epoch = ring_.epoch_of(clock_.wall_ms()), .keys = ring_.to_publish(), .deep_per_s = mix_.deep_per_s(at(now_ns))};
}

void Mixing::directory(router::Directory directory, std::int64_t now_ns) {
  given_.insert_or_assign(directory.epoch, std::move(directory));
  while (given_.size() > kDirectoriesMax) given_.erase(given_.begin());
  make_directories(now_ns);
}

bool Mixing::listed(const PeerId& peer) const {
  if (!settings_.ledger) return places_.contains(peer);
  return std::ranges::any_of(given_, [&](const auto& one) { return one.second.find(peer) != nullptr; });
}

void Mixing::tell(const PeerId& to, std::int64_t now_ns) {
  if (!places_.contains(to)) return;
  const Known& own = known_[self_];
  ToldKeys told{.deep_per_1000s = static_cast<std::uint32_t>(std::min(own.deep_per_s * 1'000, 4e9)), .keys = {}};
  for (const auto& [epoch, key] : own.keys)
    if (told.keys.size() < kKeysMax) told.keys.push_back({epoch, key});
  // One that is lost is told again at the next turn.
  (void)reach_.send(to, kMixProtocol, kKeys, std::make_shared<const Bytes>(encode_keys(told)), now_ns);
}

void Mixing::on_keys(const PeerId& from, ByteView body, std::int64_t now_ns) {
  auto told = decode_keys(kGeometry.kem, body);
  if (!told) return;
  const std::uint32_t epoch = ring_.epoch_of(clock_.wall_ms());
  Known& known = known_[from];
  known.deep_per_s = told->deep_per_1000s / 1'000.0;
  for (router::EpochPublic& one : told->keys)
    if (one.epoch + 1 >= epoch && one.epoch <= epoch + router::kEpochsAheadMax)
      known.keys.try_emplace(one.epoch, std::move(one.key));
  make_directories(now_ns);
}

router::Directory Mixing::told_directory(std::uint32_t epoch) const {
  router::Directory out{epoch, {}};
  for (const auto& [node, place] : places_) {
    const auto known = known_.find(node);
    if (known == known_.end()) continue;
    const auto key = known->second.keys.find(epoch);
    if (key != known->second.keys.end())
      out.nodes.push_back({node, key->second, place.stratum, known->second.deep_per_s, place.exit});
  }
  return out;
}

router::Directory Mixing::directory_of(std::uint32_t epoch) const {
  if (!settings_.ledger) return told_directory(epoch);
  const auto given = given_.find(epoch);
  return given == given_.end() ? router::Directory{epoch, {}} : given->second;
}

// The mix's: this epoch and the one before, whose keys take cells a while longer; near its end this one and the next.
// The sender's: this one and the next, as soon as it is known, for answers that come then.
void Mixing::make_directories(std::int64_t) {
  const std::int64_t wall_ms = clock_.wall_ms();
  const std::uint32_t epoch = ring_.epoch_of(wall_ms), last = ring_.epoch_of(wall_ms + settings_.grace_ms);
  for (std::uint32_t e = last == 0 ? 0 : last - 1; e <= last; ++e) mix_.directory(directory_of(e));
  for (const std::uint32_t e : {epoch, epoch + 1}) {
    router::Directory all = directory_of(e);
    for (router::MixNode& node : all.nodes)
      if (node.node == self_) node.stratum.reset();  // paths of our own messages begin elsewhere
    if (e == epoch || !all.nodes.empty()) sender_.directory(std::move(all));
  }
}

// ---- what comes ----------------------------------------------------------------------------------------------------

bool Mixing::handle(reach::PeerEvent& event, std::int64_t now_ns) {
  using Type = reach::PeerEvent::Type;
  switch (event.type) {
    case Type::kHello:
      if (!event.hello || (event.hello->facts.caps & kMixCap) == 0) return false;
      greeted_.insert(event.peer);
      tell(event.peer, now_ns);
      return false;
    case Type::kRoom:
      if (const auto line = lines_.find(event.peer); line != lines_.end()) {
        line->second.full = false;
        ready_.insert(event.peer);
      }
      return false;
    case Type::kDown: {
      greeted_.erase(event.peer);
      const auto line = lines_.find(event.peer);
      if (line != lines_.end()) {
        lost_ += line->second.cells.size();
        lines_.erase(line);
      }
      mix_.gone(event.peer);
      return false;
    }
    case Type::kFrame: break;
    default: return false;
  }
  if (event.protocol != kMixProtocol) return false;
  if (!listed(event.peer)) {
    ++strangers_;
  } else if (event.frame_type == kKeys) {
    if (!settings_.ledger) on_keys(event.peer, event.body, now_ns);
  } else if (event.frame_type == kCell) {
    const bool full = !unread_.empty() || !mix_.accepting(at(now_ns));
    if (full && unread_.size() < kUnreadMax) {
      unread_.push_back(std::move(event));  // its credit too, so that the peer stops
      return true;
    }
    on_cell(event.peer, std::move(event.body), now_ns);
  }
  reach_.consumed(std::move(event));
  return true;
}

void Mixing::read_on(std::int64_t now_ns) {
  while (!unread_.empty() && mix_.accepting(at(now_ns))) {
    reach::PeerEvent event = std::move(unread_.front());
    unread_.pop_front();
    on_cell(event.peer, std::move(event.body), now_ns);
    reach_.consumed(std::move(event));
  }
}

void Mixing::on_cell(const PeerId& from, Bytes cell, std::int64_t now_ns) {
  apply(mix_.receive(at(now_ns), from, std::move(cell)), now_ns);
}

void Mixing::apply(router::MixEffects effects, std::int64_t now_ns) {
  for (router::CellSend& send : effects.sends) push(send.to, std::move(send.cell), true, now_ns);
  for (const router::CellDelivery& delivery : effects.deliveries) deliver(delivery, now_ns);
}

void Mixing::apply(router::SenderEffects effects, std::int64_t now_ns) {
  for (router::CellSend& send : effects.sends) push(send.to, std::move(send.cell), false, now_ns);
  for (router::SenderFailure& failure : effects.failed) {
    calls_.failed(now_ns, failure.id, failure.error);
    if (const auto ping = pings_.find(failure.id); ping != pings_.end())
      ping->second.ended = std::unexpected(std::move(failure.error));
  }
}

void Mixing::deliver(const router::CellDelivery& delivery, std::int64_t now_ns) {
  auto message = delivery.command == router::Command::kSurbReply ? book_.open(delivery.target, delivery.payload)
                                                                 : router::decode_message(kGeometry, delivery.payload);
  if (!message) {
    ++undelivered_;
    return;
  }
  if (delivery.command == router::Command::kDeliver) {
    if (sender_.loop_back(delivery.target)) {
      ++loops_back_;
      return;
    }
    if (message->kind == kPingKind && message->surbs.size() == 1) return pong(std::move(*message), now_ns);
    if ((message->kind == kCallKind || message->kind == kMoreKind) && settings_.answer)
      return apply(exit_.take(now_ns, std::move(*message)), now_ns);
  } else if (message->kind == kAnswerKind || message->kind == kMissingKind) {
    return send(calls_.take(now_ns, std::move(*message)), now_ns);
  } else if (const auto ping = pings_.find(message->id); message->kind == kPongKind && ping != pings_.end()) {
    Ping& p = ping->second;
    if (message->body == p.body)
      p.ended = now_ns - p.begun_ns;
    else
      p.ended = fail(Kind::kCorrupt, "mixing.damaged", "found another answer than the bytes that were sent");
    return;
  }
  ++undelivered_;
}

void Mixing::pong(router::Message message, std::int64_t now_ns) {
  if (message.body.size() > kPingBytes) {
    ++undelivered_;
    return;
  }
  ++pings_answered_;
  reply(std::move(message.surbs.front()),
        {.kind = kPongKind, .id = message.id, .surbs = {}, .body = std::move(message.body)}, now_ns);
}

void Mixing::reply(router::Surb block, const router::Message& message, std::int64_t now_ns) {
  auto made = router::reply_cell(kGeometry, std::move(block), message, random_);
  if (!made) {
    ++undelivered_;
    return;
  }
  push(made->first, std::move(made->cell), false, now_ns);
}

// ---- what goes -----------------------------------------------------------------------------------------------------

void Mixing::push(const PeerId& to, Bytes cell, bool of_mix, std::int64_t) {
  Line& line = lines_[to];
  if (!of_mix && line.cells.size() >= kOwnMax) {
    ++lost_;
    return;
  }
  line.cells.push_back({std::make_shared<const Bytes>(std::move(cell)), of_mix});
  ready_.insert(to);
}

// What leaves makes room for more of the mix: until nothing moves.
void Mixing::flush(std::int64_t now_ns) {
  while (!ready_.empty()) {
    const PeerId to = *ready_.begin();
    ready_.erase(ready_.begin());
    flush(to, now_ns);
  }
}

void Mixing::flush(const PeerId& to, std::int64_t now_ns) {
  for (;;) {
    const auto line = lines_.find(to);
    if (line == lines_.end() || line->second.full) return;
    if (line->second.cells.empty()) {
      lines_.erase(line);
      return;
    }
    const Own own = line->second.cells.front();
    if (to == self_) {  // a reply block's first mix may be this node
      line->second.cells.pop_front();
      if (own.of_mix) apply(mix_.sent(at(now_ns), to), now_ns);
      on_cell(self_, *own.cell, now_ns);
      continue;
    }
    Status sent;
    if (greeted_.contains(to)) sent = reach_.send(to, kMixProtocol, kCell, own.cell, now_ns);
    if (!sent && (sent.error().id() == "transport.full" || sent.error().id() == "peers.budget")) {
      line->second.full = true;
      return;
    }
    if (!sent || !greeted_.contains(to)) ++lost_;
    line->second.cells.pop_front();
    if (own.of_mix) apply(mix_.sent(at(now_ns), to), now_ns);
  }
}

// ---- time ----------------------------------------------------------------------------------------------------------

void Mixing::pump(std::int64_t now_ns) {
  if (look_ns_ <= now_ns) {
    look_ns_ = now_ns + std::clamp(settings_.grace_ms * 1'000'000 / 4, kLookNsMin, kLookNs);
    if (clock_.wall_ms() >= turn_ms_) turn(now_ns);
    read_on(now_ns);
    exit_.expire(now_ns);
  }
  if (mix_.wake_ns() <= now_ns) {
    apply(mix_.tick(at(now_ns)), now_ns);
    read_on(now_ns);
  }
  if (sender_.wake_ns() <= now_ns) apply(sender_.tick(at(now_ns)), now_ns);
  if (calls_.next_ns() <= now_ns) send(calls_.tick(now_ns), now_ns);
  flush(now_ns);
}

std::int64_t Mixing::next_ns() const {
  return std::min({mix_.wake_ns(), sender_.wake_ns(), calls_.next_ns(), look_ns_});
}

// ---- facts ---------------------------------------------------------------------------------------------------------

MixFacts Mixing::facts(std::int64_t now_ns) {
  const router::Now now = at(now_ns);
  const std::uint32_t epoch = ring_.epoch_of(now.wall_ms);
  const std::vector<router::MixNode> nodes = directory_of(epoch).nodes;
  return {.epoch = epoch,
          .mixes = settings_.ledger ? settings_.mixes : places_.at(self_).stratum.has_value(),
          .takes = ring_.at(epoch).has_value(),
          .nodes = nodes.size(),
          .listed = settings_.ledger ? nodes.size() : places_.size(),
          .held = mix_.held(),
          .waiting = sender_.waiting(),
          .unread = unread_.size(),
          .entropy_bits = mix_.entropy_bits(),
          .deep_per_s = mix_.deep_per_s(now),
          .mix_alarm = mix_.alarm(),
          .own_alarm = sender_.alarm(),
          .mix = mix_.counters(),
          .sent = sender_.counters(),
          .loops_back = loops_back_,
          .strangers = strangers_,
          .lost = lost_,
          .pings_answered = pings_answered_,
          .exit = settings_.answer != nullptr,
          .exits = directory_exits().size(),
          .flash_error = lane_error(router::Lane::kFlash, now_ns),
          .deep_error = lane_error(router::Lane::kDeep, now_ns),
          .calls = calls_.under_way(),
          .calls_running = exit_.running(),
          .calls_begun = calls_begun_,
          .calls_repeated = calls_.repeats(),
          .calls_rerouted = calls_.other_exits(),
          .calls_answered = exit_.answered_count(),
          .calls_refused = exit_.refused(),
          .undelivered = undelivered_,
          .key_error = key_error_};
}

}  // namespace hanse::mixing
