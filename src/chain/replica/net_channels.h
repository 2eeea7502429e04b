// The Net of production: authenticated channels between the validators (mesh/channel), votes before control before
// bulk. Private to the room. Errors: those of channel::Channels::open, from start().
#pragma once

#include "base/core/clock.h"
#include "base/core/random.h"
#include "chain/light/genesis.h"
#include "chain/replica/chain.h"

namespace hanse::replica {

struct ChannelNetParts {  // borrowed, but for the genesis
  const light::Genesis& genesis;
  PeerNumber self;
  const crypto::SecretKey& key;
  Clock& clock;
  Random& random;
};
Result<std::unique_ptr<Net>> make_channel_net(ChannelNetParts parts, const NetworkOptions& options);

}  // namespace hanse::replica
