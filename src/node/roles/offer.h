// Offer: what a provider wants to stand for on the market, and the next call that brings the market there.
// Pure: next_step looks at the ledger's records and decides; the provider role makes the call and asks again. So a
// restart, a second program of the same account or a lost answer needs no special case.
// Errors: none.
#pragma once

#include <optional>
#include <vector>

#include "exchange/market/calls.h"

namespace hanse::roles {

struct Offer {
  std::uint16_t region = 0;
  std::uint8_t precisions = market::kPrecisionsAll;
  std::uint8_t isolation = 0;
  std::uint32_t capacity = 1;  // jobs at a time
  Amount bond;                 // at least this much is held by the market
  Bytes ed25519;               // second key of every receipt
  std::uint8_t level_max = market::kLevelMax;
  std::uint32_t max_seq = 1;
  std::uint16_t max_batch = 1;
  std::uint32_t latency_ms = 0;
  Amount base_price;
  Amount unit_price;
  std::uint64_t capacity_cu = 1;
  Bytes payload_key;             // for private jobs, or empty to take none
  std::uint64_t ask_blocks = 1;  // how long an ask stands; renewed when a quarter is left
};

struct OfferStep {
  enum class What : std::uint8_t {
    kDone,      // nothing to do
    kRegister,  // a new provider, other fields, or more bond
    kWithdraw,  // an ask that is old, nearly over or in the way of a change
    kKey,       // for the payloads of private jobs: before the asks that take them
    kPost,
    kWait,  // other fields are wanted, but jobs still run under the old ones
  };
  What what = What::kDone;
  market::ProviderRegister provider;
  market::ProviderKey key;
  market::AskPost ask;
  market::AskWithdraw withdraw;
};

OfferStep next_step(const Offer& offer, const std::optional<market::Provider>& known,
                    const std::vector<market::Ask>& asks, Height now, const Bytes& known_key = {});

}  // namespace hanse::roles
