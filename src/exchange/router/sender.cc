#include "exchange/router/sender.h"

#include "base/core/text.h"

namespace hanse::router {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr int kDrawsMax = 16;

std::int64_t travel_ms(const Path& path) {
  std::int64_t out = 0;
  for (const Hop& hop : path.hops) out += hop.delay_ms;
  return out;
}

}  // namespace

Sender::Sender(SenderConfig config, Random& random, Now now)
    : config_(config),
      random_(random),
      send_ns_(next_event_ns(now.mono_ns, config.sends_per_s, random)),
      loop_ns_(next_event_ns(now.mono_ns, config.loops_per_s, random)) {}

void Sender::directory(Directory directory) {
  directories_.insert_or_assign(directory.epoch, std::move(directory));
  while (directories_.size() > 2) directories_.erase(directories_.begin());
}

Result<const Directory*> Sender::current(Now now) const {
  const auto epoch = static_cast<std::uint32_t>(now.wall_ms / config_.epoch_ms);
  const auto found = directories_.find(epoch);
  if (found == directories_.end())
    return fail(Kind::kUnavailable, "router.no_directory", text("the nodes of epoch {} are not known", epoch));
  return &found->second;
}

Result<Path> Sender::timely_path(Now now, const Destination& to, Hides what) {
  TRY(const Directory* directory, current(now));
  const std::int64_t end = (now.wall_ms / config_.epoch_ms + 1) * config_.epoch_ms;
  const auto next = directories_.find(directory->epoch + 1);
  if (now.wall_ms >= end - config_.grace_ms / 2 && next != directories_.end()) directory = &next->second;
  const std::int64_t last_ms = directory->epoch == now.wall_ms / config_.epoch_ms
                                   ? end + config_.grace_ms
                                   : end + config_.epoch_ms + config_.grace_ms;
  for (int i = 0; i < kDrawsMax; ++i) {
    TRY(Path path, deep_path(*directory, to, config_.wanted, what, random_));
    if (now.wall_ms + travel_ms(path) < last_ms) return path;
  }
  return fail(Kind::kUnavailable, "router.no_directory",
              text("{} ms are left for a cell of epoch {}, and each of {} draws takes longer", last_ms - now.wall_ms,
                   directory->epoch, kDrawsMax));
}

Result<Path> Sender::path(Now now, Lane lane, const Destination& to) {
  if (lane == Lane::kDeep) return timely_path(now, to, Hides::kMessage);
  TRY(const Directory* directory, current(now));
  return flash_path(*directory, to, random_);
}

Status Sender::seal(const Path& path, const Message& message, SenderEffects& out) {
  TRY(auto payload, encode_message(config_.geometry, message, random_));
  TRY(Bytes cell, seal_cell(config_.geometry, path, std::move(payload), random_));
  out.sends.push_back({path.hops.front().node, std::move(cell)});
  return {};
}

Result<SenderEffects> Sender::submit(Now now, Lane lane, const Destination& to, Message message) {
  SenderEffects out;
  if (lane == Lane::kFlash) {
    TRY(const Path route, path(now, lane, to));
    TRY_OK(seal(route, message, out));
    ++counters_.flash;
    return out;
  }
  if (queue_.size() >= config_.queue_max)
    return fail(Kind::kExhausted, "router.queue_full",
                text("found {} messages that wait for the Deep lane, expected fewer than {}", queue_.size(),
                     config_.queue_max));
  TRY_OK(encode_message(config_.geometry, message, random_));  // refused now rather than when its turn comes
  TRY_OK(timely_path(now, to, Hides::kMessage));
  queue_.push_back({to, std::move(message)});
  return out;
}

SenderEffects Sender::tick(Now now) {
  SenderEffects out;
  for (std::size_t i = 0; i < kLoopsPerTick && send_ns_ <= now.mono_ns; ++i) {
    send_next(now, out);
    send_ns_ = next_event_ns(send_ns_, config_.sends_per_s, random_);
  }
  for (std::size_t i = 0; i < kLoopsPerTick && loop_ns_ <= now.mono_ns; ++i) {
    send_loop(now, out);
    loop_ns_ = next_event_ns(loop_ns_, config_.loops_per_s, random_);
  }
  // After a long pause those that were missed are not made up for.
  if (send_ns_ <= now.mono_ns) send_ns_ = next_event_ns(now.mono_ns, config_.sends_per_s, random_);
  if (loop_ns_ <= now.mono_ns) loop_ns_ = next_event_ns(now.mono_ns, config_.loops_per_s, random_);
  loops_.tick(now.mono_ns);
  return out;
}

// A message that cannot be sent as wanted gives its place to cover: the schedule goes on.
void Sender::send_next(Now now, SenderEffects& out) {
  if (queue_.empty()) return send_cover(now, out);
  Waiting next = std::move(queue_.front());
  queue_.pop_front();
  Status sealed;
  auto path = timely_path(now, next.to, Hides::kMessage);
  if (path) {
    sealed = seal(*path, next.message, out);
    if (sealed) {
      ++counters_.deep;
      return;
    }
  }
  out.failed.push_back({next.message.id, path ? std::move(sealed).error() : std::move(path).error()});
  send_cover(now, out);
}

// A receiver that is its stratum's only mix has no path; home has one, or nothing has.
void Sender::send_cover(Now now, SenderEffects& out) {
  const auto directory = current(now);
  if (!directory || (*directory)->nodes.empty()) return;
  const NodeId other = (*directory)->nodes[random_.below((*directory)->nodes.size())].node;
  Message message;
  random_.fill(message.id.span());
  for (const NodeId& receiver : {other, config_.home}) {
    const auto path = timely_path(now, {.receiver = receiver, .command = Command::kDrop, .target = {}}, Hides::kCover);
    if (!path || !seal(*path, message, out)) continue;
    ++counters_.cover;
    return;
  }
}

void Sender::send_loop(Now now, SenderEffects& out) {
  Destination to{.receiver = config_.home, .command = Command::kDeliver, .target = {}};
  random_.fill(to.target.span());
  Message message;
  random_.fill(message.id.span());
  const auto path = timely_path(now, to, Hides::kCover);
  if (!path || !seal(*path, message, out)) return;
  loops_.sent(to.target, now.mono_ns + (travel_ms(*path) + config_.loop_slack_ms) * kNsPerMs);
  ++counters_.loops;
}

}  // namespace hanse::router
