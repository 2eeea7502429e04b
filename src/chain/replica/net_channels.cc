#include "chain/replica/net_channels.h"

#include <algorithm>

#include "mesh/channel/channel.h"

namespace hanse::replica {
namespace {

using consensus::Type;

channel::Priority priority_of(Type type) {
  switch (type) {
    case Type::kAck:
    case Type::kPrePrepare:
    case Type::kPrepare:
    case Type::kCommit: return channel::Priority::kVote;
    case Type::kAttest:
    case Type::kViewChange:
    case Type::kNewView:
    case Type::kStatus:
    case Type::kFetchVertex:
    case Type::kFetchSlots:
    case Type::kFetchProposal:
    case Type::kStatement:
    case Type::kFetchStatement:
    case Type::kHandover: return channel::Priority::kControl;
    case Type::kVertex:
    case Type::kSlot:
    case Type::kProposal: return channel::Priority::kBulk;
  }
  return channel::Priority::kBulk;
}

// Votes wait behind what a slow reader lets the system hold. On one machine the path needs no such room.
constexpr std::uint32_t kLoopbackBufferBytes = 64u << 10;

bool is_loopback(std::string_view address) { return address.starts_with("127.") || address.starts_with("[::1]"); }

class ChannelNet final : public Net {
 public:
  explicit ChannelNet(channel::Options options) : options_(std::move(options)) {}
  ~ChannelNet() override { stop(); }

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
    TRY(channels_, channel::Channels::open(std::move(options_)));
    return {};
  }

  Sent send(PeerNumber to, Type type, const consensus::Frame& body) override {
    const auto number = static_cast<std::uint8_t>(type);
    if (to == kNobody) {
      channels_->broadcast(priority_of(type), number, body);
      return Sent::kYes;
    }
    const Status sent = channels_->send(to, priority_of(type), number, body);
    if (sent) return Sent::kYes;
    return sent.error().kind() == Kind::kExhausted ? Sent::kFull : Sent::kDown;
  }

  void stop() override {
    if (channels_) channels_->stop();
  }

  Peer peer(PeerNumber index) const override {
    const auto stats = channels_->stats(index);
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
    return channels_->meet({.index = number, .key = key, .address = std::string(address)});
  }
  std::uint16_t port() const override { return channels_->port(); }
  Status set_address(PeerNumber peer, std::string_view address) override {
    return channels_->set_peer_address(peer, address);
  }

 private:
  channel::Options options_;
  std::unique_ptr<channel::Channels> channels_;
};

}  // namespace

Result<std::unique_ptr<Net>> make_channel_net(ChannelNetParts parts, const NetworkOptions& options) {
  channel::Options out;
  out.network = light::network_id(parts.genesis);
  out.self = parts.self;
  out.key = &parts.key;
  out.listen = options.listen;
  out.clock = &parts.clock;
  out.random = &parts.random;
  for (std::size_t type = 0; type < out.limits.size(); ++type)
    out.limits[type] = static_cast<std::uint32_t>(
        std::min<std::size_t>(channel::kFrameBodyMax, consensus::frame_bytes_max(static_cast<std::uint8_t>(type))));
  const auto& validators = parts.genesis.validators.validators;
  for (std::size_t n = 0; n < validators.size(); ++n) {
    if (n == parts.self) continue;
    const auto address = options.addresses.find(validators[n].id());
    out.peers.push_back({.index = static_cast<std::uint16_t>(n),
                         .key = validators[n].key,
                         .address = address != options.addresses.end() ? address->second : std::string()});
  }
  if (is_loopback(out.listen) &&
      std::ranges::all_of(out.peers, [](const auto& p) { return p.address.empty() || is_loopback(p.address); }))
    out.receive_buffer_bytes = kLoopbackBufferBytes;
  return std::make_unique<ChannelNet>(std::move(out));
}

}  // namespace hanse::replica
