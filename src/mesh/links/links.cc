#include "mesh/links/links.h"

#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"
#include "mesh/links/detail/core.h"

namespace hanse::links {
namespace {

constexpr std::size_t kStreamsMax = 16;
constexpr std::size_t kHandshakesMax = 64;    // inbound, at once
constexpr std::size_t kRetryHandshakes = 16;  // above, a dialer first shows that it reads at its address
constexpr std::size_t kRetryPerSecond = 256;
// The next vote says that the last one has come.
constexpr std::size_t kAckPackets = 8;
constexpr std::int64_t kAckWaitNs = 2'000'000;
constexpr std::uint64_t kConnectionWindowBytes = 16u << 20;

std::unexpected<Error> bad_options(std::string_view what) { return fail(Kind::kInvalid, "links.options", what); }

std::unexpected<Error> no_peer(std::uint16_t index) {
  return fail(Kind::kNotFound, "links.no_peer", text("found no peer of index {}", index));
}

bool mesh_key(const crypto::PublicKey& key) {
  if (key.alg != crypto::SigAlg::kMlDsa65 && key.alg != crypto::SigAlg::kMlDsa87) return false;
  const auto sizes = crypto::sig_sizes(static_cast<std::uint8_t>(key.alg));
  return sizes && sizes->public_key == key.bytes.size();
}

}  // namespace

Links::Links(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Links::~Links() { stop(); }

Result<std::unique_ptr<Links>> Links::open(Options options) {
  auto core = std::make_unique<Core>(std::move(options));
  TRY_OK(core->start());
  return std::unique_ptr<Links>(new Links(std::move(core)));
}

Status Links::send(std::uint16_t peer, Priority priority, std::uint8_t type, std::shared_ptr<const Bytes> body) {
  return core_->send(peer, priority, type, std::move(body));
}
std::size_t Links::broadcast(Priority priority, std::uint8_t type, const std::shared_ptr<const Bytes>& body) {
  return core_->broadcast(priority, type, body);
}
std::uint16_t Links::port() const { return core_->port(); }
bool Links::is_up(std::uint16_t peer) const { return core_->is_up(peer); }
Result<PeerStats> Links::stats(std::uint16_t peer) const { return core_->stats(peer); }
Totals Links::totals() const { return core_->totals(); }
Status Links::meet(PeerSpec peer) { return core_->meet(std::move(peer)); }
Status Links::set_peer_address(std::uint16_t peer, std::string_view address) {
  return core_->set_peer_address(peer, address);
}
void Links::stop() { core_->stop(); }

Links::Core::Core(Options options)
    : options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : system_clock()),
      random_(options_.random != nullptr ? *options_.random : system_random()) {}

Links::Core::~Core() { stop(); }

Status Links::Core::check_options() const {
  if (options_.key == nullptr || !mesh_key(options_.key->public_key()))
    return bad_options("found no key of our own, expected one of ML-DSA-65 or ML-DSA-87");
  if (options_.peers.size() > kPeersMax)
    return bad_options(text("found {} peers, expected at most {}", options_.peers.size(), kPeersMax));
  for (std::size_t type = 0; type < options_.limits.size(); ++type) {
    const std::uint32_t most = type > kTypeMax ? 0 : kFrameBodyMax;
    if (options_.limits[type] > most)
      return bad_options(
          text("found a limit of {} bytes for frame type {}, expected at most {}", options_.limits[type], type, most));
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
  const Timing& t = options_.timing;
  if (std::min({t.handshake_ms, t.ping_ms, t.dead_after_ms, t.redial_first_ms, t.redial_most_ms, t.twin_answer_ms}) < 1)
    return bad_options("found a time below 1 ms");
  return {};
}

Status Links::Core::start() {
  TRY_OK(check_options());
  for (const PeerSpec& spec : options_.peers) TRY_OK(add_peer(spec));
  random_.fill(nonce_.span());
  TRY_OK(open_endpoint());
  TRY(sockets_, transport::Sockets::open({.listen = {options_.listen}, .clock = &clock_}, *this));
  port_ = sockets_->addresses().front().port;
  now_ns_ = clock_.mono_ns();
  pool_.emplace(*endpoint_,
                peers::PeersOptions{.limits = {.peers_max = kPeersMax,
                                               .dials_max = kPeersMax,
                                               .redial_first_ms = options_.timing.redial_first_ms,
                                               .redial_most_ms = std::max(options_.timing.redial_first_ms,
                                                                          options_.timing.redial_most_ms)},
                                    .random = &random_,
                                    .dial = [this](const transport::Address& remote, const transport::PeerId& peer,
                                                   std::int64_t now_ns) -> Result<transport::ConnectionId> {
                                      TRY(const transport::Path path, sockets_->path_to(remote));
                                      return endpoint_->dial(path, peer, now_ns);
                                    }});
  for (const auto& peer : peers()) want(*peer);
  thread_ = std::thread([this] { run(); });
  return {};
}

Status Links::Core::open_endpoint() {
  transport::Options o;
  o.network = options_.network;
  o.key = options_.key;
  o.admit = [this](const transport::PeerId& id) { return id == endpoint_->id() || find(id) != nullptr; };
  for (std::size_t p = 0; p < kPriorities; ++p)
    o.protocols.push_back({.id = detail::kFirstProtocol + p,
                           .frame_bytes_max = kPieceMax,
                           .priority = std::array{transport::Priority::kConsensus, transport::Priority::kMembership,
                                                  transport::Priority::kBulk}[p]});
  o.control_types = {detail::kMeetFrame, detail::kPingFrame, detail::kPongFrame, detail::kReadyFrame};
  o.limits.connections_max = 4 * kPeersMax;
  o.limits.inbound_max = 2 * kPeersMax;
  o.limits.handshakes_max = kHandshakesMax;
  o.limits.retry_handshakes = kRetryHandshakes;
  o.limits.retry_per_second = kRetryPerSecond;
  o.limits.streams_max = kStreamsMax;
  o.limits.connection_window_bytes = kConnectionWindowBytes;
  o.limits.packet_bytes_max = transport::kPacketLimit;
  o.limits.ack_packets = kAckPackets;
  o.limits.ack_wait_ns = kAckWaitNs;
  o.limits.handshake_ms = options_.timing.handshake_ms;
  o.limits.idle_ms = 4 * options_.timing.dead_after_ms;  // look_at() is there long before
  o.remember_visits = false;
  // The same after a restart: whoever still writes to the process before hears at once that it is gone.
  o.secret = options_.key->derive("hanse/links-secret/1");
  o.random = &random_;
  TRY(endpoint_, transport::Endpoint::create(std::move(o)));
  return {};
}

Links::Core::Peer* Links::Core::find(std::uint16_t index) const {
  for (const auto& peer : peers())
    if (peer->index == index) return peer.get();
  return nullptr;
}

Links::Core::Peer* Links::Core::find(const transport::PeerId& id) const {
  for (const auto& peer : peers())
    if (peer->id == id) return peer.get();
  return nullptr;
}

Status Links::Core::add_peer(const PeerSpec& spec) {
  auto made = std::make_unique<Peer>(spec);
  if (!spec.address.empty()) {
    TRY(made->address, with_context(transport::parse_address(spec.address), text("address of peer {}", made->index)));
  }
  const std::size_t count = peer_count_.load();
  peers_[count] = std::move(made);
  peer_count_.store(count + 1, std::memory_order_release);
  return {};
}

Status Links::Core::meet(PeerSpec spec) {
  const std::lock_guard lock(meeting_);
  const transport::PeerId id = crypto::account_id(spec.key);
  Peer* known = find(spec.index);
  if (known != nullptr && known->id == id)
    return spec.address.empty() ? Status() : set_peer_address(spec.index, spec.address);
  const bool taken = spec.index == options_.self || spec.index == kNobody || known != nullptr ||
                     spec.key == options_.key->public_key() || find(id) != nullptr;
  if (taken || !mesh_key(spec.key) || peers().size() == kPeersMax)
    return bad_options(
        text("found a newcomer of index {} beside {} peers; expected another index and key, and at most "
             "{} peers",
             spec.index, peers().size(), kPeersMax));
  TRY_OK(add_peer(spec));
  find(spec.index)->has_incoming.store(true, std::memory_order_release);
  wake();
  return {};
}

void Links::Core::stop() {
  if (!thread_.joinable()) return;
  check(std::this_thread::get_id() != thread_.get_id(), "links are not stopped from their own callbacks");
  stopping_ = true;
  sockets_->stop();
  thread_.join();
}

// One system call for all that is sent while the thread inside sleeps, none while it is awake.
void Links::Core::wake() {
  if (dirty_.exchange(true)) return;
  if (std::this_thread::get_id() == inside_.load(std::memory_order_relaxed)) return;
  (void)sockets_->post([] {});  // full: it is awake
}

Status Links::Core::check_frame(std::uint8_t type, const std::shared_ptr<const Bytes>& body) const {
  const std::uint32_t limit = options_.limits[type];
  if (body == nullptr || limit == 0)
    return fail(Kind::kInvalid, "links.frame",
                text("found a frame of type {} without {}", type, body == nullptr ? "a body" : "a limit"));
  if (body->size() > limit)
    return fail(Kind::kInvalid, "links.frame",
                text("found a body of {} bytes for type {}, expected at most {}", body->size(), type, limit));
  return {};
}

Status Links::Core::send(std::uint16_t index, Priority priority, std::uint8_t type, std::shared_ptr<const Bytes> body) {
  Peer* peer = find(index);
  if (peer == nullptr) return no_peer(index);
  TRY_OK(check_frame(type, body));
  switch (enqueue(*peer, priority, cut(type, std::move(body)))) {
    case Took::kDown: return fail(Kind::kUnavailable, "links.down", text("peer {} is not connected", index));
    case Took::kFull:
      return fail(Kind::kExhausted, "links.full",
                  text("found the queue of peer {} at priority {} full, expected at most {} bytes", index,
                       static_cast<int>(priority), options_.queues.bytes_max[static_cast<std::size_t>(priority)]));
    case Took::kFrame: break;
  }
  wake();
  return {};
}

std::size_t Links::Core::broadcast(Priority priority, std::uint8_t type, const std::shared_ptr<const Bytes>& body) {
  if (!check_frame(type, body)) return 0;
  const auto frame = cut(type, body);
  std::size_t took = 0;
  for (const auto& peer : peers())
    if (enqueue(*peer, priority, frame) == Took::kFrame) ++took;
  if (took > 0) wake();
  return took;
}

Links::Core::Took Links::Core::enqueue(Peer& peer, Priority priority, std::shared_ptr<const Cut> frame) {
  const auto p = static_cast<std::size_t>(priority);
  const std::uint64_t cost = frame->size + kFrameCost;
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

bool Links::Core::is_up(std::uint16_t index) const {
  const Peer* peer = find(index);
  return peer != nullptr && peer->up.load(std::memory_order_acquire);
}

Result<PeerStats> Links::Core::stats(std::uint16_t index) const {
  const Peer* peer = find(index);
  if (peer == nullptr) return no_peer(index);
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

Totals Links::Core::totals() const {
  return {.strangers = strangers_, .handshakes_full = handshakes_full_, .datagrams_unsent = sockets_->stats().lost};
}

Status Links::Core::set_peer_address(std::uint16_t index, std::string_view address) {
  Peer* peer = find(index);
  if (peer == nullptr) return no_peer(index);
  TRY(const transport::Address parsed, transport::parse_address(address));
  {
    const std::lock_guard lock(peer->mutex);
    peer->new_address = parsed;
  }
  peer->has_incoming.store(true, std::memory_order_release);
  wake();
  return {};
}

}  // namespace hanse::links
