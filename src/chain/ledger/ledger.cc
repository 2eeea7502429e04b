#include "chain/ledger/ledger.h"

#include <algorithm>
#include <unordered_set>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/ledger/records.h"

namespace hanse::ledger {
namespace {

constexpr std::string_view kNetworkKey = "network";
constexpr std::string_view kNotePrefix = "note/";

std::vector<TreeChange> tree_changes(const Writes& writes) {
  std::vector<TreeChange> changes;
  changes.reserve(writes.size());
  for (const auto& [key, value] : writes)
    changes.push_back({.key = light::state_key_hash(key),
                       .value = value ? std::optional(light::state_value_hash(*value)) : std::nullopt,
                       .state_key = key});
  return changes;
}

std::size_t place_of(light::Grade grade) { return grade == light::Grade::kEconomic ? 1 : 0; }

Bytes note_key(std::string_view name) { return to_bytes(text("{}{}", kNotePrefix, name)); }

}  // namespace

Ledger::Ledger(const light::Genesis& genesis, std::unique_ptr<kv::Store> store)
    : genesis_(genesis), network_(light::network_id(genesis)), store_(std::move(store)) {}
Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::open(const std::string& path, const light::Genesis& genesis,
                                             const std::vector<App*>& apps, Options options) {
  TRY_OK(light::validate(genesis));
  using enum kv::Holds;
  TRY(auto store, kv::Store::open(path, {.families = {"meta",
                                                      "state",
                                                      "nodes",
                                                      {"blocks", kLargeValues},
                                                      {"txs", kHashes},
                                                      "events",
                                                      "topics",
                                                      "history",
                                                      {"certs", kLargeValues},
                                                      "valsets",
                                                      {"vertices", kLargeValues},
                                                      {"edges", kSeldomRead},
                                                      "metadata",
                                                      {"index_height", kSeldomRead},
                                                      {"index_timestamp", kSeldomRead},
                                                      "finalized",
                                                      "receipts",
                                                      "state_other",
                                                      "nodes_other",
                                                      "sources"},
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
  block.header.history_root = light::history_root(block.history);
  block.header.valset_hash = block.header.next_valset_hash = light::set_hash(genesis_.validators);
  block.writes = state.take_writes();
  TRY(block.tree, update_tree(node_get(side_, nullptr), tree_changes(block.writes)));
  block.header.state_root = block.tree.root;
  TRY_OK(commit(block, Keep::kForProof));
  return sync();
}

Status Ledger::load_tip() {
  TRY(const StoredNext next, read_next(*store_));
  TRY(const auto newest, store_->get(kBlocks, height_key(next.height)));
  if (!newest) return fail(Kind::kCorrupt, "ledger.record", text("found no block {}", next.height.value));
  TRY(tip_, decode_block(*newest));
  TRY(const auto side, store_->get(kMeta, as_bytes(kSideKey)));
  side_ = side && !side->empty() ? (*side)[0] & 1u : 0;
  wants_block_ = next.wants_block;
  epoch_ = next.epoch;
  TRY(set_, valset(epoch_));
  TRY(history_, light::load_history(history_get(*store_), tip_.header.height.value));
  newest_ =
      std::make_shared<const Moment>(Moment{.snapshot = store_->snapshot(), .header = tip_.header, .side = side_});
  keep(newest_);
  return load_certified();
}

Status Ledger::load_certified() {
  TRY(const auto newest, store_->last(kCerts, {}));
  TRY(const auto economic, store_->get(kMeta, as_bytes(kEconomicKey)));
  std::vector<Bytes> keys;  // ascending
  if (economic) keys.push_back(*economic);
  if (newest) keys.push_back(newest->first);
  for (const Bytes& key : keys) {
    TRY(const auto cert, store_->get(kCerts, key));
    TRY(const auto bytes, store_->get(kBlocks, key));
    if (!cert || !bytes) return fail(Kind::kCorrupt, "ledger.record", "found no block of a certificate");
    TRY(StoredCert stored, decode_cert(*cert));
    TRY(Block block, decode_block(*bytes));
    note_certified({.header = block.header, .certificate = std::move(stored.certificate), .power_bp = stored.power_bp});
  }
  return {};
}

App* Ledger::app(std::uint8_t number) const {
  const auto it = apps_.find(number);
  return it == apps_.end() ? nullptr : it->second;
}

NodeGet Ledger::node_get(std::uint8_t side, const kv::Snapshot* at) const {
  return [this, side, at](ByteView key) { return store_->get(node_family(side), key, at); };
}

BlockContext Ledger::context_of(const Cut& cut) const {
  std::uint8_t height[8];
  store_be(height, cut.height.value);
  const Hash32 parent = light::header_hash(tip_.header);
  return {.network = network_,
          .height = cut.height,
          .time_ms = cut.time_ms,
          .leader = cut.leader,
          .beacon = crypto::blake3("hanse/beacon/1", {parent.view(), ByteView(height)}),
          .epoch = cut.epoch,
          .epoch_end = cut.epoch_end,
          .validators = &set_};
}

Status Ledger::check_cut(const Cut& cut) const {
  const Height expected = tip_.header.height.plus(1);
  if (cut.height != expected)
    return fail(Kind::kInvalid, "ledger.cut",
                text("found a cut for height {}, expected {}", cut.height.value, expected.value));
  if (cut.epoch != epoch_)
    return fail(Kind::kInvalid, "ledger.cut",
                text("found epoch {} at height {}, expected {}", cut.epoch, cut.height.value, epoch_));
  if (cut.leader.is_zero() && !cut.txs.empty())
    return fail(
        Kind::kInvalid, "ledger.cut",
        text("found {} transactions at height {}, expected none without a leader", cut.txs.size(), cut.height.value));
  check(cut.places.size() == cut.tx_ids.size() && (cut.places.empty() || cut.places.size() == cut.txs.size()),
        "a cut places all of its transactions or none");
  if (cut.time_ms <= tip_.header.time_ms)
    return fail(
        Kind::kInvalid, "ledger.cut",
        text("found time {} at height {}, expected later than {}", cut.time_ms, cut.height.value, tip_.header.time_ms));
  return {};
}

Result<Executed> Ledger::execute(const Cut& cut) const {
  TRY_OK(check_cut(cut));
  const BlockContext context = context_of(cut);
  const StoreState stored(*store_, side_);
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
    out.epoch_due = out.epoch_due || end.epoch_due;
    if (!cut.epoch_end || !end.next_set) continue;
    if (out.next_set)
      return fail(Kind::kInternal, "ledger.next_set",
                  text("found a validator set of {}, though another application named one", each->name()));
    if (const Status valid = light::validate(*end.next_set); !valid)
      return fail(Kind::kInternal, "ledger.next_set", text("from {}: {}", each->name(), valid.error().str()));
    out.next_set = std::move(end.next_set);
  }
  TRY_OK(seal(cut, state, out));
  return out;
}

Status Ledger::run_txs(const Cut& cut, const BlockContext& context, Overlay& state, Executed& out) const {
  std::unordered_set<Hash32> in_block;  // asked only, never walked
  const bool placed = !cut.places.empty();
  out.sources = cut.sources;
  std::vector<Bytes> encoded;
  std::vector<Hash32> ids = cut.tx_ids;
  if (!placed) {
    for (const Tx& tx : cut.txs) ids.push_back(tx_id(encoded.emplace_back(encode_tx(tx))));
  }
  std::vector<ByteView> keys;
  for (const Hash32& id : ids) keys.push_back(id.view());
  TRY(const auto records, store_->get_many(kTxs, keys));
  for (std::size_t i = 0; i < cut.txs.size(); ++i) {
    const Tx& tx = cut.txs[i];
    const Hash32& id = ids[i];
    bool before = false;
    if (records[i]) {
      TRY(const StoredTx known, decode_stored_tx(*records[i]));
      before = known.height < cut.height;  // later: of an install that is not done
    }
    if (before || !in_block.insert(id).second) {
      out.skipped.push_back(id);
      continue;
    }
    TxResult result;
    if (App* const target = app(tx.app)) {
      Overlay own(state);
      result = target->apply(tx, context, own);
      if (result.code == 0) {
        state.take(own);
      } else {
        result.events.clear();
      }
    } else {
      result = failed(Error(Kind::kUnsupported, "ledger.no_app", text("found application {}", tx.app)));
    }
    for (const Event& event : result.events) out.events.push_back(event);
    out.tx_ids.push_back(id);
    if (placed) {
      out.places.push_back(cut.places[i]);
    } else {
      out.txs.push_back(std::move(encoded[i]));
    }
    out.result_bytes.push_back(encode_result(result));
    out.result_hashes.push_back(light::result_hash(out.result_bytes.back()));
    out.results.push_back(std::move(result));
  }
  return {};
}

Status Ledger::seal(const Cut& cut, Overlay& state, Executed& out) const {
  out.writes = state.take_writes();
  TRY(out.tree, update_tree(node_get(side_, nullptr), tree_changes(out.writes)));
  const Hash32 parent = light::header_hash(tip_.header);
  out.history = history_;
  out.history_nodes = light::append(out.history, parent);
  out.epoch_end = cut.epoch_end;
  const Hash32 own_set = tip_.header.next_valset_hash;
  const Hash32 next_set = out.next_set ? light::set_hash(*out.next_set) : own_set;
  if (next_set == own_set) out.next_set.reset();
  out.header = {.network = network_,
                .epoch = epoch_,
                .height = cut.height,
                .parent = parent,
                .tx_root = light::list_root(out.tx_ids),
                .receipt_root = light::list_root(out.result_hashes),
                .state_root = out.tree.root,
                .time_ms = cut.time_ms,
                .leader = cut.leader,
                .cut = cut.id,
                .history_root = light::history_root(out.history),
                .valset_hash = own_set,
                .next_valset_hash = next_set};
  return {};
}

Status Ledger::commit(const Executed& executed, Keep keep, kv::Batch extra) {
  const Height height = executed.header.height;
  kv::Batch batch = std::move(extra);
  if (height.value == 0) {
    batch.put(kMeta, as_bytes(kNetworkKey), network_.view());
    batch.put(kValsets, height_key({}), encode_set({.from = {}, .set = genesis_.validators}));
  }
  for (const auto& [key, value] : executed.writes) {
    if (value) {
      batch.put(state_family(side_), key, *value);
    } else {
      batch.erase(state_family(side_), key);
    }
  }
  for (const auto& [key, value] : executed.tree.records) {
    if (value) {
      batch.put(node_family(side_), key, *value);
    } else {
      batch.erase(node_family(side_), key);
    }
  }
  for (std::uint32_t i = 0; i < executed.tx_ids.size(); ++i) {
    StoredTx stored{.height = height, .index = i, .tx = {}, .place = {}, .result = executed.result_bytes[i]};
    if (executed.places.empty()) {
      stored.tx = executed.txs[i];
    } else {
      stored.place = executed.places[i];
    }
    batch.put(kTxs, executed.tx_ids[i].view(), encode_stored_tx(stored));
  }
  for (std::uint32_t i = 0; i < executed.sources.size(); ++i)
    batch.put(kSources, source_key(height, i), executed.sources[i].view());
  Block block{.header = executed.header, .tx_ids = executed.tx_ids, .result_hashes = executed.result_hashes};
  for (std::uint32_t i = 0; i < executed.events.size(); ++i) {
    batch.put(kEvents, event_key(height, i), encode_event(executed.events[i]));
    batch.put(kTopics, topic_key(executed.events[i].topic, height, i), {});
  }
  batch.put(kBlocks, height_key(height), encode_block(block));
  for (const light::HistoryNode& node : executed.history_nodes)
    batch.put(kHistory, history_key(node.place), node.hash.view());
  const std::uint64_t next_epoch = executed.header.epoch + (executed.epoch_end ? 1 : 0);
  if (executed.next_set)
    batch.put(kValsets, height_key(Height{next_epoch}),
              encode_set({.from = height.plus(1), .set = *executed.next_set}));
  batch.put(kMeta, as_bytes(kNextKey),
            encode_next({.wants_block = executed.wants_block, .epoch = next_epoch, .height = height}));
  TRY_OK(store_->write(std::move(batch), kv::Sync::kNo));
  tip_ = std::move(block);
  wants_block_ = executed.wants_block;
  epoch_ = next_epoch;
  history_ = executed.history;
  if (executed.next_set) set_ = *executed.next_set;
  if (height.value == 0) set_ = genesis_.validators;
  auto moment =
      std::make_shared<const Moment>(Moment{.snapshot = store_->snapshot(), .header = tip_.header, .side = side_});
  const std::lock_guard lock(mutex_);
  if (keep == Keep::kForProof) this->keep(moment);
  newest_ = std::move(moment);
  return {};
}

Status Ledger::certify(Height height, light::Certificate certificate) {
  std::optional<Bytes> bytes;
  if (height <= tip_.header.height) {  // an install puts blocks above it
    TRY(bytes, store_->get(kBlocks, height_key(height)));
  }
  if (!bytes)
    return fail(Kind::kNotFound, "ledger.not_found",
                text("found no block {}, the newest is {}", height.value, tip_.header.height.value));
  TRY(const Block block, decode_block(*bytes));
  TRY(const light::ValidatorSet set, valset(block.header.epoch));
  TRY(const std::uint32_t power, light::verify_certificate(block.header, certificate, set, genesis_.params.quorum_bp));
  TRY(const auto before, store_->get(kCerts, height_key(height)));
  if (before) {
    TRY(const StoredCert stored, decode_cert(*before));
    if (stored.power_bp >= power) return {};
  }
  kv::Batch batch;
  batch.put(kCerts, height_key(height), encode_cert({.power_bp = power, .certificate = certificate}));
  const auto economic = certified(light::Grade::kEconomic);
  if (power >= genesis_.params.economic_bp && (!economic || economic->header.height < height))
    batch.put(kMeta, as_bytes(kEconomicKey), height_key(height));
  TRY_OK(store_->write(std::move(batch), kv::Sync::kNo));
  const std::lock_guard lock(mutex_);
  note_certified({.header = block.header, .certificate = std::move(certificate), .power_bp = power});
  return {};
}

// Under mutex_, as what follows.
void Ledger::keep(const std::shared_ptr<const Moment>& moment) {
  kept_.push_back(moment);
  if (kept_.size() > kProvableMax) kept_.pop_front();
}

void Ledger::note_certified(Certified block) {
  const Height height = block.header.height;
  const auto kept = std::ranges::find_if(kept_, [&](const auto& m) { return m->header.height == height; });
  for (const light::Grade grade : {light::Grade::kFast, light::Grade::kEconomic}) {
    Graded& graded = graded_[place_of(grade)];
    if (block.power_bp < light::grade_bp(grade, genesis_.params)) continue;
    // Replaced at the same height too: by one that weighs more.
    if (!graded.newest || graded.newest->header.height <= height) graded.newest = block;
    if (kept != kept_.end() && (!graded.provable || graded.provable->header.height < height)) graded.provable = *kept;
  }
  // Those below can become nothing any more.
  if (const auto& done = graded_[place_of(light::Grade::kEconomic)].provable)
    std::erase_if(kept_, [&](const auto& m) { return m->header.height <= done->header.height; });
}

std::optional<Certified> Ledger::certified(light::Grade grade) const {
  const std::lock_guard lock(mutex_);
  return graded_[place_of(grade)].newest;
}

Result<light::ValidatorSet> Ledger::valset(std::uint64_t epoch) const {
  TRY(const auto found, store_->last(kValsets, {}, height_key(Height{epoch})));
  if (!found) return fail(Kind::kCorrupt, "ledger.record", text("found no validator set of epoch {}", epoch));
  TRY(StoredSet stored, decode_set(found->second));
  return std::move(stored.set);
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
  std::shared_ptr<const Moment> now;
  {
    const std::lock_guard lock(mutex_);
    now = newest_;
  }
  const kv::Snapshot& snapshot = now->snapshot;
  std::vector<TreeChange> all;
  TRY_OK(store_->scan(
      state_family(now->side), {}, {},
      [&](ByteView key, ByteView value) {
        all.push_back({.key = light::state_key_hash(key), .value = light::state_value_hash(value), .state_key = {}});
        return true;
      },
      &snapshot));
  const NodeGet nothing = [](ByteView) { return Result<std::optional<Bytes>>(std::nullopt); };
  TRY(const TreeUpdate rebuilt, update_tree(nothing, std::move(all)));
  TRY(const Hash32 stored, tree_root(node_get(now->side, &snapshot)));
  const light::BlockHeader& tip = now->header;
  if (rebuilt.root != tip.state_root || stored != rebuilt.root)
    return fail(Kind::kCorrupt, "ledger.record",
                text("found state with root {} and a tree with root {}, expected {} of block {}", rebuilt.root, stored,
                     tip.state_root, tip.height.value));
  return {};
}

Result<std::optional<Bytes>> Ledger::note(std::string_view name) const { return store_->get(kMeta, note_key(name)); }

Status Ledger::put_note(std::string_view name, ByteView value) {
  kv::Batch batch;
  batch.put(kMeta, note_key(name), value);
  return store_->write(std::move(batch), kv::Sync::kYes);
}

Result<View> Ledger::view() const {
  const std::lock_guard lock(mutex_);
  return View(*this, newest_);
}

Result<View> Ledger::proof_view(light::Grade grade) const {
  const std::lock_guard lock(mutex_);
  const auto& provable = graded_[place_of(grade)].provable;
  if (!provable)
    return fail(Kind::kUnavailable, "ledger.uncertified",
                text("found no {} certificate for a block whose state is kept, the newest block is {}",
                     light::grade_name(grade), newest_->header.height.value));
  return View(*this, provable);
}

}  // namespace hanse::ledger
