#include "node/roles/offer.h"

namespace hanse::roles {
namespace {

bool same_fields(const Offer& offer, const market::Provider& known) {
  return known.region == offer.region && known.precisions == offer.precisions && known.isolation == offer.isolation &&
         known.capacity == offer.capacity && known.ed25519 == offer.ed25519;
}

bool stands(const Offer& offer, const market::Ask& ask, Height now) {
  return ask.region == offer.region && ask.precisions == offer.precisions && ask.level_max == offer.level_max &&
         ask.max_seq == offer.max_seq && ask.max_batch == offer.max_batch && ask.latency_ms == offer.latency_ms &&
         ask.isolation == offer.isolation && ask.base_price == offer.base_price && ask.unit_price == offer.unit_price &&
         ask.capacity_cu == offer.capacity_cu && ask.takes_private != offer.payload_key.empty() &&
         ask.valid_until >= now.plus(offer.ask_blocks / 4);
}

market::ProviderRegister registration(const Offer& offer, Amount held) {
  Amount more;
  if (!Amount::sub(offer.bond, held, more)) more = Amount{0};
  return {.region = offer.region,
          .precisions = offer.precisions,
          .isolation = offer.isolation,
          .capacity = offer.capacity,
          .bond = more,
          .ed25519 = offer.ed25519};
}

market::AskPost ask_of(const Offer& offer, Height now) {
  return {.precisions = offer.precisions,
          .level_max = offer.level_max,
          .max_seq = offer.max_seq,
          .max_batch = offer.max_batch,
          .latency_ms = offer.latency_ms,
          .isolation = offer.isolation,
          .base_price = offer.base_price,
          .unit_price = offer.unit_price,
          .capacity_cu = offer.capacity_cu,
          .valid_until = now.plus(offer.ask_blocks)};
}

}  // namespace

OfferStep next_step(const Offer& offer, const std::optional<market::Provider>& known,
                    const std::vector<market::Ask>& asks, Height now, const Bytes& known_key) {
  using What = OfferStep::What;
  OfferStep step;
  if (!known) {
    step.what = What::kRegister;
    step.provider = registration(offer, Amount{0});
    return step;
  }
  const bool same_key = known_key == offer.payload_key;
  const bool same_terms = same_fields(offer, *known), same = same_terms && same_key;
  bool kept = false;
  for (const auto& ask : asks) {
    if (same && !kept && stands(offer, ask, now)) {
      kept = true;
      continue;
    }
    step.what = What::kWithdraw;
    step.withdraw = {.id = ask.id};
    return step;
  }
  if (!same && known->used > 0) {
    step.what = What::kWait;
  } else if (!same_terms || known->bond < offer.bond) {
    step.what = What::kRegister;
    step.provider = registration(offer, known->bond);
  } else if (!same_key) {
    step.what = What::kKey;
    step.key = {.key = offer.payload_key};
  } else if (!kept) {
    step.what = What::kPost;
    step.ask = ask_of(offer, now);
  }
  return step;
}

}  // namespace hanse::roles
