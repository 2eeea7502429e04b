#include "chain/ledger/install.h"

#include <utility>

#include "base/core/text.h"
#include "chain/ledger/records.h"
#include "chain/ledger/tree_node.h"

namespace hanse::ledger {
namespace {

constexpr std::string_view kNameKey = "install";
constexpr std::string_view kMarkPrefix = "install/";
constexpr std::size_t kMarksMax = 65'536;
constexpr std::size_t kHistoryBatch = 16'384;

Bytes mark_key(ByteView key) {
  Bytes out = to_bytes(kMarkPrefix);
  append(out, key);
  return out;
}

}  // namespace

Result<std::optional<Bytes>> Installer::begun() const { return ledger_.store_->get(kMeta, as_bytes(kNameKey)); }

Result<std::vector<std::pair<Bytes, Bytes>>> Installer::marks() const {
  std::vector<std::pair<Bytes, Bytes>> out;
  TRY_OK(ledger_.store_->scan(kMeta, as_bytes(kMarkPrefix), {}, [&](ByteView key, ByteView value) {
    out.emplace_back(to_bytes(key.subspan(kMarkPrefix.size())), to_bytes(value));
    return out.size() < kMarksMax;
  }));
  return out;
}

Status Installer::begin(ByteView name) {
  TRY_OK(abandon());
  kv::Batch batch;
  batch.put(kMeta, as_bytes(kNameKey), name);
  return ledger_.store_->write(std::move(batch), kv::Sync::kNo);
}

Status Installer::abandon() {
  kv::Batch batch;
  TRY(const auto all, marks());
  for (const auto& [key, value] : all) batch.erase(kMeta, mark_key(key));
  batch.erase(kMeta, as_bytes(kNameKey));
  TRY_OK(ledger_.store_->write(std::move(batch), kv::Sync::kNo));
  return sweep();
}

Status Installer::sweep() {
  kv::Batch batch;
  for (const kv::Family family : {state_family(other()), node_family(other())}) {
    bool any = false;
    TRY_OK(ledger_.store_->scan(family, {}, {}, [&](ByteView, ByteView) {
      any = true;
      return false;
    }));
    if (any) batch.clear(family);
  }
  if (batch.count() == 0) return {};
  return ledger_.store_->write(std::move(batch), kv::Sync::kNo);
}

Status Installer::put(std::span<const light::RangeProof::Pair> pairs, std::span<const light::RangeNode> nodes,
                      Mark mark) {
  kv::Batch batch;
  for (const light::RangeProof::Pair& pair : pairs) batch.put(state_family(other()), pair.key, pair.value);
  TreeNode record;
  for (const light::RangeNode& node : nodes) {
    record.type = node.leaf ? TreeNode::Type::kLeaf : TreeNode::Type::kInner;
    record.a = node.a;
    record.b = node.b;
    record.key.assign(node.key.begin(), node.key.end());
    batch.put(node_family(other()), TreePath{node.path, node.depth}.record_key(), encode_node(record));
  }
  batch.put(kMeta, mark_key(mark.key), mark.value);
  return ledger_.store_->write(std::move(batch), kv::Sync::kNo);
}

Status Installer::put(std::span<const Block> blocks, Mark mark) {
  kv::Batch batch;
  for (const Block& block : blocks) {
    batch.put(kBlocks, height_key(block.header.height), encode_block(block));
    for (std::uint32_t i = 0; i < block.tx_ids.size(); ++i)
      batch.put(kTxs, block.tx_ids[i].view(),
                encode_stored_tx({.height = block.header.height, .index = i, .tx = {}, .place = {}, .result = {}}));
  }
  batch.put(kMeta, mark_key(mark.key), mark.value);
  return ledger_.store_->write(std::move(batch), kv::Sync::kNo);
}

// Every node was verified with its range, so the root's record speaks for the tree. That all ranges came the caller
// knows by its marks.
Status Installer::check_tree(const light::BlockHeader& header) const {
  TRY(const Hash32 root, tree_root(ledger_.node_get(other(), nullptr)));
  if (root == header.state_root) return {};
  return fail(Kind::kDenied, "ledger.install",
              text("found a tree with root {}, expected {} of block {}", root, header.state_root, header.height.value));
}

Result<light::History> Installer::extend_history(const light::BlockHeader& header) {
  light::History history = ledger_.history_;
  Hash32 last = light::header_hash(ledger_.tip_.header);
  kv::Batch batch;
  for (std::uint64_t height = history.count; height < header.height.value; ++height) {
    for (const light::HistoryNode& node : light::append(history, last))
      batch.put(kHistory, history_key(node.place), node.hash.view());
    if (batch.count() >= kHistoryBatch) TRY_OK(ledger_.store_->write(std::exchange(batch, kv::Batch()), kv::Sync::kNo));
    TRY(const auto bytes, ledger_.store_->get(kBlocks, height_key(Height{height + 1})));
    if (!bytes) return fail(Kind::kDenied, "ledger.install", text("found no block {}", height + 1));
    TRY(const Block block, decode_block(*bytes));
    if (block.header.parent != last)
      return fail(Kind::kDenied, "ledger.install",
                  text("found block {} with parent {}, expected {}", height + 1, block.header.parent, last));
    last = light::header_hash(block.header);
  }
  TRY_OK(ledger_.store_->write(std::move(batch), kv::Sync::kNo));
  if (const Hash32 root = light::history_root(history);
      root != header.history_root || last != light::header_hash(header))
    return fail(Kind::kDenied, "ledger.install",
                text("found a history with root {} below block {}, expected {} below {}", root, last,
                     header.history_root, light::header_hash(header)));
  return history;
}

Status Installer::put_sets(const Target& target, kv::Batch& batch) const {
  for (const light::Handover& handover : target.handovers) {
    const light::BlockHeader& h = handover.header;
    batch.put(kValsets, height_key(Height{h.epoch + 1}), encode_set({.from = h.height.plus(1), .set = handover.next}));
  }
  return {};
}

// Of the target and of every handover. Gives the target's power.
Result<std::uint32_t> Installer::put_certificates(const Target& target, kv::Batch& batch) const {
  light::ValidatorSet set = ledger_.genesis_.validators;
  const std::uint32_t needed = ledger_.genesis_.params.quorum_bp;
  const auto put_one = [&](const light::BlockHeader& header, const light::Certificate& cert) -> Result<std::uint32_t> {
    TRY(const std::uint32_t power, light::verify_certificate(header, cert, set, needed));
    batch.put(kCerts, height_key(header.height), encode_cert({.power_bp = power, .certificate = cert}));
    if (power >= ledger_.genesis_.params.economic_bp)
      batch.put(kMeta, as_bytes(kEconomicKey), height_key(header.height));
    return power;
  };
  for (const light::Handover& handover : target.handovers) {
    TRY_OK(put_one(handover.header, handover.certificate));
    set = handover.next;
  }
  return put_one(target.header, target.certificate);
}

Status Installer::finish(const Target& target, kv::Batch extra) {
  const light::BlockHeader& header = target.header;
  const Height before = ledger_.tip_.header.height;
  if (header.height <= before)
    return fail(Kind::kDenied, "ledger.install",
                text("found block {}, expected one above {}", header.height.value, before.value));
  TRY(const auto name, begun());
  if (!name) return fail(Kind::kDenied, "ledger.install", "found no install that was begun");
  TRY_OK(check_tree(header));
  TRY_OK(extend_history(header));
  kv::Batch batch = std::move(extra);
  TRY_OK(put_sets(target, batch));
  TRY_OK(put_certificates(target, batch));
  const bool epoch_ends = header.next_valset_hash != header.valset_hash;
  batch.put(kMeta, as_bytes(kNextKey),
            encode_next({.wants_block = false, .epoch = header.epoch + (epoch_ends ? 1 : 0), .height = header.height}));
  batch.put(kMeta, as_bytes(kSideKey), Bytes{other()});
  TRY(const auto all, marks());
  for (const auto& [key, value] : all) batch.erase(kMeta, mark_key(key));
  batch.erase(kMeta, as_bytes(kNameKey));
  TRY_OK(ledger_.store_->write(std::move(batch), kv::Sync::kYes));
  {
    const std::lock_guard lock(ledger_.mutex_);
    ledger_.kept_.clear();
    for (Ledger::Graded& graded : ledger_.graded_) graded = {};
  }
  TRY_OK(ledger_.load_tip());
  return sweep();
}

}  // namespace hanse::ledger
