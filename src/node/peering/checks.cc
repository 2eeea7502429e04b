#include "node/peering/checks.h"

#include "node/peering/facts.h"

#include <algorithm>

namespace hanse::peering {
namespace {

constexpr std::uint8_t kAskInfo = 1, kInfo = 2;
constexpr std::int64_t kAskAgainNs = 300'000'000;

}  // namespace

bool Checks::is_known(const PeerId& peer) const {
  return peer == reach_.id() || std::ranges::any_of(known_, [&](const Known& k) { return k.peer == peer; });
}

void Checks::handle(const reach::PeerEvent& event, std::int64_t now_ns) {
  if (event.type != reach::PeerEvent::Type::kFrame || event.protocol != kInfoProtocol) return;
  if (event.frame_type == kInfo) {
    if (event.body.size() % PeerId::kSize != 0) return;
    std::vector<PeerId>& peers = answers_[event.peer];
    peers.clear();
    for (std::size_t at = 0; at < event.body.size(); at += PeerId::kSize)
      PeerId::from(ByteView(event.body).subspan(at, PeerId::kSize), peers.emplace_back());
    return;
  }
  if (event.frame_type != kAskInfo) return;
  Bytes body;
  for (const reach::LinkFacts& link : reach_.links())
    if ((is_known(link.peer) || link.peer == event.peer) && body.size() < kInfoPeersMax * PeerId::kSize)
      append(body, link.peer.view());
  (void)reach_.send(event.peer, kInfoProtocol, kInfo, std::make_shared<const Bytes>(std::move(body)), now_ns);
}

void Checks::ask(std::int64_t now_ns) {
  answers_.clear();
  ask_all(now_ns);
}

void Checks::ask_all(std::int64_t now_ns) {
  asked_ns_ = now_ns;
  for (const Known& known : known_)
    (void)reach_.send(known.peer, kInfoProtocol, kAskInfo, std::make_shared<const Bytes>(), now_ns);
}

MeshCheck Checks::judge(std::int64_t now_ns) {
  std::map<PeerId, std::set<PeerId>> says;
  for (const reach::LinkFacts& link : reach_.links()) says[reach_.id()].insert(link.peer);
  for (const auto& [peer, peers] : answers_) says[peer].insert(peers.begin(), peers.end());
  std::vector<PeerId> all{reach_.id()};
  for (const Known& known : known_) all.push_back(known.peer);
  if (now_ns - asked_ns_ > kAskAgainNs) ask_all(now_ns);
  return judge_links(std::move(all), says);
}

}  // namespace hanse::peering
