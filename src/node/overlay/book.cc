#include "node/overlay/book.h"

#include <algorithm>

namespace hanse::overlay {
namespace {

using discovery::PeerRecord;
using discovery::Scope;
using Record = discovery::Exchange::Record;

constexpr std::int64_t kLookNs = 2 * kSecondNs;     // how often what we would say is compared
constexpr std::int64_t kSignGapNs = 2 * kSecondNs;  // between two signatures
constexpr std::int64_t kAskedNs = 10 * kSecondNs;
constexpr std::uint64_t kSequenceBlock = 1'000;

discovery::Nat nat_of(const std::optional<nat::NatClass>& found) {
  if (!found) return discovery::Nat::kUnknown;
  if (!found->udp) return discovery::Nat::kBlocked;
  if (found->mapping == nat::Mapping::kNone) return discovery::Nat::kNone;
  return found->mapping == nat::Mapping::kEndpoint ? discovery::Nat::kEasy : discovery::Nat::kHard;
}

}  // namespace

Result<Book> Book::open(reach::Reach& reach, const OverlayOptions& options) {
  Fs& fs = options.fs != nullptr ? *options.fs : real_fs();
  Clock& clock = options.clock != nullptr ? *options.clock : system_clock();
  const std::string sequence = options.folder.empty() ? "" : options.folder + "/record.seq";
  TRY(Sequence seq, Sequence::open(fs, sequence, kSequenceBlock, clock.wall_ms()));
  Book out(reach, options, std::move(seq));
  out.fs_ = &fs;
  out.clock_ = &clock;
  if (options.folder.empty()) return out;
  auto cache =
      discovery::PeerCache::load(fs, out.path("peers.cache"), {.network = options.network, .now_ms = clock.wall_ms()});
  if (cache) out.cache_ = std::move(*cache);
  // A spoilt cache is as good as none: it is written anew.
  else if (cache.error().kind() != Kind::kNotFound && cache.error().kind() != Kind::kCorrupt)
    return std::unexpected(cache.error().clone());
  return out;
}

std::string Book::path(std::string_view name) const { return options_.folder + "/" + std::string(name); }

void Book::say(const PeerId& to, RecordFrame type, Bytes body, std::int64_t now_ns) {
  (void)reach_.send(to, kRecordProtocol, type, std::make_shared<const Bytes>(std::move(body)), now_ns);
}

// ---- the own records -----------------------------------------------------------------------------------------------

PeerRecord Book::described(Scope scope, std::int64_t now_ns) const {
  PeerRecord out{.network = options_.network,
                 .scope = scope,
                 .roles = options_.roles,
                 .caps = options_.gossip ? kGossipCap : 0,
                 .nat = nat_of(reach_.nat())};
  for (const Address& a : reach_.candidates(now_ns)) {
    const Zone zone = zone_of(a);
    if (zone == Zone::kPublic || (zone == Zone::kPrivate && scope == Scope::kLocal))
      out.addresses.push_back(to_record(a));
    if (out.addresses.size() == discovery::kAddressesMax) break;
  }
  std::ranges::sort(out.addresses);
  out.relays = reach_.places();
  if (out.relays.size() > discovery::kRelaysMax) out.relays.resize(discovery::kRelaysMax);
  return out;
}

Status Book::sign(const PeerRecord& as, std::optional<discovery::SignedRecord>& into) {
  PeerRecord record = as;
  TRY(record.seq, sequence_.next());
  record.not_after_ms = clock_->wall_ms() + discovery::kLifeMsMax;
  TRY(into, discovery::sign_record(std::move(record), *options_.key));
  return {};
}

void Book::renew(std::int64_t now_ns) {
  PeerRecord as_public = described(Scope::kPublic, now_ns), as_local = described(Scope::kLocal, now_ns);
  const bool half = public_ && public_->record.not_after_ms - clock_->wall_ms() < discovery::kLifeMsMax / 2;
  if (public_ && !half && as_public == as_public_ && as_local == as_local_) return;
  if (public_ && now_ns - signed_ns_ < kSignGapNs) return;
  signed_ns_ = now_ns;
  // A disk that refuses the sequence leaves the records as they were; it is tried again.
  if (!sign(as_public, public_) || !sign(as_local, local_)) return;
  as_public_ = std::move(as_public);
  as_local_ = std::move(as_local);
  learned_.push_back(reach_.id());
  for (const auto& [peer, state] : peers_) give_own(peer, now_ns);
}

void Book::give_own(const PeerId& to, std::int64_t now_ns) {
  if (!public_) return;
  Give give{.key = options_.key->public_key(), .of_public = public_->bytes, .of_local = {}};
  const auto peer = peers_.find(to);
  const Zone zone = peer == peers_.end() ? Zone::kNone : zone_of(peer->second.remote);
  if (zone == Zone::kPrivate || zone == Zone::kLoopback) give.of_local = local_->bytes;
  say(to, kGive, encode(give), now_ns);
}

// ---- what peers say ------------------------------------------------------------------------------------------------

void Book::handle(const reach::PeerEvent& event, std::int64_t now_ns) {
  using Type = reach::PeerEvent::Type;
  switch (event.type) {
    case Type::kUp: {
      Peer& peer = peers_[event.peer] = Peer{.remote = event.path.remote};
      exchange_.up(event.peer, now_ns);
      if (!public_) renew(now_ns);
      say(event.peer, kAsk, to_bytes(event.peer.view()), now_ns);
      if (event.inbound || zone_of(event.path.remote) == Zone::kNone) return;
      peer.dialed = event.path.remote;
      cache_.reached(clock_->wall_ms(), event.peer, to_record(event.path.remote));
      changed_ = true;
      return;
    }
    case Type::kMoved:
    case Type::kPath:
      if (const auto at = peers_.find(event.peer); at != peers_.end() && event.code == 0)
        at->second.remote = event.path.remote;
      return;
    case Type::kDown:
      peers_.erase(event.peer);
      exchange_.down(event.peer, now_ns);
      return;
    case Type::kFailed: cache_.dialled(clock_->wall_ms(), event.peer, false); return;
    case Type::kFrame:
      if (event.protocol != kRecordProtocol) return;
      if (event.frame_type == kAsk) return on_ask(event, now_ns);
      if (event.frame_type == kGive) return on_give(event, now_ns);
      if (event.frame_type == kAskOthers) return on_ask_others(event.peer, now_ns);
      if (event.frame_type == kOthers) return on_others(event, now_ns);
      return;
    default: return;
  }
}

void Book::on_ask(const reach::PeerEvent& event, std::int64_t now_ns) {
  PeerId whom;
  const auto peer = peers_.find(event.peer);
  if (!PeerId::from(event.body, whom) || peer == peers_.end() || !peer->second.asks.take(now_ns)) return;
  if (whom == reach_.id()) return give_own(event.peer, now_ns);
  if (const auto known = about(whom)) say(event.peer, kGive, encode(*known), now_ns);
}

void Book::on_give(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto peer = peers_.find(event.peer);
  if (peer == peers_.end() || !peer->second.gives.take(now_ns)) return;
  const auto give = decode_give(event.body);
  if (!give) return reach_.close(event.peer, transport::CloseCode::kViolation, now_ns);
  const PeerId owner = crypto::account_id(give->key);
  if (owner != event.peer && asked_.erase(owner) == 0) return;
  const bool good = learn(*give, event.peer);
  if (!give->of_public.empty()) exchange_.gave(event.peer, good ? Record::kTrue : Record::kFalse);
}

// ---- of others -----------------------------------------------------------------------------------------------------

discovery::Exchange::Score Book::score_at(std::int64_t now_ns) const {
  return [this, now_ns](const PeerId& peer) { return judge_ ? judge_(peer, now_ns) : 0; };
}

void Book::on_ask_others(const PeerId& peer, std::int64_t now_ns) {
  if (!exchange_.may_answer(peer, now_ns)) return;
  Others others;
  for (const PeerId& one : cache_.some(random_, discovery::kToldMax, peer, clock_->wall_ms()))
    others.gives.push_back(*about(one));
  say(peer, kOthers, encode(others), now_ns);
}

void Book::on_others(const reach::PeerEvent& event, std::int64_t now_ns) {
  if (!exchange_.may_take(event.peer, now_ns, score_at(now_ns))) return;
  const auto others = decode_others(event.body);
  if (!others) return reach_.close(event.peer, transport::CloseCode::kViolation, now_ns);
  for (const Give& give : others->gives) {
    if (crypto::account_id(give.key) == reach_.id()) continue;
    if (!learn(give, event.peer)) return exchange_.gave(event.peer, Record::kFalse);  // nor is the rest looked at
    ++told_;
  }
}

bool Book::learn(const Give& give, const PeerId& from) {
  const PeerId owner = crypto::account_id(give.key);
  if (owner == reach_.id()) return false;
  const std::int64_t wall_ms = clock_->wall_ms();
  const discovery::Expected expected{.network = options_.network, .now_ms = wall_ms};
  bool good = true;
  const auto take = [&](const Bytes& bytes, Scope scope) {
    if (bytes.empty()) return;
    const discovery::PeerCache::Entry* have = cache_.find(owner);
    const auto* kept = have == nullptr ? nullptr : scope == Scope::kPublic ? &have->of_public : &have->of_local;
    if (kept != nullptr && *kept && equal((*kept)->bytes, bytes)) return;  // proved before
    auto record = discovery::open_record(bytes, give.key, expected);
    good = good && record && record->record.scope == scope;
    if (good) changed_ = cache_.take(wall_ms, give.key, std::move(*record)) || changed_;
  };
  take(give.of_public, Scope::kPublic);
  if (owner == from) take(give.of_local, Scope::kLocal);
  if (cache_.find(owner) == nullptr) {
    if (keys_.size() >= kKeysMax) keys_.erase(keys_.begin());
    keys_.emplace(owner, give.key);
  } else if (const auto at = peers_.find(owner); at != peers_.end() && at->second.dialed) {
    cache_.reached(wall_ms, owner, to_record(*at->second.dialed));
  }
  learned_.push_back(owner);
  return good;
}

Result<discovery::SignedRecord> Book::prove(const Give& give) const {
  TRY(auto record,
      discovery::open_record(give.of_public, give.key, {.network = options_.network, .now_ms = clock_->wall_ms()}));
  if (record.record.scope != Scope::kPublic)
    return fail(Kind::kCorrupt, "overlay.frame", "found a local record, expected a public one");
  return record;
}

void Book::ask(const PeerId& about, const PeerId& of, std::int64_t now_ns) {
  std::erase_if(asked_, [&](const auto& a) { return a.second <= now_ns; });
  if (asked_.size() >= kAskedMax && !asked_.contains(about)) return;
  asked_[about] = now_ns + kAskedNs;
  say(of, kAsk, to_bytes(about.view()), now_ns);
}

// ---- what is known -------------------------------------------------------------------------------------------------

std::optional<crypto::PublicKey> Book::key_of(const PeerId& peer) const {
  if (peer == reach_.id()) return options_.key->public_key();
  if (const auto* entry = cache_.find(peer)) return entry->key;
  if (const auto at = keys_.find(peer); at != keys_.end()) return at->second;
  return std::nullopt;
}

std::optional<Give> Book::about(const PeerId& peer) const {
  const auto key = key_of(peer);
  if (!key) return std::nullopt;
  Give out{.key = *key, .of_public = {}, .of_local = {}};
  if (peer == reach_.id()) {
    if (public_) out.of_public = public_->bytes;
  } else if (const auto* entry = cache_.find(peer); entry != nullptr && entry->of_public) {
    out.of_public = entry->of_public->bytes;
  }
  return out;
}

Places Book::places_of(const PeerId& peer) const {
  Places out;
  const auto* entry = cache_.find(peer);
  if (entry == nullptr || entry->equivocated) return out;
  const auto add = [&](const discovery::Address& a) {
    const Address address = to_transport(a);
    if (out.addresses.size() < discovery::kAddressesMax &&
        std::ranges::find(out.addresses, address) == out.addresses.end())
      out.addresses.push_back(address);
  };
  if (entry->reached) add(*entry->reached);
  for (const auto* record : {&entry->of_local, &entry->of_public}) {
    if (!*record) continue;
    for (const discovery::Address& a : (*record)->record.addresses) add(a);
    for (const PeerId& relay : (*record)->record.relays)
      if (relay != reach_.id() && std::ranges::find(out.relays, relay) == out.relays.end()) out.relays.push_back(relay);
  }
  return out;
}

// ---- time ----------------------------------------------------------------------------------------------------------

void Book::pump(std::int64_t now_ns) {
  if (look_ns_ > now_ns) return;
  look_ns_ = now_ns + kLookNs;
  renew(now_ns);
  if (const auto peer = exchange_.ask(now_ns, random_, score_at(now_ns))) say(*peer, kAskOthers, {}, now_ns);
  if (save_ns_ > now_ns) return;
  save_ns_ = now_ns + kSaveNs;
  cache_.expire(clock_->wall_ms());
  save();
}

void Book::save() {
  if (!changed_ || options_.folder.empty()) return;
  if (cache_.save(*fs_, path("peers.cache"))) changed_ = false;
}

void Book::stop() { save(); }

}  // namespace hanse::overlay
