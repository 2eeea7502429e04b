#include "chain/replica/dag.h"

#include <algorithm>

#include "base/core/text.h"
#include "chain/ledger/ledger.h"

namespace hanse::replica {
namespace {

using consensus::Index;
using consensus::Seq;
using consensus::Tip;

constexpr std::string_view kTipPrefix = "tip", kCutPrefix = "cut", kJournalKey = "journal", kEndPrefix = "end",
                           kOverPrefix = "over", kDueKey = "due";
constexpr std::size_t kNoteBytes = 2 + 8 + 4 + 8 + 8;
constexpr std::size_t kTipBytes = 2 + 8 + 32;

Bytes slot_key(Seq seq) {
  Bytes key;
  append_be(key, seq);
  return key;
}
Bytes cut_key(Seq seq) {
  Bytes key = to_bytes(kCutPrefix);
  append_be(key, seq);
  return key;
}

void put_tip(Bytes& out, const Tip& tip) {
  append_be(out, tip.lane);
  append_be(out, tip.height);
  append(out, tip.id.view());
}

std::unexpected<Error> bad(std::string_view what, std::size_t size) {
  return fail(Kind::kCorrupt, "replica.record", text("found {} bytes for {}", size, what));
}

void put_vertex(kv::Batch& batch, const consensus::VertexFrame& v, const VertexNote& note) {
  const ByteView id = v.id.view();
  batch.put(ledger::kVertices, id, *v.frame);
  Bytes value;
  append_be(value, note.lane);
  append_be(value, note.height);
  append_be(value, note.tx_count);
  append_be(value, note.slot);
  append_be(value, note.block_time_ms);
  batch.put(ledger::kMetadata, id, value);
  for (const Hash32& parent : v.vertex.parents) {
    if (parent.is_zero()) continue;
    Bytes down = {'c'}, up = {'p'};
    append(down, parent.view());
    append(down, id);
    append(up, id);
    append(up, parent.view());
    batch.put(ledger::kEdges, down, {});
    batch.put(ledger::kEdges, up, {});
  }
  Bytes by_height, by_time;
  append_be(by_height, note.height);
  append_be(by_height, note.lane);
  append(by_height, id);
  batch.put(ledger::kIndexHeight, by_height, {});
  append_be(by_time, note.block_time_ms);
  append(by_time, id);
  batch.put(ledger::kIndexTimestamp, by_time, {});
}

}  // namespace

void put_slot(kv::Batch& batch, const consensus::Execute& slot, std::int64_t block_time_ms, std::uint64_t journal_seq) {
  for (const consensus::VertexFrame& v : slot.vertices)
    put_vertex(batch, v,
               {.lane = v.vertex.lane,
                .height = v.vertex.height,
                .tx_count = v.vertex.tx_count,
                .slot = slot.seq,
                .block_time_ms = block_time_ms});
  for (const consensus::VertexFrame& v : slot.ignored) batch.put(ledger::kVertices, v.id.view(), *v.frame);
  put_cut(batch, slot.seq, slot.cut, journal_seq);
  batch.put(ledger::kFinalized, slot_key(slot.seq), *consensus::slot_frame(slot.seq, slot.proposal));
}

void put_cut(kv::Batch& batch, Seq seq, const std::vector<Tip>& cut, std::uint64_t journal_seq) {
  Bytes tips;
  for (const Tip& tip : cut) {
    put_tip(tips, tip);
    Bytes key = to_bytes(kTipPrefix), value;
    append_be(key, tip.lane);
    put_tip(value, tip);
    batch.put(ledger::kMetadata, key, value);
  }
  batch.put(ledger::kMetadata, cut_key(seq), tips);
  Bytes journal;
  append_be(journal, journal_seq);
  batch.put(ledger::kMetadata, as_bytes(kJournalKey), journal);
}

void put_epoch_end(kv::Batch& batch, std::uint64_t epoch, Seq seq) {
  Bytes by_epoch = to_bytes(kOverPrefix), by_slot = to_bytes(kEndPrefix);
  append_be(by_epoch, epoch);
  append_be(by_slot, seq);
  batch.put(ledger::kMetadata, by_epoch, slot_key(seq));
  batch.put(ledger::kMetadata, by_slot, {});
}

void put_epoch_due(kv::Batch& batch, Seq seq) { batch.put(ledger::kMetadata, as_bytes(kDueKey), slot_key(seq)); }

Result<std::optional<Seq>> read_epoch_end(const kv::Store& store, std::uint64_t epoch) {
  Bytes key = to_bytes(kOverPrefix);
  append_be(key, epoch);
  TRY(const auto bytes, store.get(ledger::kMetadata, key));
  if (!bytes) return std::optional<Seq>();
  if (bytes->size() != 8) return bad(text("the end of epoch {}", epoch), bytes->size());
  return std::optional<Seq>(load_be<std::uint64_t>(bytes->data()));
}

Result<Seq> read_epoch_due(const kv::Store& store) {
  TRY(const auto bytes, store.get(ledger::kMetadata, as_bytes(kDueKey)));
  if (!bytes) return 0;
  if (bytes->size() != 8) return bad("where the epoch was due", bytes->size());
  return load_be<std::uint64_t>(bytes->data());
}

Result<std::optional<Bytes>> read_vertex(const kv::Store& store, const Hash32& id) {
  return store.get(ledger::kVertices, id.view());
}

Result<std::optional<VertexNote>> read_note(const kv::Store& store, const Hash32& id) {
  TRY(const auto bytes, store.get(ledger::kMetadata, id.view()));
  if (!bytes) return std::optional<VertexNote>();
  if (bytes->size() != kNoteBytes) return bad("the note of a vertex", bytes->size());
  const std::uint8_t* p = bytes->data();
  return VertexNote{.lane = load_be<std::uint16_t>(p),
                    .height = load_be<std::uint64_t>(p + 2),
                    .tx_count = load_be<std::uint32_t>(p + 10),
                    .slot = load_be<std::uint64_t>(p + 14),
                    .block_time_ms = load_be<std::int64_t>(p + 22)};
}

Result<std::optional<consensus::Slot>> read_slot(const kv::Store& store, Seq seq) {
  TRY(const auto bytes, store.get(ledger::kFinalized, slot_key(seq)));
  if (!bytes) return std::optional<consensus::Slot>();
  auto slot = consensus::decode_slot(*bytes);
  if (!slot) return bad(text("slot {}: {}", seq, slot.error().str()), bytes->size());
  return std::optional(*std::move(slot));
}

Result<std::vector<Tip>> read_cut(const kv::Store& store, Seq seq) {
  std::vector<Tip> out;
  if (seq == 0) return out;
  TRY(const auto bytes, store.get(ledger::kMetadata, cut_key(seq)));
  if (!bytes || bytes->size() % kTipBytes != 0) return bad(text("the cut of slot {}", seq), bytes ? bytes->size() : 0);
  for (std::size_t at = 0; at < bytes->size(); at += kTipBytes) {
    const std::uint8_t* p = bytes->data() + at;
    Tip tip{.lane = load_be<std::uint16_t>(p), .height = load_be<std::uint64_t>(p + 2), .id = {}};
    std::memcpy(tip.id.data.data(), p + 10, tip.id.data.size());
    out.push_back(tip);
  }
  return out;
}

Result<std::uint64_t> read_journal_seq(const kv::Store& store) {
  TRY(const auto bytes, store.get(ledger::kMetadata, as_bytes(kJournalKey)));
  if (!bytes) return 0;
  if (bytes->size() != 8) return bad("the journal's place", bytes->size());
  return load_be<std::uint64_t>(bytes->data());
}

Result<std::vector<Bytes>> read_slot_vertices(const kv::Store& store, Seq seq) {
  Bytes end_key = to_bytes(kEndPrefix);
  append_be(end_key, seq - 1);
  TRY(const auto fresh, store.get(ledger::kMetadata, end_key));
  std::vector<Tip> before;
  if (!fresh) {
    TRY(before, read_cut(store, seq - 1));
  }
  TRY(const auto after, read_cut(store, seq));
  std::vector<Bytes> out;
  for (const Tip& tip : after) {
    const auto old = std::ranges::find(before, tip.lane, &Tip::lane);
    const std::uint64_t from = old == before.end() ? 0 : old->height;
    const auto first = static_cast<std::ptrdiff_t>(out.size());
    Hash32 id = tip.id;
    for (std::uint64_t height = tip.height; height > from; --height) {
      TRY(auto bytes, read_vertex(store, id));
      if (!bytes) return bad(text("vertex {} of slot {}", id, seq), 0);
      const auto frame = std::make_shared<const Bytes>(*bytes);
      const auto v = consensus::decode_vertex(frame);
      if (!v) return bad(text("vertex {}: {}", id, v.error().str()), bytes->size());
      id = v->vertex.parents[0];
      out.push_back(*std::move(bytes));
    }
    std::reverse(out.begin() + first, out.end());
  }
  return out;
}

}  // namespace hanse::replica
