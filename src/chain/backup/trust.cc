#include "chain/backup/trust.h"

#include "base/core/text.h"

namespace hanse::backup {
Result<light::BlockHeader> last_of_epoch(const ledger::View& view, std::uint64_t epoch) {
  std::uint64_t low = 0, high = view.height().value;  // low fits: block 0 is of epoch 0
  while (low < high) {
    const std::uint64_t middle = low + (high - low + 1) / 2;
    TRY(const ledger::Block block, view.block(Height{middle}));
    if (block.header.epoch <= epoch) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  TRY(const ledger::Block block, view.block(Height{low}));
  return block.header;
}

namespace {

Status check_handover(const ledger::Ledger& ledger, const ledger::View& view, std::uint64_t from_epoch,
                      light::ValidatorSet& set) {
  TRY(const light::BlockHeader header, last_of_epoch(view, from_epoch));
  TRY(light::ValidatorSet next, ledger.valset(from_epoch + 1));
  if (header.next_valset_hash == light::set_hash(set)) return {};
  TRY(const auto certificate, view.certificate(header.height));
  if (!certificate)
    return fail(Kind::kUnavailable, "ledger.uncertified",
                text("found no certificate of block {}, expected one: it hands over to the validators of epoch {}",
                     header.height.value, from_epoch + 1));
  TRY_OK(light::verify_certificate(header, *certificate, set, ledger.genesis().params.quorum_bp));
  if (header.next_valset_hash != light::set_hash(next))
    return fail(Kind::kCorrupt, "backup.mismatch",
                text("found validator set {} of epoch {}, expected {}", light::set_hash(next), from_epoch + 1,
                     header.next_valset_hash));
  set = std::move(next);
  return {};
}

}  // namespace

Status check_certified(const ledger::Ledger& ledger, const ledger::View& view, const Certified& certified) {
  const light::BlockHeader& header = certified.header;
  TRY(const ledger::Block block, view.block(header.height));
  if (block.header != header)
    return fail(Kind::kCorrupt, "backup.mismatch",
                text("found a certificate for block {} at height {}, expected {}", light::header_hash(header),
                     header.height.value, light::header_hash(block.header)));
  light::ValidatorSet set = ledger.genesis().validators;
  for (std::uint64_t epoch = 0; epoch < header.epoch; ++epoch) TRY_OK(check_handover(ledger, view, epoch, set));
  TRY_OK(light::verify_certificate(header, certified.certificate, set, ledger.genesis().params.quorum_bp));
  return {};
}

}  // namespace hanse::backup
