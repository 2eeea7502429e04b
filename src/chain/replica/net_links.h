// The Net of production: links between the validators (mesh/links), votes before control before bulk. Private to the
// room. Errors: those of links::Links::open, from start().
#pragma once

#include "base/core/clock.h"
#include "base/core/random.h"
#include "chain/light/genesis.h"
#include "chain/replica/chain.h"

namespace hanse::replica {

struct LinkNetParts {  // borrowed, but for the genesis
  const light::Genesis& genesis;
  PeerNumber self;
  const crypto::SecretKey& key;
  Clock& clock;
  Random& random;
};
Result<std::unique_ptr<Net>> make_link_net(LinkNetParts parts, const NetworkOptions& options);

}  // namespace hanse::replica
