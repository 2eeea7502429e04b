#include "chain/sync/sync.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/core/text.h"

namespace hanse::sync {
namespace {

using consensus::Index;

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::uint32_t kMissesMax = 5;  // that double the pause

Bytes name_of(Height own, const Head& head) {
  Bytes out;
  append_be(out, own.value);
  append(out, encode(head));
  return out;
}

}  // namespace

Sync::Sync(Config config) : config_(std::move(config)), next_id_(config_.first_id) {
  for (std::size_t n = 0; n < config_.power_bp.size(); ++n)
    if (n != config_.self) peers_[static_cast<Index>(n)];
}

Effects Sync::step(std::int64_t now_ns, Event event) {
  now_ns_ = now_ns;
  if (auto* begin = std::get_if<Start>(&event)) {
    start(std::move(*begin));
  } else if (phase_ != Phase::kIdle) {
    if (auto* got = std::get_if<Received>(&event)) received(std::move(*got));
    if (const auto* gone = std::get_if<Unreachable>(&event); gone != nullptr && peers_.contains(gone->peer)) {
      drop_requests(gone->peer);
      missed(gone->peer);
    }
    tick();
  }
  return std::exchange(out_, {});
}

Stats Sync::stats() const {
  Stats out = stats_;
  out.active = phase_ != Phase::kIdle;
  out.target = head_ ? head_->header.height : Height{};
  out.parts = parts_.size();
  out.parts_done = static_cast<std::uint64_t>(std::ranges::count_if(parts_, &Part::done));
  return out;
}

// ---- beginning -----------------------------------------------------------------------------------------------------

void Sync::start(Start event) {
  forget_requests();
  own_ = std::move(event);
  head_.reset();
  parts_.clear();
  for (auto& [index, peer] : peers_) peer.offers.clear();
  rounds_ = 0;
  tokens_ns_ = now_ns_;
  tokens_ = static_cast<std::int64_t>(config_.bytes_per_s);
  hosted_ns_ = now_ns_;
  phase_ = Phase::kAsking;
  if (own_.resume && resume(*own_.resume)) {
    phase_ = Phase::kFetching;
    ++stats_.resumed;
  }
  ask();
  tick();
}

bool Sync::resume(const Start::Resume& from) {
  if (from.name.size() < 8 || load_be<std::uint64_t>(from.name.data()) != own_.height.value) return false;
  auto head = decode_head(ByteView(from.name).subspan(8));
  if (!head || !verify(*head, config_.trusted) || head->header.height <= own_.height ||
      head->header.epoch != config_.epoch)
    return false;
  head_ = *std::move(head);
  make_parts();
  for (const auto& [key, value] : from.marks) {
    const auto part = std::ranges::find(parts_, key, &Part::mark_key);
    if (part == parts_.end()) continue;
    if (value.empty()) {
      part->done = true;
    } else if (part->range) {
      Hash32::from(value, part->keys.first);
    } else if (value.size() == 8) {
      part->first_height = load_be<std::uint64_t>(value.data());
    }
  }
  return true;
}

void Sync::make_parts() {
  parts_.clear();
  for (std::size_t n = 0; n < kRangeParts; ++n) {
    Part& part = parts_.emplace_back();
    part.mark_key = {'r', static_cast<std::uint8_t>(n)};
    part.keys.first.data[0] = static_cast<std::uint8_t>(n << 2);
    part.keys.last = light::kKeyHashMax;
    part.keys.last.data[0] = static_cast<std::uint8_t>((n << 2) | 3);
  }
  const std::uint64_t top = head_->header.height.value, count = top - own_.height.value;
  const std::uint64_t step = std::max(kPastPartBlocks, (count + kPastParts - 1) / kPastParts);
  std::uint32_t number = 0;
  for (std::uint64_t first = own_.height.value + 1; first <= top; first += step, ++number) {
    Part& part = parts_.emplace_back();
    part.range = false;
    part.mark_key = {'p'};
    append_be(part.mark_key, number);
    part.first_height = first;
    part.last_height = std::min(top, first + step - 1);
  }
  part_turn_ = 0;
}

// ---- whom to ask ---------------------------------------------------------------------------------------------------

void Sync::send(Index to, std::variant<Ask, WantHead, WantRange, WantPast> what, Open open) {
  open.peer = to;
  open.due_ns = now_ns_ + ms(config_.reply_ms);
  const std::uint64_t id = next_id_++;
  open_[id] = open;
  ++peers_[to].open;
  out_.push_back(Send{.to = to, .body = encode(Request{.id = id, .what = std::move(what)})});
}

bool Sync::usable(const Peer& peer) const { return !peer.liar && peer.away_until_ns <= now_ns_; }

void Sync::ask() {
  asked_ns_ = now_ns_;
  ++rounds_;
  for (auto& [index, peer] : peers_)
    if (usable(peer) && peer.open < kPeerRequestsMax + 1) send(index, Ask{}, {.what = Open::What::kAsk});
}

// The host with the fewest open requests, in turns.
std::optional<Index> Sync::next_host(Height height, std::size_t open_max) {
  std::optional<Index> best;
  const auto count = static_cast<Index>(config_.power_bp.size());
  for (Index n = 0; n < count; ++n) {
    const auto index = static_cast<Index>((turn_ + n) % count);
    const auto it = peers_.find(index);
    if (it == peers_.end() || !usable(it->second) || !it->second.offers.contains(height)) continue;
    if (it->second.open >= open_max || (best && it->second.open >= peers_[*best].open)) continue;
    best = index;
  }
  if (best) turn_ = static_cast<Index>((*best + 1) % count);
  return best;
}

// ---- time ----------------------------------------------------------------------------------------------------------

void Sync::tick() {
  if (phase_ == Phase::kIdle) return;
  for (auto it = open_.begin(); it != open_.end();) {
    if (it->second.due_ns > now_ns_) {
      ++it;
      continue;
    }
    const Open late = it->second;
    it = open_.erase(it);
    release(late);
    ++stats_.timeouts;
    missed(late.peer);
    if (late.what == Open::What::kHead) phase_ = Phase::kAsking;
  }
  if (asked_ns_ + ms(config_.ask_ms) <= now_ns_) {
    if (phase_ == Phase::kAsking) {
      choose();
      if (phase_ == Phase::kAsking && rounds_ >= config_.rounds_max) return give_up();
    }
    // Offers go stale, and hosts come back.
    if (phase_ == Phase::kAsking || asked_ns_ + 4 * ms(config_.ask_ms) <= now_ns_) ask();
  }
  if (phase_ == Phase::kFetching) schedule();
}

std::int64_t Sync::wake_ns() const {
  if (phase_ == Phase::kIdle) return kNever;
  std::int64_t at = asked_ns_ + (phase_ == Phase::kAsking ? 1 : 4) * ms(config_.ask_ms);
  for (const auto& [id, open] : open_) at = std::min(at, open.due_ns);
  if (phase_ == Phase::kFetching) {
    if (tokens_ <= 0)
      at = std::min(at, tokens_ns_ + (1 - tokens_) * 1'000'000'000 / static_cast<std::int64_t>(config_.bytes_per_s));
    for (const auto& [index, peer] : peers_)
      if (!peer.liar && peer.away_until_ns > now_ns_) at = std::min(at, peer.away_until_ns);
  }
  return std::max(at, now_ns_ + 1'000'000);
}

void Sync::release(const Open& open) {
  Peer& peer = peers_[open.peer];
  if (peer.open > 0) --peer.open;
  if (open.what == Open::What::kPart && open.part < parts_.size()) parts_[open.part].busy = false;
}

void Sync::drop_requests(Index index) {
  for (auto it = open_.begin(); it != open_.end();) {
    if (it->second.peer != index) {
      ++it;
      continue;
    }
    if (it->second.what == Open::What::kHead) phase_ = Phase::kAsking;
    release(it->second);
    it = open_.erase(it);
  }
}

void Sync::forget_requests() {
  open_.clear();
  for (auto& [index, peer] : peers_) peer.open = 0;
  for (Part& part : parts_) part.busy = false;
}

void Sync::missed(Index index) {
  Peer& peer = peers_[index];
  peer.away_until_ns = now_ns_ + (ms(config_.away_ms) << std::min(peer.misses, kMissesMax));
  ++peer.misses;
}

void Sync::lied(Index index, const std::string& why) {
  ++stats_.lies;
  peers_[index].liar = true;
  peers_[index].offers.clear();
  drop_requests(index);
  out_.push_back(Refuse{.peer = index, .why = why});
}

void Sync::give_up() {
  forget_requests();
  head_.reset();
  parts_.clear();
  phase_ = Phase::kIdle;
  out_.push_back(GaveUp{});
}

// ---- the target ----------------------------------------------------------------------------------------------------

// The height that the most power offers; of several the newest.
void Sync::choose() {
  std::map<Height, std::uint32_t> offered;
  for (const auto& [index, peer] : peers_) {
    if (!usable(peer)) continue;
    for (const Height height : peer.offers)
      if (height.value > own_.height.value + config_.lag_min) offered[height] += config_.power_bp[index];
  }
  std::uint32_t most = 0;
  for (const auto& [height, power] : offered) {
    if (power < most) continue;
    most = power;
    wanted_ = height;
  }
  if (most > 0) want_head();
}

void Sync::want_head() {
  const auto host = next_host(wanted_, kPeerRequestsMax + 2);
  if (!host) return;
  phase_ = Phase::kHead;
  send(*host, WantHead{wanted_}, {.what = Open::What::kHead});
}

void Sync::take_head(Index from, Head head) {
  phase_ = Phase::kAsking;
  if (head.header.height != wanted_) return lied(from, text("found a head of {}", head.header.height.value));
  if (const Status good = verify(head, config_.trusted); !good) return lied(from, good.error().str());
  if (head.header.epoch != config_.epoch) {  // true, and not for us
    peers_[from].offers.erase(wanted_);
    return;
  }
  adopt(std::move(head));
}

void Sync::adopt(Head head) {
  head_ = std::move(head);
  make_parts();
  ++stats_.targets;
  phase_ = Phase::kFetching;
  hosted_ns_ = now_ns_;
  out_.push_back(Begin{.name = name_of(own_.height, *head_)});
}

void Sync::retarget() {
  forget_requests();
  head_.reset();
  parts_.clear();
  rounds_ = 0;
  phase_ = Phase::kAsking;
  ask();
}

// ---- the parts -----------------------------------------------------------------------------------------------------

void Sync::schedule() {
  if (std::ranges::all_of(parts_, &Part::done)) {
    out_.push_back(Complete{.head = *std::move(head_)});
    forget_requests();
    head_.reset();
    phase_ = Phase::kIdle;
    return;
  }
  const bool hosted = std::ranges::any_of(
      peers_, [&](const auto& p) { return !p.second.liar && p.second.offers.contains(head_->header.height); });
  if (hosted) {
    hosted_ns_ = now_ns_;
  } else if (hosted_ns_ + ms(config_.stalled_ms) <= now_ns_) {
    return retarget();
  }
  const std::int64_t passed_ns = std::min<std::int64_t>(now_ns_ - tokens_ns_, 1'000'000'000);
  const auto per_s = static_cast<std::int64_t>(config_.bytes_per_s);
  if (const std::int64_t more = passed_ns * (per_s / 1'000) / 1'000'000; more > 0) {
    tokens_ = std::min(per_s, tokens_ + more);
    tokens_ns_ = now_ns_;
  }
  std::size_t open = open_.size();
  for (std::size_t n = 0; n < parts_.size() && open < kRequestsMax && tokens_ > 0; ++n) {
    const std::size_t at = (part_turn_ + n) % parts_.size();
    if (parts_[at].busy || parts_[at].done) continue;
    if (!request_part(at)) return;
    ++open;
    tokens_ -= static_cast<std::int64_t>(kAnswerBytesGoal);  // what it is, is counted when it comes
    if (open == kRequestsMax) part_turn_ = (at + 1) % parts_.size();
  }
}

bool Sync::request_part(std::size_t number) {
  Part& part = parts_[number];
  const Height height = head_->header.height;
  const auto host = next_host(height, kPeerRequestsMax);
  if (!host) return false;
  part.busy = true;
  const Open open{.what = Open::What::kPart, .part = number};
  if (part.range) {
    send(*host, WantRange{.height = height, .range = part.keys}, open);
  } else {
    send(*host, WantPast{.height = height, .first = Height{part.first_height}, .last = Height{part.last_height}}, open);
  }
  return true;
}

// ---- answers -------------------------------------------------------------------------------------------------------

void Sync::received(Received event) {
  if (!peers_.contains(event.from) || peers_[event.from].liar) return;
  auto reply = decode_reply(*event.body);
  if (!reply) return lied(event.from, reply.error().str());
  const auto it = open_.find(reply->id);
  if (it == open_.end() || it->second.peer != event.from) return;  // it came too late
  const Open open = it->second;
  open_.erase(it);
  release(open);
  peers_[event.from].misses = 0;
  stats_.bytes += event.body->size();
  if (open.what == Open::What::kPart)
    tokens_ += static_cast<std::int64_t>(kAnswerBytesGoal) - static_cast<std::int64_t>(event.body->size());
  answered(open, *reply, event.body);
}

void Sync::answered(const Open& open, Reply& reply, const consensus::Frame& frame) {
  Peer& peer = peers_[open.peer];
  const Height target = head_ ? head_->header.height : wanted_;
  if (const auto* refused = std::get_if<Refused>(&reply.what)) {
    if (refused->why == Why::kBusy) {
      peer.away_until_ns = now_ns_ + ms(config_.away_ms) / 4;
    } else {
      peer.offers.erase(target);
    }
    if (open.what == Open::What::kHead) phase_ = Phase::kAsking;
    return;
  }
  if (open.what == Open::What::kAsk) {
    const auto* offers = std::get_if<Offers>(&reply.what);
    if (offers == nullptr) return lied(open.peer, "found no offers in an answer to that question");
    peer.offers = std::set<Height>(offers->heights.begin(), offers->heights.end());
    const bool last = std::ranges::none_of(open_, [](const auto& o) { return o.second.what == Open::What::kAsk; });
    if (last && phase_ == Phase::kAsking) choose();
    return;
  }
  if (open.what == Open::What::kHead) {
    auto* head = std::get_if<Head>(&reply.what);
    if (head == nullptr) {
      phase_ = Phase::kAsking;
      return lied(open.peer, "found no head in an answer to that question");
    }
    return take_head(open.peer, std::move(*head));
  }
  if (!head_ || open.part >= parts_.size()) return;
  if (const auto* range = std::get_if<Range>(&reply.what); range != nullptr && parts_[open.part].range)
    return take_range(open, *range, frame);
  if (auto* past = std::get_if<Past>(&reply.what); past != nullptr && !parts_[open.part].range)
    return take_past(open, std::move(*past));
  lied(open.peer, "found an answer to another question");
}

void Sync::part_done_or_next(std::size_t number, std::optional<Bytes> next) {
  Part& part = parts_[number];
  if (!next) {
    part.done = true;
  } else if (part.range) {
    Hash32::from(*next, part.keys.first);
  } else {
    part.first_height = load_be<std::uint64_t>(next->data());
  }
}

void Sync::take_range(const Open& open, const Range& range, const consensus::Frame& frame) {
  const light::KeyRange wanted = parts_[open.part].keys;
  auto proof = light::decode_range_proof(range.proof);
  if (!proof) return lied(open.peer, proof.error().str());
  if (range.last < wanted.first || range.last > wanted.last || (range.last < wanted.last && proof->pairs.empty()))
    return lied(open.peer, text("found a range up to {} of {} pairs", range.last, proof->pairs.size()));
  StoreRange store{.frame = frame, .proof = *std::move(proof), .nodes = {}, .mark = {}};
  store.nodes.reserve(2 * store.proof.pairs.size() + 64);
  const Status good =
      light::verify_range(store.proof, {.first = wanted.first, .last = range.last}, head_->header.state_root,
                          [&](const light::RangeNode& node) { store.nodes.push_back(node); });
  if (!good) return lied(open.peer, good.error().str());
  ++stats_.ranges;
  stats_.pairs += store.proof.pairs.size();
  std::optional<Bytes> next;
  if (range.last < wanted.last) next = to_bytes(light::next_key_hash(range.last)->view());
  store.mark = {.key = parts_[open.part].mark_key, .value = next.value_or(Bytes{})};
  part_done_or_next(open.part, std::move(next));
  out_.push_back(std::move(store));
}

void Sync::take_past(const Open& open, Past past) {
  const Part& part = parts_[open.part];
  const Height first{part.first_height}, last{part.last_height};
  if (const Status good = verify(past, first, head_->header); !good) return lied(open.peer, good.error().str());
  const light::BlockHeader& newest = past.blocks.back().header;
  if (newest.height > last) return lied(open.peer, text("found block {}", newest.height.value));
  if (first == own_.height.plus(1) && past.blocks.front().header.parent != own_.block) {
    out_.push_back(Contradiction{
        .why = text("found block {} with parent {} in the chain of certified block {}, ours is {}", first.value,
                    past.blocks.front().header.parent, head_->header.height.value, own_.block)});
    return give_up();
  }
  stats_.blocks += past.blocks.size();
  std::optional<Bytes> next;
  if (newest.height < last) append_be(next.emplace(), newest.height.value + 1);
  StorePast store{.blocks = std::move(past.blocks), .mark = {.key = part.mark_key, .value = next.value_or(Bytes{})}};
  part_done_or_next(open.part, std::move(next));
  out_.push_back(std::move(store));
}

}  // namespace hanse::sync
