#include "engines/tlog/monitor.h"

#include <algorithm>

#include "base/codec/base64.h"
#include "base/core/text.h"

namespace hanse::tlog {
namespace {

std::unexpected<Error> bad_tiles(std::string_view why) { return fail(Kind::kCorrupt, "tlog.tiles", why); }
std::unexpected<Error> no_evidence(std::string_view why) { return fail(Kind::kCorrupt, "tlog.evidence", why); }

struct Growth {
  Hash32 root;          // of the smaller size in the larger tree
  crypto::Proof proof;  // of it
};
// What the tiles of the larger tree say of the smaller size, bound to the larger root.
Result<Growth> growth_by_tiles(const TileNodes& nodes, std::uint64_t smaller, const TreeHead& larger) {
  TRY(const Hash32 root, crypto::log_root(nodes, larger.size));
  if (root != larger.root)
    return bad_tiles(text("tiles of size {} lead to root {}, signed was {}", larger.size, root, larger.root));
  Growth out;
  TRY(out.root, crypto::log_root(nodes, smaller));
  if (smaller == 0 || smaller == larger.size) return out;
  TRY(out.proof, crypto::log_prove_consistency(nodes, {smaller, larger.size}));
  if (!crypto::log_verify_consistency({smaller, larger.size}, out.proof, out.root, larger.root))
    return bad_tiles(text("tiles of size {} contradict one another", larger.size));
  return out;
}

Status audit_entries(const Fetch& fetch, const TileNodes& nodes, std::uint64_t from, const TreeHead& to) {
  TRY(Frontier frontier, Frontier::of(nodes, from));
  while (frontier.size() < to.size) {
    const std::uint64_t index = frontier.size() / kTileWidth;
    TRY(const Bytes bundle, fetch_bundle(fetch, to.size, index));
    TRY(const auto entries, parse_bundle(bundle, tile_width(to.size, 0, index)));
    for (const ByteView entry : std::span(entries).subspan(frontier.size() % kTileWidth))
      frontier.push(crypto::log_leaf_hash(entry));
  }
  if (frontier.root() == to.root) return {};
  return bad_tiles(text("entries {} to {} lead to root {}, signed was {}", from, to.size, frontier.root(), to.root));
}

}  // namespace

std::string_view seen_name(Seen seen) {
  constexpr std::string_view kNames[] = {"first", "same", "grown", "older", "fork"};
  return kNames[static_cast<std::size_t>(seen)];
}

codec::Json evidence_json(const ForkEvidence& evidence) {
  codec::Json proof = codec::Json::array();
  for (const Hash32& hash : evidence.proof) proof.push(codec::to_base64(hash.view()));
  codec::Json out = codec::Json::object();
  out.set("smaller", evidence.smaller).set("larger", evidence.larger);
  out.set("other_root", codec::to_base64(evidence.other_root.view())).set("proof", std::move(proof));
  return out;
}

Result<ForkEvidence> parse_evidence(std::string_view json) {
  ForkEvidence out;
  const auto parsed = codec::parse_json(json);
  if (!parsed) return no_evidence(parsed.error().message());
  const auto member = [&](std::string_view name) -> Result<std::string_view> {
    const codec::Json* const found = parsed->find(name);
    const auto value = found == nullptr ? Result<std::string_view>("") : found->as_text(name);
    if (!value || value->empty()) return no_evidence(text("found no text in {}", name));
    return *value;
  };
  TRY(out.smaller, member("smaller"));
  TRY(out.larger, member("larger"));
  TRY(const std::string_view root, member("other_root"));
  if (!parse_hash(root, out.other_root)) return no_evidence("other_root is not the base64 of 32 bytes");
  const codec::Json* const proof = parsed->find("proof");
  if (proof == nullptr || proof->type() != codec::Json::Type::kArray || proof->items().size() > crypto::kProofMax)
    return no_evidence(text("found no proof of at most {} hashes", crypto::kProofMax));
  for (const codec::Json& item : proof->items()) {
    const auto value = item.as_text("proof");
    if (!value || !parse_hash(*value, out.proof.emplace_back()))
      return no_evidence("found a hash that is not the base64 of 32 bytes");
  }
  return out;
}

Status check_evidence(const ForkEvidence& evidence, std::string_view origin, std::span<const NoteKey> keys) {
  TRY(const OpenCheckpoint smaller, open_checkpoint(evidence.smaller, origin, keys));
  TRY(const OpenCheckpoint larger, open_checkpoint(evidence.larger, origin, keys));
  const TreeHead a = smaller.checkpoint.head, b = larger.checkpoint.head;
  if (a.root == evidence.other_root) return no_evidence("the smaller tree has the root of the larger one at its size");
  if (a.size == 0) {
    if (evidence.other_root == crypto::log_empty_root()) return {};
    return no_evidence("the other root of an empty tree is not that of RFC 6962");
  }
  const Status grown = crypto::log_verify_consistency({a.size, b.size}, evidence.proof, evidence.other_root, b.root);
  if (!grown) return no_evidence(grown.error().message());
  return {};
}

Result<Monitor> Monitor::create(std::string origin, std::vector<NoteKey> keys, std::string_view last) {
  Monitor out(std::move(origin), std::move(keys));
  if (last.empty()) return out;
  TRY(const OpenCheckpoint open, open_checkpoint(last, out.origin_, out.keys_));
  out.head_ = open.checkpoint.head;
  out.last_ = last;
  return out;
}

Result<Observation> Monitor::observe(std::string_view note, const Fetch& fetch, Audit audit, std::uint64_t audit_max) {
  TRY(const OpenCheckpoint open, open_checkpoint(note, origin_, keys_));
  const TreeHead shown = open.checkpoint.head;
  Observation out{.seen = Seen::kFirst, .head = shown, .entries = 0, .fork = {}};
  const bool older = shown.size < head_.size;
  const TreeHead smaller = older ? shown : head_, larger = older ? head_ : shown;
  if (!last_.empty()) out.seen = older ? Seen::kOlder : shown.size == head_.size ? Seen::kSame : Seen::kGrown;
  if (out.seen == Seen::kSame && shown.root != head_.root) {
    out.fork = ForkEvidence{last_, std::string(note), shown.root, {}};
    out.seen = Seen::kFork;
    return out;
  }
  if (out.seen == Seen::kSame) return out;
  const TileNodes nodes(fetch, larger.size);
  TRY(const Growth growth, growth_by_tiles(nodes, smaller.size, larger));
  if (growth.root != smaller.root) {
    out.fork =
        ForkEvidence{older ? std::string(note) : last_, older ? last_ : std::string(note), growth.root, growth.proof};
    out.seen = Seen::kFork;
    return out;
  }
  if (older) return out;
  if (audit == Audit::kEntries) {
    out.entries = larger.size - smaller.size;
    if (out.entries > audit_max)
      return fail(Kind::kExhausted, "tlog.audit_limit",
                  text("found {} entries to audit, expected at most {}", out.entries, audit_max));
    TRY_OK(audit_entries(fetch, nodes, smaller.size, larger));
  }
  last_ = note;
  head_ = shown;
  return out;
}

}  // namespace hanse::tlog
