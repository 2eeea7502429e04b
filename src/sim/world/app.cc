#include "sim/world/app.h"

#include <algorithm>

#include "sim/check/mix.h"

namespace hanse::sim {

namespace {

constexpr std::uint16_t kEvidenceMark = 0xFFFF;  // in place of a client: `number` bytes of evidence follow

std::uint64_t word(const Hash32& h) { return load_le<std::uint64_t>(h.data.data()); }

Hash32 spread(std::uint64_t key) {
  Hash32 out;
  for (std::size_t i = 0; i < 4; ++i) store_le(out.data.data() + 8 * i, mix(key, i + 1));
  return out;
}

bool decode_tx(ByteView bytes, Tx& tx) {
  tx = {.client = load_le<std::uint16_t>(&bytes[0]),
        .number = load_le<std::uint32_t>(&bytes[2]),
        .key = bytes[6],
        .kind = static_cast<OpKind>(bytes[7]),
        .arg = load_le<std::uint64_t>(&bytes[8]),
        .expected = load_le<std::uint64_t>(&bytes[16])};
  return tx.kind <= OpKind::kCas;
}

}  // namespace

void encode_tx(Bytes& out, const Tx& tx) {
  std::uint8_t b[kTxBytes];
  store_le(b, tx.client);
  store_le(b + 2, tx.number);
  b[6] = tx.key;
  b[7] = static_cast<std::uint8_t>(tx.kind);
  store_le(b + 8, tx.arg);
  store_le(b + 16, tx.expected);
  append(out, b);
}

void encode_evidence_tx(Bytes& out, const consensus::Evidence& evidence) {
  const Bytes bytes = encode(evidence);
  encode_tx(out, {.client = kEvidenceMark,
                  .number = static_cast<std::uint32_t>(bytes.size()),
                  .key = 0,
                  .kind = OpKind::kRead,
                  .arg = 0,
                  .expected = 0});
  append(out, bytes);
}

App::App(AppConfig config) : config_(config) {
  genesis_.registers.resize(config.keys);
  genesis_.last.resize(config.clients);
  genesis_.hash = spread(0);
  genesis_.epoch = config.epoch;
  genesis_.set = config.replicas;
  genesis_.keys.resize(64);
}

void App::apply(Block& block, ByteView batch) {
  for (; batch.size() >= kTxBytes; batch = batch.subspan(kTxBytes)) {
    Tx tx;
    const bool known = decode_tx(batch.first(kTxBytes), tx);
    if (tx.client == kEvidenceMark && tx.number <= batch.size() - kTxBytes) {
      judge(block, batch.subspan(kTxBytes, tx.number));
      batch = batch.subspan(tx.number);
      continue;
    }
    if (!known) continue;
    if (tx.client == kOperator) apply_change(block, tx);
    if (tx.client >= config_.clients || tx.key >= config_.keys) continue;
    if (tx.number != block.last[tx.client] + 1) {
      ++repeats_;
      continue;
    }
    const Applied applied = apply_op(block.registers[tx.key], tx.kind, tx.arg, tx.expected);
    block.registers[tx.key] = applied.value;
    block.last[tx.client] = tx.number;
    block.done.push_back({.client = tx.client, .number = tx.number, .answer = applied.answer});
  }
}

void App::judge(Block& block, ByteView bytes) const {
  const auto evidence = consensus::decode_evidence(bytes);
  if (!evidence || evidence->first.epoch < config_.epoch || evidence->first.epoch > block.epoch) return;
  const auto fact = contradiction(*evidence);
  if (!fact) return;
  const auto at = std::ranges::lower_bound(block.facts, *fact);
  if (at != block.facts.end() && *at == *fact) return;
  for (const consensus::Statement* s : {&evidence->first, &evidence->second})
    if (!config_.verifier(s->epoch).verify(s->replica, s->purpose, statement_message(*s), s->signature)) return;
  block.facts.insert(at, *fact);
  block.proven.push_back(*fact);
}

void App::apply_change(Block& block, const Tx& tx) {
  if (tx.number <= block.changes || tx.arg == 0 || (tx.arg & ~config_.replicas) != 0) return;
  block.changes = tx.number;
  block.next_set = tx.arg;
  block.next_keys = tx.expected & tx.arg;
}

// What is said of the epoch before the block's transactions: `set` and `keys` of its end are those of the next one.
void App::turn(Block& block, const Block& parent, const consensus::Execute& e) {
  block.epoch = parent.epoch + (parent.ends ? 1 : 0);
  block.base = parent.ends ? parent.seq : parent.base;
  block.ends = e.epoch_end;
  block.set = parent.set;
  block.keys = parent.keys;
  block.changes = parent.changes;
  block.next_set = parent.next_set;
  block.next_keys = parent.next_keys;
}

const Block* App::execute(const Block* parent, const consensus::Execute& e) {
  std::uint64_t key = mix(word(parent->hash), mix(word(e.digest), 2 * e.seq + (e.epoch_end ? 1 : 0)));
  for (const auto& v : e.vertices) key = mix(key, word(v.id));
  for (const auto& child : parent->children)
    if (child->key == key) return child.get();
  auto block = std::make_unique<Block>();
  block->seq = e.seq;
  block->digest = e.digest;
  block->proposal = e.proposal;
  block->cut = e.cut;
  block->registers = parent->registers;
  block->last = parent->last;
  block->facts = parent->facts;
  block->key = key;
  turn(*block, *parent, e);
  for (const auto& v : e.ignored) vertices_.emplace(v.id, v.frame);
  for (const auto& v : e.vertices) {
    vertices_.emplace(v.id, v.frame);
    block->vertices.push_back(v.frame);
    apply(*block, v.batch());
  }
  for (const std::uint64_t r : block->registers) key = mix(key, r);
  for (const std::uint32_t n : block->last) key = mix(key, n);
  for (const consensus::Fact& f : block->proven) key = mix(key, mix(mix(f.replica, f.view), f.place));
  key = mix(mix(key, block->set), mix(block->next_set, block->epoch));
  block->hash = spread(key);
  if (block->ends) {
    if (block->next_set != 0) block->set = block->next_set;
    for (std::size_t i = 0; i < block->keys.size(); ++i) block->keys[i] += block->next_keys >> i & 1;
    block->next_set = block->next_keys = 0;
  }
  block->due = !block->ends &&
               (block->next_set != 0 || (config_.epoch_slots != 0 && block->seq - block->base >= config_.epoch_slots));
  block->wants_block = config_.wants_blocks && key % 4 == 0;
  auto& children = const_cast<Block*>(parent)->children;  // the tree is ours
  children.push_back(std::move(block));
  return children.back().get();
}

consensus::Frame App::vertex(const Hash32& id) const {
  const auto it = vertices_.find(id);
  return it == vertices_.end() ? nullptr : it->second;
}

}  // namespace hanse::sim
