#include "mesh/channel/channel.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"
#include "mesh/channel/detail/core.h"

namespace hanse::channel {
namespace {

std::unexpected<Error> bad_options(std::string_view what) { return fail(Kind::kInvalid, "channel.options", what); }

bool mesh_key(const crypto::PublicKey& key) {
  if (key.alg != crypto::SigAlg::kMlDsa65 && key.alg != crypto::SigAlg::kMlDsa87) return false;
  const auto sizes = crypto::sig_sizes(static_cast<std::uint8_t>(key.alg));
  return sizes && sizes->public_key == key.bytes.size();
}

}  // namespace

Channels::Channels(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Channels::~Channels() { stop(); }

Result<std::unique_ptr<Channels>> Channels::open(Options options) {
  auto core = std::make_unique<Core>(std::move(options));
  TRY_OK(core->start());
  return std::unique_ptr<Channels>(new Channels(std::move(core)));
}

Status Channels::send(std::uint16_t peer, Priority priority, std::uint8_t type, std::shared_ptr<const Bytes> body) {
  return core_->send(peer, priority, type, std::move(body));
}
std::size_t Channels::broadcast(Priority priority, std::uint8_t type, const std::shared_ptr<const Bytes>& body) {
  return core_->broadcast(priority, type, body);
}
std::uint16_t Channels::port() const { return core_->port(); }
bool Channels::is_up(std::uint16_t peer) const { return core_->is_up(peer); }
Result<PeerStats> Channels::stats(std::uint16_t peer) const { return core_->stats(peer); }
Totals Channels::totals() const { return core_->totals(); }
Status Channels::meet(PeerSpec peer) { return core_->meet(std::move(peer)); }
Status Channels::set_peer_address(std::uint16_t peer, std::string_view address) {
  return core_->set_peer_address(peer, address);
}
void Channels::stop() { core_->stop(); }

Channels::Core::Core(Options options)
    : options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : system_clock()),
      random_(options_.random != nullptr ? *options_.random : system_random()) {}

Channels::Core::~Core() { stop(); }

Status Channels::Core::check_options() const {
  if (options_.key == nullptr || !mesh_key(options_.key->public_key()))
    return bad_options("found no key of our own, expected one of ML-DSA-65 or ML-DSA-87");
  if (options_.peers.size() > kPeersMax)
    return bad_options(text("found {} peers, expected at most {}", options_.peers.size(), kPeersMax));
  for (std::size_t type = 0; type < options_.limits.size(); ++type) {
    if (options_.limits[type] > kFrameBodyMax)
      return bad_options(text("found a limit of {} bytes for frame type {}, expected at most {}", options_.limits[type],
                              type, kFrameBodyMax));
  }
  std::vector<std::uint16_t> indices{options_.self, kNobody};
  std::vector<const crypto::PublicKey*> keys{&options_.key->public_key()};
  for (const PeerSpec& peer : options_.peers) {
    if (std::ranges::count(indices, peer.index) > 0)
      return bad_options(text("found index {} twice or reserved, expected every validator once", peer.index));
    if (!mesh_key(peer.key))
      return bad_options(text("found a key of peer {} that is no ML-DSA-65 or ML-DSA-87 key", peer.index));
    if (std::ranges::any_of(keys, [&](const auto* key) { return *key == peer.key; }))
      return bad_options(text("found the key of peer {} twice, expected every key once", peer.index));
    indices.push_back(peer.index);
    keys.push_back(&peer.key);
  }
  if (options_.self == kNobody) return bad_options(text("found our index {}, which is reserved", kNobody));
  if (options_.receive_buffer_bytes > kReceiveBufferMax)
    return bad_options(text("found a receive buffer of {} bytes, expected at most {}", options_.receive_buffer_bytes,
                            kReceiveBufferMax));
  const Timing& t = options_.timing;
  if (std::min({t.handshake_ms, t.ping_ms, t.dead_after_ms, t.redial_first_ms, t.redial_most_ms, t.twin_answer_ms}) < 1)
    return bad_options("found a time below 1 ms");
  return {};
}

Status Channels::Core::start() {
  TRY_OK(check_options());
  TRY(const detail::Address address, with_context(detail::parse_address(options_.listen), "our own address"));
  for (PeerSpec& spec : options_.peers) TRY_OK(add_peer(std::move(spec)));
  random_.fill(nonce_.span());
  TRY(tls_, detail::TlsContext::create(*options_.key));
  TRY(listener_, detail::listen_on(address, options_.receive_buffer_bytes));
  TRY_OK(open_loop());
  thread_ = std::thread([this] { run(); });
  return {};
}

Channels::Core::Peer* Channels::Core::find(std::uint16_t index) const {
  for (const auto& peer : peers())
    if (peer->index == index) return peer.get();
  return nullptr;
}

Status Channels::Core::add_peer(PeerSpec spec) {
  const std::string where = std::move(spec.address);
  auto made = std::make_unique<Peer>(
      std::move(spec), random_,
      exec::BackoffLimits{.first_ms = options_.timing.redial_first_ms, .most_ms = options_.timing.redial_most_ms});
  if (!where.empty()) {
    TRY(made->address, with_context(detail::parse_address(where), text("address of peer {}", made->index)));
  }
  const std::size_t count = peer_count_.load();
  peers_[count] = std::move(made);
  peer_count_.store(count + 1, std::memory_order_release);
  return {};
}

Status Channels::Core::meet(PeerSpec spec) {
  const std::lock_guard lock(meeting_);
  if (Peer* known = find(spec.index); known != nullptr && known->key == spec.key)
    return spec.address.empty() ? Status() : set_peer_address(spec.index, spec.address);
  const bool taken = spec.index == options_.self || spec.index == kNobody || find(spec.index) != nullptr ||
                     spec.key == options_.key->public_key() ||
                     std::ranges::any_of(peers(), [&](const auto& peer) { return peer->key == spec.key; });
  if (taken || !mesh_key(spec.key) || peers().size() == kPeersMax)
    return bad_options(
        text("found a newcomer of index {} beside {} peers; expected another index and key, and at most "
             "{} peers",
             spec.index, peers().size(), kPeersMax));
  const std::string where = std::exchange(spec.address, {});
  const std::uint16_t index = spec.index;
  TRY_OK(add_peer(std::move(spec)));
  return where.empty() ? Status() : set_peer_address(index, where);
}

void Channels::Core::stop() {
  if (!thread_.joinable()) return;
  check(std::this_thread::get_id() != thread_.get_id(), "channels are not stopped from their own callbacks");
  stopping_ = true;
  dirty_ = false;
  wake();
  thread_.join();
}

// One system call for all that is sent while the thread inside sleeps, none while it is awake.
void Channels::Core::wake() {
  if (dirty_.exchange(true)) return;
  if (std::this_thread::get_id() == inside_.load(std::memory_order_relaxed)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_.get(), &one, sizeof one);  // fails only when it is signalled already
}

Status Channels::Core::check_frame(std::uint8_t type, const std::shared_ptr<const Bytes>& body) const {
  const std::uint32_t limit = options_.limits[type];
  if (body == nullptr || limit == 0)
    return fail(Kind::kInvalid, "channel.frame",
                text("found a frame of type {} without {}", type, body == nullptr ? "a body" : "a limit"));
  if (body->size() > limit)
    return fail(Kind::kInvalid, "channel.frame",
                text("found a body of {} bytes for type {}, expected at most {}", body->size(), type, limit));
  return {};
}

Status Channels::Core::send(std::uint16_t index, Priority priority, std::uint8_t type,
                            std::shared_ptr<const Bytes> body) {
  Peer* peer = find(index);
  if (peer == nullptr) return fail(Kind::kNotFound, "channel.no_peer", text("found no peer of index {}", index));
  TRY_OK(check_frame(type, body));
  switch (enqueue(*peer, priority, {.body = std::move(body), .type = type})) {
    case Took::kDown: return fail(Kind::kUnavailable, "channel.down", text("peer {} is not connected", index));
    case Took::kFull:
      return fail(Kind::kExhausted, "channel.full",
                  text("found the queue of peer {} at priority {} full, expected at most {} bytes", index,
                       static_cast<int>(priority), options_.queues.bytes_max[static_cast<std::size_t>(priority)]));
    case Took::kFrame: break;
  }
  wake();
  return {};
}

std::size_t Channels::Core::broadcast(Priority priority, std::uint8_t type, const std::shared_ptr<const Bytes>& body) {
  if (!check_frame(type, body)) return 0;
  std::size_t took = 0;
  for (const auto& peer : peers()) {
    if (enqueue(*peer, priority, {.body = body, .type = type}) == Took::kFrame) ++took;
  }
  if (took > 0) wake();
  return took;
}

Channels::Core::Took Channels::Core::enqueue(Peer& peer, Priority priority, QueuedFrame frame) {
  const auto p = static_cast<std::size_t>(priority);
  const std::uint64_t cost = frame.body->size() + kFrameHeaderSize;
  {
    const std::lock_guard lock(peer.mutex);
    if (!peer.up.load(std::memory_order_relaxed)) {
      peer.counters.dropped_down.fetch_add(1, std::memory_order_relaxed);
      return Took::kDown;
    }
    if (peer.queued_bytes[p].load(std::memory_order_relaxed) + cost > options_.queues.bytes_max[p]) {
      peer.counters.dropped_full.fetch_add(1, std::memory_order_relaxed);
      return Took::kFull;
    }
    peer.queued_bytes[p].fetch_add(cost, std::memory_order_relaxed);
    peer.incoming[p].push_back(std::move(frame));
  }
  peer.has_incoming.store(true, std::memory_order_release);
  return Took::kFrame;
}

bool Channels::Core::is_up(std::uint16_t index) const {
  const Peer* peer = find(index);
  return peer != nullptr && peer->up.load(std::memory_order_acquire);
}

Result<PeerStats> Channels::Core::stats(std::uint16_t index) const {
  const Peer* peer = find(index);
  if (peer == nullptr) return fail(Kind::kNotFound, "channel.no_peer", text("found no peer of index {}", index));
  const detail::Counters& c = peer->counters;
  PeerStats out{.up = peer->up,
                .frames_in = c.frames_in,
                .frames_out = c.frames_out,
                .bytes_in = c.bytes_in,
                .bytes_out = c.bytes_out,
                .dropped_full = c.dropped_full,
                .dropped_down = c.dropped_down,
                .connects = c.connects,
                .refusals = c.refusals,
                .violations = c.violations,
                .rtt_us = c.rtt_us};
  for (std::size_t p = 0; p < kPriorities; ++p) out.queued_bytes[p] = peer->queued_bytes[p];
  return out;
}

Totals Channels::Core::totals() const {
  return {.handshakes_refused = handshakes_refused_, .accepts_failed = accepts_failed_, .strangers = strangers_};
}

Status Channels::Core::set_peer_address(std::uint16_t index, std::string_view address) {
  Peer* peer = find(index);
  if (peer == nullptr) return fail(Kind::kNotFound, "channel.no_peer", text("found no peer of index {}", index));
  TRY(const detail::Address parsed, detail::parse_address(address));
  {
    const std::lock_guard lock(peer->mutex);
    peer->new_address = parsed;
  }
  peer->has_incoming.store(true, std::memory_order_release);
  wake();
  return {};
}

}  // namespace hanse::channel
