#include "node/peering/mesh_node.h"

#include <future>
#include <mutex>
#include <thread>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "mesh/reach/uplinks.h"
#include "node/overlay/overlay.h"
#include "node/peering/answers.h"
#include "node/peering/calls.h"
#include "node/peering/checks.h"
#include "node/peering/facts.h"
#include "node/peering/forwards.h"
#include "node/peering/speed.h"
#include "node/peering/surroundings.h"

namespace hanse::peering {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::size_t kRefusalsMax = 64;  // remembered for who dials

std::unexpected<Error> no_mix() {
  return fail(Kind::kUnsupported, "peering.no_mix", "this node is none of the mix: it does not have the role router");
}

}  // namespace

// Everything here but `calls` is of the mesh's thread once it runs.
class MeshNode::Core final : public transport::Machine {
 public:
  explicit Core(MeshSettings given) : settings(std::move(given)) {}

  Status open(const crypto::SecretKey& key) {
    if (settings.network == NetworkId{})
      return fail(Kind::kInvalid, "peering.network", "found no network id, expected 32 bytes that are not all zero");
    reach::ReachOptions o;
    o.endpoint.network = settings.network;
    o.endpoint.key = &key;
    o.endpoint.secret = settings.secret;
    o.endpoint.protocols = {
        {.id = kInfoProtocol,
         .frame_bytes_max = kInfoPeersMax * PeerId::kSize,
         .priority = transport::Priority::kDirect},
        {.id = kForwardProtocol, .frame_bytes_max = kForwardFrameMax, .priority = transport::Priority::kDirect},
        {.id = kSpeedProtocol, .frame_bytes_max = kSpeedChunk, .priority = transport::Priority::kBulk}};
    overlay::OverlayOptions with{.network = settings.network,
                                 .key = &key,
                                 .roles = settings.roles,
                                 .gossip = settings.gossip,
                                 .folder = settings.folder};
    for (const transport::Protocol& one : overlay::protocols(with)) o.endpoint.protocols.push_back(one);
    o.endpoint.hello.caps = overlay::caps(with);
    if (settings.mix) {
      o.endpoint.protocols.push_back(mixing::protocol());
      o.endpoint.hello.caps |= mixing::kMixCap;
    }
    o.roles = settings.roles;
    o.relay = settings.relay;
    o.peer_bytes_per_second = settings.peer_bytes_per_second;
    o.known = settings.known;
    const PeerId self = crypto::account_id(key.public_key());
    std::erase_if(o.known, [&](const Known& k) { return k.peer == self || settings.trust.revoked(k.peer); });
    settings.known = o.known;
    for (const Known& k : o.known) TRY_OK(settings.trust.trust(k.peer));
    o.trust = settings.trust;
    o.papers = settings.papers;
    if (settings.findable) with.agent_cert = o.papers.agent;
    if (!o.papers.agent.empty()) {
      TRY(own, identity::verify(o.papers, {.by = self, .now_ms = system_clock().wall_ms()}));
    }
    o.reserve = settings.reserve;
    o.punch = settings.punch;
    TRY(reach, reach::Reach::create(std::move(o)));
    speeds.emplace(*reach, settings.speed_test);
    checks.emplace(*reach, settings.known);
    TRY(forwards, Forwards::start({.api = settings.api,
                                   .everybody = settings.api_for_all,
                                   .allowed = settings.api_peers,
                                   .send = [this](ForwardFrame frame) { return send_forward(std::move(frame)); }}));
    with.known = settings.known;
    TRY(overlay, overlay::Overlay::create(*reach, with, system_clock().mono_ns()));
    if (settings.mix) {
      settings.mix->path = settings.folder + "/mix.keys";
      settings.mix->secret = settings.secret;
      if (settings.mix_answer) {
        TRY(exits, Answers::start(settings.mix_answer, [this](const router::MessageId& id, Bytes answer) {
              answered(id, std::move(answer));
            }));
        settings.mix->answer = [this](const router::MessageId& id, Bytes question) {
          exits->work(id, std::move(question));
        };
      }
      TRY(mixing, mixing::Mixing::open(*settings.mix, *reach, system_clock().mono_ns()));
    }
    TRY(sockets, transport::Sockets::open({.listen = settings.bind}, *this));
    calls.attach(*sockets);
    TRY(auto watch, reach::UplinkWatch::open());
    uplinks.emplace(std::move(watch));
    TRY_OK(sockets->watch(uplinks->fd(), [this] {
      uplinks->drain();
      look_at_uplinks();
    }));
    TRY(local, reach::local_addresses());
    reach::Ports ports{.open = [this](bool v4) { return sockets->open_more(v4); },
                       .close = [this](std::uint16_t port) { sockets->close_port(port); }};
    for (const Address& address : sockets->addresses()) (address.is_v4() ? ports.own_v4 : ports.own_v6) = address.port;
    begun_ns = sockets->now_ns();
    const std::uint16_t port = ports.own_v4;
    reach->start(std::move(ports), bound_alone(), begun_ns);
    if (settings.mix)
      for (const mixing::Place& place : settings.mix->nodes)
        if (place.node != self) TRY_OK(overlay->want(place.node, {}, begun_ns));
    if (port != 0 && leaves_this_machine())
      surroundings.emplace(
          SurroundingsOptions{
              .network = settings.network, .port = port, .lan = settings.lan, .port_mapping = settings.port_mapping},
          *reach, *sockets);
    return {};
  }

  // A node that is bound to one address has no other.
  std::vector<Address> bound_alone() const {
    std::vector<Address> out;
    for (const Address& bound : sockets->addresses()) {
      if (bound.ip != Address{}.ip && bound.ip != (*transport::parse_address("0.0.0.0:0")).ip)
        out.push_back(bound);
      else
        for (const Address& one : local)
          if (one.is_v4() == bound.is_v4()) out.push_back(one);
    }
    return out;
  }

  bool leaves_this_machine() const {
    return std::ranges::any_of(sockets->addresses(), [](const Address& a) { return a.is_v4() && a.ip[12] != 127; });
  }

  void look_at_uplinks() {
    auto found = reach::local_addresses();
    if (!found || *found == local) return;
    local = std::move(*found);
    reach->uplink(bound_alone(), sockets->now_ns());
  }

  // ---- transport::Machine ------------------------------------------------------------------------------------------

  void receive(const transport::Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) override {
    reach->receive(path, datagram, ecn, now_ns);
  }
  bool transmit(transport::Batch& out, std::int64_t now_ns) override { return reach->transmit(out, now_ns); }
  void on_deadline(std::int64_t now_ns) override {
    reach->on_deadline(now_ns);
    if (surroundings) surroundings->turn(now_ns);
  }
  std::int64_t next_deadline_ns() const override {
    std::int64_t next = std::min(reach->next_deadline_ns(), overlay->next_ns());
    if (surroundings) next = std::min(next, surroundings->next_ns());
    if (mixing) next = std::min(next, mixing->next_ns());
    return calls.next_ns(next);
  }
  void deliver(std::int64_t now_ns) override {
    reach->deliver(now_ns);
    reach::PeerEvent event;
    while (reach->next_event(event)) {
      speeds->handle(event, now_ns);
      if (event.type == reach::PeerEvent::Type::kDown) forwards->down(event.peer);
      note_refusal(event);
      if (!calls.stopped.load()) overlay->handle(event, now_ns);  // else it would dial who was just left
      if (mixing && mixing->handle(event, now_ns)) continue;
      if (event.type != reach::PeerEvent::Type::kFrame) continue;
      checks->handle(event, now_ns);
      if (event.protocol == kForwardProtocol) forwards->handle(event.peer, event.frame_type, event.body);
      reach->consumed(std::move(event));
    }
    speeds->pump(now_ns);
    if (mixing) mixing->pump(now_ns);
    if (!calls.stopped.load()) overlay->pump(now_ns);
    calls.look(now_ns);
  }

  // What was said leaves before what comes next.
  void last_words() {
    for (int i = 0; i < 16; ++i) (void)sockets->turn(0);
  }

  void note_refusal(const reach::PeerEvent& event) {
    if (!event.error || !event.error->id().starts_with("identity.")) return;
    if (refusals.size() >= kRefusalsMax) refusals.erase(refusals.begin());
    refusals.insert_or_assign(event.peer, event.error->clone());
  }

  // From the forwards' thread.
  Status send_forward(ForwardFrame frame) {
    return sockets->post([this, f = std::move(frame)]() mutable {
      const auto body = std::make_shared<const Bytes>(std::move(f.body));
      if (!reach->send(f.to, kForwardProtocol, f.type, body, sockets->now_ns())) forwards->down(f.to);
    });
  }

  // From a thread of the answers'; what is posted after the end is gone with its call.
  void answered(const router::MessageId& id, Bytes answer) {
    (void)sockets->post(
        [this, id, a = std::move(answer)]() mutable { mixing->answered(id, std::move(a), sockets->now_ns()); });
  }

  void directory(router::Directory given, std::int64_t now_ns) {
    for (const router::MixNode& node : given.nodes)
      if (node.node != reach->id()) (void)overlay->want(node.node, {}, now_ns);  // one too many: others connect to it
    mixing->directory(std::move(given), now_ns);
  }

  // ---- calls from other threads ------------------------------------------------------------------------------------

  template <class F>
  auto call(F&& work) {
    return calls.call(std::forward<F>(work));
  }
  Status wait(std::function<Status(std::int64_t now_ns)> begin, std::function<bool(std::int64_t now_ns)> done,
              std::int64_t wait_ms) {
    return calls.wait(std::move(begin), std::move(done), wait_ms);
  }

  template <class F>
  auto with_mix(F&& work) -> std::invoke_result_t<F, mixing::Mixing&, std::int64_t> {
    using Out = std::invoke_result_t<F, mixing::Mixing&, std::int64_t>;
    TRY(Out out, call([&](std::int64_t now_ns) -> Out {
          if (!mixing) return no_mix();
          return work(*mixing, now_ns);
        }));
    return out;
  }

  template <class T, class Begin, class Ended, class Forget>
  Result<T> through_mix(Begin&& begin, Ended ended, Forget forget, std::int64_t wait_ms) {
    router::MessageId id;
    std::optional<Result<T>> end;
    TRY_OK(wait(
        [&](std::int64_t now_ns) -> Status {
          if (!mixing) return no_mix();
          TRY(id, begin(*mixing, now_ns));
          return {};
        },
        [&](std::int64_t) {
          end = std::invoke(ended, *mixing, id);
          return end.has_value();
        },
        wait_ms));
    if (end) return std::move(*end);
    (void)call([&](std::int64_t) {
      std::invoke(forget, *mixing, id);
      return 0;
    });
    return fail(Kind::kTimeout, "peering.timeout", text("found no answer through the mix within {} ms", wait_ms));
  }

  std::optional<PathFacts> facts(const PeerId& peer, std::int64_t now_ns) const {
    for (const reach::LinkFacts& link : reach->links())
      if (link.peer == peer) return facts_of(link, reach->meters(), now_ns);
    return std::nullopt;
  }

  MeshSettings settings;
  std::unique_ptr<reach::Reach> reach;
  std::unique_ptr<transport::Sockets> sockets;
  std::optional<reach::UplinkWatch> uplinks;
  std::vector<Address> local;
  std::optional<SpeedTests> speeds;
  std::optional<Checks> checks;
  std::unique_ptr<Forwards> forwards;
  std::unique_ptr<overlay::Overlay> overlay;
  std::unique_ptr<mixing::Mixing> mixing;
  std::unique_ptr<Answers> exits;
  std::vector<std::weak_ptr<Inbox>> inboxes;
  std::optional<identity::Who> own;  // of our papers
  std::map<PeerId, Error> refusals;  // of peers that may not be here
  std::int64_t begun_ns = 0;
  std::optional<Surroundings> surroundings;
  Calls calls;
  std::thread thread;
};

MeshNode::MeshNode(std::unique_ptr<Core> core) : core_(std::move(core)) {}
MeshNode::~MeshNode() { stop(0); }

Result<std::unique_ptr<MeshNode>> MeshNode::start(MeshSettings settings, const crypto::SecretKey& key) {
  auto core = std::make_unique<Core>(std::move(settings));
  TRY_OK(core->open(key));
  core->thread = std::thread([c = core.get()] { (void)c->sockets->run(); });  // ends at stop(), or with the system
  return std::unique_ptr<MeshNode>(new MeshNode(std::move(core)));
}

void MeshNode::stop(std::int64_t drain_ms) {
  if (core_ == nullptr || core_->calls.stopped.load()) return;
  if (drain_ms > 0)
    (void)core_->wait(
        [this](std::int64_t) -> Status {
          core_->reach->go_away();
          return {};
        },
        [this](std::int64_t) {
          const relay::Relay* relay = core_->reach->relay();
          return relay == nullptr || relay->circuits() == 0;
        },
        drain_ms);
  core_->calls.stopped.store(true);
  core_->forwards->stop();
  core_->exits.reset();  // waits for what it works on
  core_->sockets->stop();
  core_->thread.join();
  if (core_->surroundings) core_->surroundings->leave();
  core_->overlay->stop(core_->sockets->now_ns());
  if (core_->mixing) (void)core_->mixing->stop();  // keys that could not be put away are lost: it sits the epoch out
  for (const auto& inbox : core_->inboxes)
    if (const auto open = inbox.lock()) open->close();
  core_->last_words();
  core_->reach->close_all(core_->sockets->now_ns());
  core_->last_words();
  core_->calls.clear();
}

const PeerId& MeshNode::id() const { return core_->reach->id(); }
std::vector<Address> MeshNode::addresses() const { return core_->sockets->addresses(); }

Result<Health> MeshNode::health() {
  return core_->call([c = core_.get()](std::int64_t now_ns) {
    Health out{.peers = c->reach->links().size(),
               .roles = role_names(c->settings.roles),
               .nat = c->reach->nat() ? std::string(nat::mapping_name(c->reach->nat()->mapping)) : "unknown",
               .uptime_s = (now_ns - c->begun_ns) / 1'000'000'000,
               .counts = c->reach->counts(),
               .finder = c->overlay->finder(),
               .agents = c->overlay->agents().counts(),
               .told = c->overlay->book().told(),
               .sockets = c->sockets->stats(),
               .flows = c->reach->meters().totals(),
               .meters = c->reach->meters().counts(),
               .who = c->own};
    out.mapping = c->surroundings ? c->surroundings->mapping() : "off";
    out.neighbours = c->surroundings ? c->surroundings->neighbours() : 0;
    out.healthy = out.peers > 0 || c->settings.standalone;
    if (const relay::Relay* relay = c->reach->relay(); relay != nullptr) {
      out.reservations = relay->reservations();
      out.circuits = relay->circuits();
      out.carried_bytes = relay->counts().carried_bytes;
      out.dropped = relay->counts().dropped;
    }
    return out;
  });
}

Result<std::vector<PathFacts>> MeshNode::paths() {
  return core_->call([c = core_.get()](std::int64_t now_ns) {
    std::vector<PathFacts> out;
    for (const reach::LinkFacts& link : c->reach->links()) out.push_back(facts_of(link, c->reach->meters(), now_ns));
    return out;
  });
}

Result<NatFacts> MeshNode::nat() {
  return core_->call([c = core_.get()](std::int64_t now_ns) {
    NatFacts out{.nat = c->reach->nat(), .places = c->reach->places()};
    for (const Address& a : c->reach->candidates(now_ns)) out.candidates.push_back(transport::address_text(a));
    return out;
  });
}

Result<PeerFacts> MeshNode::knows(const PeerId& peer) {
  return core_->call([&peer, c = core_.get()](std::int64_t) {
    const overlay::Book& book = c->overlay->book();
    const auto about = book.about(peer);
    overlay::Places places = book.places_of(peer);
    PeerFacts out{.record = about && !about->of_public.empty(), .key = about.has_value(), .relays = places.relays};
    for (const Address& a : places.addresses) out.addresses.push_back(transport::address_text(a));
    return out;
  });
}

Result<PathFacts> MeshNode::dial(const Dial& dial) {
  std::optional<PathFacts> facts;
  std::optional<Error> refused;
  TRY_OK(core_->wait(
      [&, c = core_.get()](std::int64_t now_ns) {
        c->refusals.erase(dial.peer);
        return c->overlay->want(dial.peer, {.addresses = dial.addresses, .relays = dial.relays}, now_ns);
      },
      [&, c = core_.get()](std::int64_t now_ns) {
        facts = c->facts(dial.peer, now_ns);
        if (const auto why = c->refusals.find(dial.peer); why != c->refusals.end()) refused = why->second.clone();
        return refused || (facts && (dial.until == Until::kUp || facts->direct));
      },
      dial.wait_ms));
  if (refused) return std::unexpected(std::move(*refused));
  if (facts && (dial.until == Until::kUp || facts->direct)) return std::move(*facts);
  const std::string peer = codec::encode_id(dial.peer.view());
  return fail(Kind::kTimeout, "peering.timeout",
              facts ? text("found {} through a relay alone after {} ms (last attempt: {}), expected a direct path",
                           peer, dial.wait_ms, facts->punch_plan.empty() ? "none" : facts->punch_plan)
                    : text("found no way to {} within {} ms", peer, dial.wait_ms));
}

Result<overlay::AgentPlaces> MeshNode::find_agent(const identity::AgentId& agent, std::int64_t wait_ms) {
  std::uint32_t search = 0;
  std::optional<overlay::AgentPlaces> ended;
  TRY_OK(core_->wait(
      [&, c = core_.get()](std::int64_t now_ns) -> Status {
        TRY(search, c->overlay->agents().find(agent, now_ns));
        return {};
      },
      [&, c = core_.get()](std::int64_t) {
        ended = c->overlay->agents().ended(search);
        return ended.has_value();
      },
      wait_ms));
  if (!ended) {
    (void)core_->call([&, c = core_.get()](std::int64_t) {
      c->overlay->agents().forget(search);
      return 0;
    });
    return fail(Kind::kTimeout, "peering.timeout", text("found no answer of the coordinators within {} ms", wait_ms));
  }
  if (!ended->places.empty()) return std::move(*ended);
  return fail(Kind::kNotFound, "peering.no_agent",
              text("found {} nowhere: {} of {} coordinators answered, {} of them falsely", identity::id_text(agent),
                   ended->answered + ended->lied, ended->asked, ended->lied));
}

Result<PathFacts> MeshNode::dial_agent(const identity::AgentId& agent, Until until, std::int64_t wait_ms) {
  const std::int64_t end_ns = core_->sockets->now_ns() + wait_ms * kNsPerMs;
  TRY(const overlay::AgentPlaces found, find_agent(agent, wait_ms));
  Result<PathFacts> last = fail(Kind::kInternal, "peering.no_agent", "no machine was tried");
  for (std::size_t i = 0; i < found.places.size(); ++i) {
    // Each has its share of what is left.
    const auto share_ms = [&] {
      const auto left = std::max<std::int64_t>(end_ns - core_->sockets->now_ns(), kNsPerMs);
      return left / kNsPerMs / static_cast<std::int64_t>(found.places.size() - i) + 1;
    };
    const PeerId& machine = found.places[i].machine;
    last = dial({.peer = machine, .until = until, .wait_ms = share_ms()});
    if (!last) continue;
    std::optional<PathFacts> facts;
    const auto shown = [&, c = core_.get()](std::int64_t now_ns) {
      facts = c->facts(machine, now_ns);
      return !facts || facts->who || !facts->papers_error.empty();  // papers come with the first frames
    };
    TRY_OK(core_->wait([](std::int64_t) -> Status { return {}; }, shown, share_ms()));
    if (facts && facts->who && facts->who->agent == agent) return std::move(*facts);
    last = fail(Kind::kDenied, "peering.other_agent",
                text("found {} at {}, expected {}",
                     facts && facts->who ? identity::id_text(facts->who->agent) : "no papers that hold",
                     codec::encode_id(machine.view()), identity::id_text(agent)));
  }
  return last;
}

Status MeshNode::forward(const PeerId& peer, const std::string& path) {
  TRY_OK(dial({.peer = peer, .addresses = {}, .relays = {}}));
  return core_->forwards->listen(peer, path);
}

Result<std::shared_ptr<Inbox>> MeshNode::subscribe(const std::string& topic) {
  auto inbox = std::make_shared<Inbox>();
  TRY(auto begun, core_->call([&, c = core_.get()](std::int64_t) -> Status {
    TRY(overlay::Topics * topics, c->overlay->topics());
    std::erase_if(c->inboxes, [](const auto& one) { return one.expired(); });
    TRY_OK(topics->subscribe(topic, inbox));
    c->inboxes.push_back(inbox);
    return {};
  }));
  TRY_OK(std::move(begun));
  return inbox;
}

Result<std::uint64_t> MeshNode::publish(const std::string& topic, Bytes payload) {
  TRY(auto published, core_->call([&, c = core_.get()](std::int64_t now_ns) -> Result<std::uint64_t> {
    TRY(overlay::Topics * topics, c->overlay->topics());
    return topics->publish(topic, payload, now_ns);
  }));
  return published;
}

Result<overlay::TopicCounts> MeshNode::topics() {
  TRY(auto counts, core_->call([c = core_.get()](std::int64_t) -> Result<overlay::TopicCounts> {
    TRY(overlay::Topics * topics, c->overlay->topics());
    return topics->counts();
  }));
  return counts;
}

Result<mixing::MixFacts> MeshNode::mix() {
  return core_->with_mix(
      [](mixing::Mixing& m, std::int64_t now_ns) -> Result<mixing::MixFacts> { return m.facts(now_ns); });
}

Result<std::int64_t> MeshNode::mix_ping(const PeerId& peer, router::Lane lane, std::int64_t wait_ms) {
  return core_->through_mix<std::int64_t>(
      [&](mixing::Mixing& m, std::int64_t now_ns) { return m.ping(peer, lane, now_ns); }, &mixing::Mixing::ended,
      &mixing::Mixing::forget, wait_ms);
}

Result<Bytes> MeshNode::mix_call(router::Lane lane, Bytes question, std::int64_t wait_ms) {
  return core_->through_mix<Bytes>(
      [&](mixing::Mixing& m, std::int64_t now_ns) { return m.call(lane, std::move(question), now_ns); },
      &mixing::Mixing::call_ended, &mixing::Mixing::forget_call, wait_ms);
}

Result<mixing::Mixing::ToPublish> MeshNode::mix_to_publish() {
  return core_->with_mix(
      [](mixing::Mixing& m, std::int64_t now_ns) -> Result<mixing::Mixing::ToPublish> { return m.to_publish(now_ns); });
}

Status MeshNode::mix_directory(router::Directory directory) {
  return core_->with_mix([&, c = core_.get()](mixing::Mixing&, std::int64_t now_ns) -> Status {
    c->directory(std::move(directory), now_ns);
    return {};
  });
}

Result<MeshCheck> MeshNode::check(std::int64_t wait_ms) {
  MeshCheck out;
  TRY_OK(core_->wait(
      [c = core_.get()](std::int64_t now_ns) -> Status {
        c->checks->ask(now_ns);
        return {};
      },
      [&out, c = core_.get()](std::int64_t now_ns) {
        out = c->checks->judge(now_ns);
        return out.whole();
      },
      wait_ms));
  return out;
}

Result<SpeedResult> MeshNode::speed(const PeerId& peer, std::uint64_t bytes, std::int64_t wait_ms,
                                    std::function<void(std::uint64_t)> progress) {
  std::optional<Result<SpeedResult>> ended;
  TRY_OK(core_->wait([&, c = core_.get()](std::int64_t now_ns) { return c->speeds->begin(peer, bytes, now_ns); },
                     [&, c = core_.get()](std::int64_t) {
                       if (progress) progress(c->speeds->handed_over(peer));
                       ended = c->speeds->ended(peer);
                       return ended.has_value();
                     },
                     wait_ms));
  if (ended) return std::move(*ended);
  (void)core_->call([&, c = core_.get()](std::int64_t) {
    c->speeds->forget(peer);
    return 0;
  });
  return fail(Kind::kTimeout, "peering.timeout", text("found no end of the speed test within {} ms", wait_ms));
}

}  // namespace hanse::peering
