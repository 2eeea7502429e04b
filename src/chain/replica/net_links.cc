#include "chain/replica/net_links.h"

#include <algorithm>

#include "mesh/links/links.h"

namespace hanse::replica {
namespace {

using consensus::Type;

links::Priority priority_of(Type type) {
  switch (type) {
    case Type::kAck:
    case Type::kPrePrepare:
    case Type::kPrepare:
    case Type::kCommit: return links::Priority::kVote;
    case Type::kAttest:
    case Type::kViewChange:
    case Type::kNewView:
    case Type::kStatus:
    case Type::kFetchVertex:
    case Type::kFetchSlots:
    case Type::kFetchProposal:
    case Type::kStatement:
    case Type::kFetchStatement:
    case Type::kHandover: return links::Priority::kControl;
    case Type::kVertex:
    case Type::kSlot:
    case Type::kProposal: return links::Priority::kBulk;
  }
  return links::Priority::kBulk;
}

class LinkNet final : public Net {
 public:
  explicit LinkNet(links::Options options) : options_(std::move(options)) {}
  ~LinkNet() override { stop(); }

  Status start(Events events) override {
    options_.callbacks = {
        .on_frame = [frame = std::move(events.frame)](
                        std::uint16_t peer, std::uint8_t type,
                        Bytes body) { frame(peer, type, std::make_shared<const Bytes>(std::move(body))); },
        .on_read = std::move(events.read),
        .on_up = std::move(events.up),
        .on_down = {},
        .on_twin = std::move(events.twin),
        .on_refused = {},
    };
    TRY(links_, links::Links::open(std::move(options_)));
    return {};
  }

  Sent send(PeerNumber to, Type type, const consensus::Frame& body) override {
    const auto number = static_cast<std::uint8_t>(type);
    if (to == kNobody) {
      links_->broadcast(priority_of(type), number, body);
      return Sent::kYes;
    }
    const Status sent = links_->send(to, priority_of(type), number, body);
    if (sent) return Sent::kYes;
    return sent.error().kind() == Kind::kExhausted ? Sent::kFull : Sent::kDown;
  }

  void stop() override {
    if (links_) links_->stop();
  }

  Peer peer(PeerNumber index) const override {
    const auto stats = links_->stats(index);
    if (!stats) return {};
    return {.up = stats->up,
            .frames_in = stats->frames_in,
            .frames_out = stats->frames_out,
            .bytes_in = stats->bytes_in,
            .bytes_out = stats->bytes_out,
            .dropped = stats->dropped_full + stats->dropped_down,
            .rtt_us = stats->rtt_us};
  }
  Status meet(PeerNumber number, const crypto::PublicKey& key, std::string_view address) override {
    return links_->meet({.index = number, .key = key, .address = std::string(address)});
  }
  std::uint16_t port() const override { return links_->port(); }
  Status set_address(PeerNumber peer, std::string_view address) override {
    return links_->set_peer_address(peer, address);
  }

 private:
  links::Options options_;
  std::unique_ptr<links::Links> links_;
};

}  // namespace

Result<std::unique_ptr<Net>> make_link_net(LinkNetParts parts, const NetworkOptions& options) {
  links::Options out;
  out.network = light::network_id(parts.genesis);
  out.self = parts.self;
  out.key = &parts.key;
  out.listen = options.listen;
  out.clock = &parts.clock;
  out.random = &parts.random;
  for (std::size_t type = 0; type < out.limits.size(); ++type)
    out.limits[type] = static_cast<std::uint32_t>(
        std::min<std::size_t>(links::kFrameBodyMax, consensus::frame_bytes_max(static_cast<std::uint8_t>(type))));
  const auto& validators = parts.genesis.validators.validators;
  for (std::size_t n = 0; n < validators.size(); ++n) {
    if (n == parts.self) continue;
    const auto address = options.addresses.find(validators[n].id());
    out.peers.push_back({.index = static_cast<std::uint16_t>(n),
                         .key = validators[n].key,
                         .address = address != options.addresses.end() ? address->second : std::string()});
  }
  return std::make_unique<LinkNet>(std::move(out));
}

}  // namespace hanse::replica
