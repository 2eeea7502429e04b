#include "chain/replica/seats.h"

#include <algorithm>

#include "chain/stake/stake.h"

namespace hanse::replica {

Result<Numbers> read_numbers(const light::Genesis& genesis, const ledger::View& view) {
  Numbers out;
  if (genesis.apps.contains(stake::kStakeApp)) {
    TRY(const auto members, stake::members(view));
    for (const stake::Member& m : members) out.emplace(m.validator(), m.number);
  }
  const auto& all = genesis.validators.validators;
  for (std::size_t place = 0; place < all.size(); ++place) out[all[place].id()] = static_cast<PeerNumber>(place);
  return out;
}

Result<std::optional<consensus::Certificate>> certificate_of(const ledger::View& view, consensus::Seq seq) {
  TRY(const auto found, view.certificate(Height{seq}));
  if (!found) return std::optional<consensus::Certificate>();
  TRY(const ledger::Block block, view.block(Height{seq}));
  consensus::Certificate out{.seq = seq, .block = light::header_hash(block.header), .signatures = {}};
  for (const light::Attest& attest : found->attests)
    out.signatures.push_back({.replica = attest.validator, .signature = attest.signature});
  return std::optional(std::move(out));
}

Result<std::shared_ptr<const Seats>> make_seats(SeatsParts parts, const crypto::SecretKey& key,
                                                const Numbers& numbers) {
  auto out = std::make_shared<Seats>();
  out->epoch = parts.epoch;
  out->base = parts.base;
  out->base_block = parts.base_block;
  TRY(out->oracle, MlDsaOracle::create(parts.network, parts.set, key));
  out->set = std::move(parts.set);
  for (const light::Validator& validator : out->set.validators) {
    if (validator.key == key.public_key()) out->self = static_cast<consensus::Index>(out->ids.size());
    out->ids.push_back(validator.id());
    const auto number = numbers.find(out->ids.back());
    out->numbers.push_back(number == numbers.end() ? kNobody : number->second);
  }
  return std::shared_ptr<const Seats>(std::move(out));
}

std::optional<consensus::Index> Places::of(PeerNumber number) {
  const auto in = std::ranges::find(seats_->numbers, number);
  if (in != seats_->numbers.end()) return static_cast<consensus::Index>(in - seats_->numbers.begin());
  auto out = std::ranges::find(outside_, number);
  if (out == outside_.end()) {
    if (seats_->numbers.size() + outside_.size() >= consensus::kReplicasMax) return std::nullopt;
    out = outside_.insert(outside_.end(), number);
  }
  return static_cast<consensus::Index>(seats_->numbers.size() + static_cast<std::size_t>(out - outside_.begin()));
}

std::optional<PeerNumber> Places::number(consensus::Index place) const {
  PeerNumber found = kNobody;
  if (place < seats_->numbers.size()) {
    found = seats_->numbers[place];
  } else if (place - seats_->numbers.size() < outside_.size()) {
    found = outside_[place - seats_->numbers.size()];
  }
  return found == kNobody ? std::nullopt : std::optional(found);
}

}  // namespace hanse::replica
