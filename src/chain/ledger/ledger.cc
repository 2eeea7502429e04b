#include "chain/ledger/ledger.h"

#include <set>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/ledger/records.h"

namespace hanse::ledger {
namespace {

constexpr std::string_view kNetworkKey = "network";
constexpr std::string_view kWantsKey = "wants-block";
constexpr std::string_view kNotePrefix = "note/";

std::map<Hash32, std::optional<Hash32>> tree_changes(const std::map<Bytes, std::optional<Bytes>>& writes) {
  std::map<Hash32, std::optional<Hash32>> changes;
  for (const auto& [key, value] : writes) {
    const Hash32 hash = light::state_key_hash(key);
    changes[hash] = value ? std::optional(light::state_value_hash(*value)) : std::nullopt;
  }
  return changes;
}

Bytes note_key(std::string_view name) { return to_bytes(text("{}{}", kNotePrefix, name)); }

}  // namespace

Ledger::Ledger(const light::Genesis& genesis, std::unique_ptr<kv::Store> store)
    : genesis_(genesis), network_(light::network_id(genesis)), store_(std::move(store)) {}
Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::open(const std::string& path, const light::Genesis& genesis,
                                             const std::vector<App*>& apps, Options options) {
  TRY_OK(light::validate(genesis));
  TRY(auto store, kv::Store::open(path, {.families = {"meta", "state", "nodes", "blocks", "txs", "events", "topics"},
                                         .create = kv::Create::kIfMissing,
                                         .cache_bytes = options.cache_bytes,
                                         .write_buffer_bytes = options.write_buffer_bytes}));
  std::unique_ptr<Ledger> ledger(new Ledger(genesis, std::move(store)));
  TRY_OK(with_context(ledger->start(apps), text("open ledger {}", path)));
  return ledger;
}

Status Ledger::start(const std::vector<App*>& apps) {
  for (const auto& [number, section] : genesis_.apps) {
    for (App* each : apps)
      if (each->number() == number) apps_[number] = each;
    if (!apps_.contains(number))
      return fail(Kind::kUnsupported, "ledger.app_missing",
                  text("found a genesis section for application {}, which this build does not have", number));
  }
  TRY(const auto found, store_->get(kMeta, as_bytes(kNetworkKey)));
  if (!found) return write_genesis();
  if (!equal(*found, network_.view()))
    return fail(Kind::kConflict, "ledger.other_network",
                text("found the data of network {}, expected {}", ByteView(*found), network_));
  return load_tip();
}

Status Ledger::write_genesis() {
  MemState empty;
  Overlay state(empty);
  for (const auto& [number, each] : apps_)
    TRY_OK(with_context(each->genesis(genesis_.apps.at(number), network_, state), text("genesis of {}", each->name())));
  Executed block;
  block.header.network = network_;
  block.header.time_ms = genesis_.time_ms;
  block.header.tx_root = light::list_root({});
  block.header.receipt_root = light::list_root({});
  block.writes = state.writes();
  TRY(block.tree, update_tree(node_get(nullptr), tree_changes(block.writes)));
  block.header.state_root = block.tree.root;
  TRY_OK(commit(block, {}));
  return sync();
}

Status Ledger::load_tip() {
  TRY(const auto last, store_->last(kBlocks, {}));
  if (!last) return fail(Kind::kCorrupt, "ledger.record", "found a network but no block 0");
  TRY(tip_, decode_block(last->second));
  TRY(const auto wants, store_->get(kMeta, as_bytes(kWantsKey)));
  wants_block_ = wants && wants->size() == 1 && (*wants)[0] == 1;
  return {};
}

App* Ledger::app(std::uint8_t number) const {
  const auto it = apps_.find(number);
  return it == apps_.end() ? nullptr : it->second;
}

NodeGet Ledger::node_get(const kv::Snapshot* at) const {
  return [this, at](ByteView key) { return store_->get(kNodes, key, at); };
}

BlockContext Ledger::context_of(const Cut& cut) const {
  std::uint8_t height[8];
  store_be(height, cut.height.value);
  const Hash32 parent = light::header_hash(tip_.header);
  return {.network = network_,
          .height = cut.height,
          .time_ms = cut.time_ms,
          .leader = cut.leader,
          .beacon = crypto::blake3("hanse/beacon/1", {parent.view(), ByteView(height)})};
}

Status Ledger::check_cut(const Cut& cut) const {
  const Height expected = tip_.header.height.plus(1);
  if (cut.height != expected)
    return fail(Kind::kInvalid, "ledger.cut",
                text("found a cut for height {}, expected {}", cut.height.value, expected.value));
  if (cut.time_ms <= tip_.header.time_ms)
    return fail(
        Kind::kInvalid, "ledger.cut",
        text("found time {} at height {}, expected later than {}", cut.time_ms, cut.height.value, tip_.header.time_ms));
  if (cut.txs.size() > genesis_.params.block_txs_max)
    return fail(Kind::kInvalid, "ledger.cut",
                text("found {} transactions, expected at most {}", cut.txs.size(), genesis_.params.block_txs_max));
  return {};
}

Result<Executed> Ledger::execute(const Cut& cut) const {
  TRY_OK(check_cut(cut));
  const BlockContext context = context_of(cut);
  const StoreState stored(*store_);
  Overlay state(stored);
  Executed out;
  for (const auto& [number, each] : apps_)
    TRY_OK(with_context(each->begin(context, state), text("begin of {} at height {}", each->name(), cut.height.value)));
  TRY_OK(run_txs(cut, context, state, out));
  for (const auto& [number, each] : apps_) {
    TRY(EndResult end,
        with_context(each->end(context, state), text("end of {} at height {}", each->name(), cut.height.value)));
    for (Event& event : end.events) {
      check(event.topic.size() <= kTopicMax && event.data.size() <= kResultDataMax, "event is beyond its limits");
      out.events.push_back(std::move(event));
    }
    out.wants_block = out.wants_block || end.wants_block;
  }
  TRY_OK(seal(cut, state, out));
  return out;
}

Status Ledger::run_txs(const Cut& cut, const BlockContext& context, Overlay& state, Executed& out) const {
  std::set<Hash32> in_block;
  for (const Tx& tx : cut.txs) {
    const Hash32 id = tx_id(tx);
    TRY(const auto before, store_->get(kTxs, id.view()));
    if (before || !in_block.insert(id).second) {
      out.skipped.push_back(id);
      continue;
    }
    TxResult result;
    if (App* const target = app(tx.app)) {
      Overlay own(state);
      result = target->apply(tx, context, own);
      if (result.code == 0) {
        own.commit_to(state);
      } else {
        result.events.clear();
      }
    } else {
      result = failed(Error(Kind::kUnsupported, "ledger.no_app", text("found application {}", tx.app)));
    }
    for (const Event& event : result.events) out.events.push_back(event);
    out.tx_ids.push_back(id);
    out.txs.push_back(tx);
    out.result_bytes.push_back(encode_result(result));
    out.result_hashes.push_back(light::result_hash(out.result_bytes.back()));
    out.results.push_back(std::move(result));
  }
  return {};
}

Status Ledger::seal(const Cut& cut, const Overlay& state, Executed& out) const {
  out.writes = state.writes();
  TRY(out.tree, update_tree(node_get(nullptr), tree_changes(out.writes)));
  out.header = {.network = network_,
                .epoch = tip_.header.epoch,
                .height = cut.height,
                .parent = light::header_hash(tip_.header),
                .tx_root = light::list_root(out.tx_ids),
                .receipt_root = light::list_root(out.result_hashes),
                .state_root = out.tree.root,
                .time_ms = cut.time_ms,
                .leader = cut.leader};
  return {};
}

Status Ledger::commit(const Executed& executed, light::Certificate certificate) {
  const Height height = executed.header.height;
  kv::Batch batch;
  if (height.value == 0) batch.put(kMeta, as_bytes(kNetworkKey), network_.view());
  for (const auto& [key, value] : executed.writes) {
    if (value) {
      batch.put(kStateFamily, key, *value);
    } else {
      batch.erase(kStateFamily, key);
    }
  }
  for (const auto& [key, value] : executed.tree.records) {
    if (value) {
      batch.put(kNodes, key, *value);
    } else {
      batch.erase(kNodes, key);
    }
  }
  for (std::uint32_t i = 0; i < executed.txs.size(); ++i)
    batch.put(
        kTxs, executed.tx_ids[i].view(),
        encode_stored_tx(
            {.height = height, .index = i, .tx = encode_tx(executed.txs[i]), .result = executed.result_bytes[i]}));
  Block block{.header = executed.header,
              .certificate = std::move(certificate),
              .tx_ids = executed.tx_ids,
              .result_hashes = executed.result_hashes};
  for (std::uint32_t i = 0; i < executed.events.size(); ++i) {
    batch.put(kEvents, event_key(height, i), encode_event(executed.events[i]));
    batch.put(kTopics, topic_key(executed.events[i].topic, height, i), {});
  }
  batch.put(kBlocks, height_key(height), encode_block(block));
  const std::uint8_t wants = executed.wants_block ? 1 : 0;
  batch.put(kMeta, as_bytes(kWantsKey), {&wants, 1});
  TRY_OK(store_->write(std::move(batch), kv::Sync::kNo));
  tip_ = std::move(block);
  wants_block_ = executed.wants_block;
  return {};
}

Status Ledger::certify_tip(light::Certificate certificate) {
  Block block = tip_;
  block.certificate = std::move(certificate);
  kv::Batch batch;
  batch.put(kBlocks, height_key(block.header.height), encode_block(block));
  TRY_OK(store_->write(std::move(batch), kv::Sync::kNo));
  tip_ = std::move(block);
  return {};
}

Status Ledger::sync() { return store_->sync(); }
Status Ledger::health() const { return store_->health(); }

Status Ledger::check_determinism(const Cut& cut) const {
  TRY(const Executed first, execute(cut));
  TRY(const Executed second, execute(cut));
  if (first.header == second.header) return {};
  return fail(Kind::kInternal, "ledger.nondeterministic",
              text("found block {} and then {} from the same cut at height {}", light::header_hash(first.header),
                   light::header_hash(second.header), cut.height.value));
}

Status Ledger::audit() const {
  const kv::Snapshot snapshot = store_->snapshot();
  std::map<Hash32, std::optional<Hash32>> all;
  TRY_OK(store_->scan(
      kStateFamily, {}, {},
      [&](ByteView key, ByteView value) {
        all[light::state_key_hash(key)] = light::state_value_hash(value);
        return true;
      },
      &snapshot));
  const NodeGet nothing = [](ByteView) { return Result<std::optional<Bytes>>(std::nullopt); };
  TRY(const TreeUpdate rebuilt, update_tree(nothing, all));
  TRY(const Hash32 stored, tree_root(node_get(&snapshot)));
  TRY(const auto last, store_->last(kBlocks, {}, {}, &snapshot));
  if (!last) return fail(Kind::kCorrupt, "ledger.record", "found no block");
  TRY(const Block tip, decode_block(last->second));
  if (rebuilt.root != tip.header.state_root || stored != rebuilt.root)
    return fail(Kind::kCorrupt, "ledger.record",
                text("found state with root {} and a tree with root {}, expected {} of block {}", rebuilt.root, stored,
                     tip.header.state_root, tip.header.height.value));
  return {};
}

Result<std::optional<Bytes>> Ledger::note(std::string_view name) const { return store_->get(kMeta, note_key(name)); }

Status Ledger::put_note(std::string_view name, ByteView value) {
  kv::Batch batch;
  batch.put(kMeta, note_key(name), value);
  return store_->write(std::move(batch), kv::Sync::kYes);
}

Result<View> Ledger::view() const {
  View view(*this, store_->snapshot());
  TRY(const auto last, store_->last(kBlocks, {}, {}, &view.snapshot_));
  if (!last) return fail(Kind::kCorrupt, "ledger.record", "found no block");
  TRY(view.tip_, decode_block(last->second));
  return view;
}

}  // namespace hanse::ledger
