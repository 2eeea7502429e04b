// Steps of any peer: an answer within its limits or an error, on both sides.
#include "base/core/check.h"
#include "mesh/gossip/reconcile.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  static const gossip::SortedItems items = [] {
    std::vector<gossip::Item> out;
    for (std::uint64_t i = 0; i < 300; ++i) {
      gossip::Item item{.hlc = i * i % 1'000, .id = {}};
      store_le(item.id.data.data(), i * 0x9e3779b97f4a7c15u);
      out.push_back(item);
    }
    return gossip::SortedItems(std::move(out));
  }();
  for (const auto side : {gossip::ReconcileSide::kBegan, gossip::ReconcileSide::kAnswers}) {
    const auto step = gossip::step_reconcile(items, side, ByteView(data, size));
    if (!step) continue;
    check(step->bytes.size() <= gossip::kReconcileStepMax, "a step within its limit");
    check(step->need.size() <= gossip::kItemsListedMax, "no more is needed than was listed");
    if (!step->bytes.empty())
      check(gossip::step_reconcile(items, gossip::ReconcileSide::kAnswers, step->bytes).has_value(),
            "own steps are sound");
  }
  return 0;
}
