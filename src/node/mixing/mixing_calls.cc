// What this node itself asks through the mix, and answers.
#include <algorithm>

#include "base/core/text.h"
#include "node/mixing/mixing.h"

namespace hanse::mixing {
namespace {

constexpr const router::Geometry& kGeometry = router::kXWingGeometry;
constexpr std::int64_t kNsPerMs = 1'000'000, kWorkMs = 1'000;  // of an exit, as a rule at most

std::int64_t travel_ms(const router::Path& path) {
  std::int64_t out = 0;
  for (const router::Hop& hop : path.hops) out += hop.delay_ms;
  return out;
}

}  // namespace

Result<router::MessageId> Mixing::ping(const PeerId& to, router::Lane lane, std::int64_t now_ns) {
  if (pings_.size() >= kPingsMax)
    return fail(Kind::kExhausted, "mixing.limit", text("found {} pings under way, expected fewer", pings_.size()));
  const router::Now now = at(now_ns);
  TRY(router::Path back, sender_.path(now, lane, {self_, router::Command::kSurbReply, {}}));
  TRY(auto surb, router::make_surb(kGeometry, std::move(back), random_));
  router::Message message{.kind = kPingKind, .id = {}, .surbs = {}, .body = Bytes(kPingBytes)};
  random_.fill(message.id.span());
  random_.fill(message.body);
  const router::MessageId id = message.id;
  Ping ping{.body = message.body, .begun_ns = now_ns, .ended = {}};
  message.surbs.push_back(std::move(surb.block));
  TRY_OK(book_.add(std::move(surb.secrets)));
  TRY(auto effects, sender_.submit(now, lane, {to, router::Command::kDeliver, {}}, std::move(message)));
  pings_.emplace(id, std::move(ping));
  apply(std::move(effects), now_ns);
  flush(now_ns);
  return id;
}

std::optional<Result<std::int64_t>> Mixing::ended(const router::MessageId& id) {
  const auto at = pings_.find(id);
  if (at == pings_.end() || !at->second.ended) return std::nullopt;
  auto out = std::move(at->second.ended);
  pings_.erase(at);
  return out;
}

std::vector<PeerId> Mixing::directory_exits() const {
  std::vector<PeerId> out;
  for (const router::MixNode& node : directory_of(ring_.epoch_of(clock_.wall_ms())).nodes)
    if (node.exit && node.node != self_) out.push_back(node.node);
  return out;
}

// Those that have a path by the lane, in random order: one that is its stratum's only mix has none by the Deep lane.
Result<std::vector<PeerId>> Mixing::exits(router::Lane lane, std::int64_t now_ns) {
  std::vector<PeerId> all = directory_exits(), out;
  std::optional<Error> why;
  for (const PeerId& exit : all)
    if (auto path = sender_.path(at(now_ns), lane, {exit, router::Command::kDeliver, {}}))
      out.push_back(exit);
    else
      why = std::move(path).error();
  if (out.empty() && why) return std::unexpected(std::move(*why));
  for (std::size_t i = out.size(); i > 1; --i) std::swap(out[i - 1], out[random_.below(i)]);
  return out;
}

std::string Mixing::lane_error(router::Lane lane, std::int64_t now_ns) {
  const auto there = exits(lane, now_ns);
  if (!there) return there.error().str();
  if (there->empty()) return "mixing.no_exit: found no node of this epoch that answers calls";
  const auto back = sender_.path(at(now_ns), lane, {self_, router::Command::kSurbReply, {}});
  return back ? "" : back.error().str();
}

Result<router::MessageId> Mixing::call(router::Lane lane, Bytes question, std::int64_t now_ns) {
  TRY(std::vector<PeerId> whom, exits(lane, now_ns));
  TRY(Calls::Begun begun, calls_.begin(now_ns, lane, std::move(whom), std::move(question)));
  send(std::move(begun.sends), now_ns);
  if (auto ended = calls_.ended(begun.call)) return std::unexpected(std::move(*ended).error());  // nothing was sent
  ++calls_begun_;
  flush(now_ns);
  return begun.call;
}

// What is lost is repeated; what could not be sent ends its call, or moves it to another exit.
void Mixing::send(Calls::Sends sends, std::int64_t now_ns) {
  for (Calls::Send& one : sends) {
    const router::MessageId message = one.message.id;
    if (const Status sent = send(std::move(one), now_ns); !sent) calls_.failed(now_ns, message, sent.error());
  }
}

Status Mixing::send(Calls::Send one, std::int64_t now_ns) {
  const router::Now now = at(now_ns);
  const bool deep = one.lane == router::Lane::kDeep;
  const auto queue_ms =
      deep ? static_cast<std::int64_t>(static_cast<double>(sender_.waiting() + 1) * 1'000 / settings_.sends_per_s) : 0;
  std::int64_t travel = 0;
  for (std::size_t i = 0; i < one.surbs; ++i) {
    TRY(router::Path back, way_back(one.lane, queue_ms, now_ns));
    travel = std::max(travel, travel_ms(back));
    TRY(auto surb, router::make_surb(kGeometry, std::move(back), random_));
    one.message.surbs.push_back(std::move(surb.block));
    TRY_OK(book_.add(std::move(surb.secrets)));
  }
  // The way there takes about as long as those back; a queue is served at random times.
  calls_.expect(one.call, now_ns + (2 * queue_ms + 3 * travel) * kNsPerMs);
  TRY(auto effects, sender_.submit(now, one.lane, {one.exit, router::Command::kDeliver, {}}, std::move(one.message)));
  apply(std::move(effects), now_ns);
  return {};
}

// By keys of the epoch in which the answer will be on its way.
Result<router::Path> Mixing::way_back(router::Lane lane, std::int64_t there_ms, std::int64_t now_ns) {
  const router::Destination home{self_, router::Command::kSurbReply, {}};
  router::Now then = at(now_ns);
  TRY(router::Path path, sender_.path(then, lane, home));
  then.wall_ms += there_ms + travel_ms(path) + std::min(settings_.grace_ms / 2, kWorkMs);
  if (ring_.epoch_of(then.wall_ms) == path.epoch) return path;
  if (auto later = sender_.path(then, lane, home)) return std::move(*later);
  return path;
}

void Mixing::apply(Exit::Effects effects, std::int64_t now_ns) {
  for (Exit::Reply& one : effects.replies) reply(std::move(one.block), one.message, now_ns);
  if (effects.run) settings_.answer(effects.run->id, std::move(effects.run->body));
}

void Mixing::answered(const router::MessageId& id, Bytes answer, std::int64_t now_ns) {
  apply(exit_.answered(now_ns, id, std::move(answer)), now_ns);
  flush(now_ns);
}

}  // namespace hanse::mixing
