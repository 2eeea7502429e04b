// Test support: one good job and, for every rule of validate, jobs that break exactly that rule and nothing else (their
// id and signature are right unless those are what is broken). For tests of gxf, of the command line and of the node.
// NONCE_REUSED and PRECISION_UNSUPPORTED do not appear: they need a ledger's state or a network's parameters.
// Signs with `payer`, so the bytes differ from call to call. Not for production code.
#pragma once

#include <string>
#include <vector>

#include "exchange/gxf/gxf.h"

namespace hanse::gxf {

struct BadJob {
  GxfCode code;
  std::string path;  // Error::path() that validate gives
  std::string what;  // one line for people
  Bytes bytes;
};

// A Wasm node that feeds an engine node; valid from one block before `height` for 100,000 blocks.
Job good_job(const crypto::Identity& payer, NetworkId network, Height height);

// Wrong at every height from `height` to `height` + 50,000. Needs height >= 1 (nothing has expired at genesis) and
// Params with their defaults beside the network.
std::vector<BadJob> bad_jobs(const crypto::Identity& payer, NetworkId network, Height height);

}  // namespace hanse::gxf
