#include <algorithm>

#include "base/core/text.h"
#include "chain/backup/backup.h"
#include "chain/backup/names.h"
#include "chain/backup/trust.h"
#include "chain/backup/work.h"

namespace hanse::backup {
namespace {

void tell(const Step& step, std::string_view what) {
  if (step) step(what);
}

std::vector<ledger::App*> apps_of(const ledger::Ledger& ledger) {
  std::vector<ledger::App*> apps;
  for (const auto& [number, section] : ledger.genesis().apps) apps.push_back(ledger.app(number));
  return apps;
}

// Opening the copy says what it holds, and that it opens; the tip of the live ledger may be further by now.
Status describe(const ledger::Ledger& live, const std::string& path, Manifest& out) {
  TRY(const auto copy, ledger::Ledger::open(path, live.genesis(), apps_of(live),
                                            {.cache_bytes = 8u << 20, .write_buffer_bytes = 8u << 20}));
  out.header = copy->tip().header;
  if (auto newest = copy->certified(light::Grade::kFast))
    out.certified = Certified{.header = newest->header, .certificate = std::move(newest->certificate)};
  return {};
}

// RocksDB's own notes are no data.
bool is_data(std::string_view name) { return name != "LOCK" && !name.starts_with("LOG") && name != "IDENTITY"; }

Result<std::vector<Certified>> certified_for(const ledger::Ledger& ledger, const ledger::View& view,
                                             const Segment& segment) {
  std::vector<Certified> out;
  const std::uint64_t first = segment.blocks.front().header.epoch, last = segment.blocks.back().header.epoch;
  for (std::uint64_t epoch = first == 0 ? 0 : first - 1; epoch <= last; ++epoch) {
    TRY(const light::BlockHeader header, last_of_epoch(view, epoch));
    if (header.height > segment.last() || header.next_valset_hash == header.valset_hash) continue;
    TRY(auto certificate, view.certificate(header.height));
    if (certificate) out.push_back({.header = header, .certificate = std::move(*certificate)});
  }
  auto newest = ledger.certified(light::Grade::kFast);
  if (newest && newest->header.height <= segment.last() &&
      (out.empty() || out.back().header.height < newest->header.height))
    out.push_back({.header = newest->header, .certificate = std::move(newest->certificate)});
  return out;
}

// The archive's end; its last block must be one of this chain.
Result<Height> archived_upto(const ledger::View& view, archive::Target& target) {
  TRY(const auto entries, target.list(std::string(kCutsFolder)));
  std::optional<Span> last;
  for (const auto& entry : entries)
    if (auto span = parse_cuts_name(entry.name); span && (!last || span->last > last->last)) last = std::move(span);
  if (!last) return Height{0};
  TRY(const Bytes bytes, target.get_bytes(last->name, kSegmentDecodedMax));
  TRY(const Segment segment, with_context(decode_segment(bytes), last->name));
  const light::BlockHeader& archived = segment.blocks.back().header;
  if (archived.network != view.header().network)
    return fail(
        Kind::kConflict, "backup.other_network",
        text("found blocks of network {} in {}, expected {}", archived.network, target.shown(), view.header().network));
  if (archived.height > view.height())
    return fail(Kind::kConflict, "backup.other_chain",
                text("found block {} in {}, the ledger has only {}: it was set back", archived.height.value,
                     target.shown(), view.height().value));
  TRY(const ledger::Block own, view.block(archived.height));
  if (own.header != archived)
    return fail(Kind::kConflict, "backup.other_chain",
                text("found block {} at height {} in {}, expected {}", light::header_hash(archived),
                     archived.height.value, target.shown(), light::header_hash(own.header)));
  return archived.height;
}

// Blocks from `first` on, as many as fit. `header` is that of first, and becomes that of the block after the last.
Result<Segment> fill_segment(const ledger::View& view, Height first) {
  Segment out{.network = view.header().network, .blocks = {}, .certified = {}};
  TRY(ledger::Block block, view.block(first));
  std::size_t bytes = 0;
  for (;;) {
    ArchivedBlock& archived = out.blocks.emplace_back();
    archived.header = block.header;
    TRY(archived.txs, view.encoded_txs(block));
    for (const Bytes& tx : archived.txs) bytes += tx.size();
    const Height next = block.header.height.plus(1);
    if (next > view.height()) {
      TRY(const std::uint64_t epoch, view.next_epoch());
      archived.epoch_end = epoch != archived.header.epoch;
      return out;
    }
    TRY(block, view.block(next));
    archived.epoch_end = block.header.epoch != archived.header.epoch;
    if (out.blocks.size() == kSegmentBlocksMax || bytes >= kSegmentBytesMax) return out;
  }
}

}  // namespace

Result<std::string> create(const ledger::Ledger& ledger, archive::Target& target, const WorkOptions& options) {
  Fs& fs = real_fs();
  Clock& clock = options.clock != nullptr ? *options.clock : system_clock();
  TRY(const WorkFolder work, WorkFolder::make(fs, options.scratch, "create"));
  const std::string store = work.path() + "/store";
  tell(options.step, "copy the store");
  TRY_OK(ledger.checkpoint(store));
  Manifest manifest;
  tell(options.step, "open the copy");
  TRY_OK(describe(ledger, store, manifest));
  TRY(auto names, fs.list(store));
  std::erase_if(names, [](const std::string& name) { return !is_data(name); });
  tell(options.step, "pack");
  const std::string packed_path = text("{}/{}", work.path(), kDataName);
  TRY(archive::Packed packed, archive::pack(fs, store, names, packed_path));
  manifest.created_ms = clock.wall_ms();
  manifest.files = std::move(packed.files);
  manifest.packed_bytes = packed.size_bytes;
  manifest.packed_hash = packed.hash;
  const std::string id = backup_id({.height = manifest.header.height, .created_ms = manifest.created_ms});
  tell(options.step, text("send {} bytes", packed.size_bytes));
  TRY(const archive::Source source, archive::file_source(fs, packed_path));
  TRY_OK(target.put(text("{}/{}", id, kDataName), source));
  tell(options.step, "send the manifest");
  TRY_OK(target.put(text("{}/{}", id, kManifestName), archive::bytes_source(encode(manifest))));
  tell(options.step, "done");
  return id;
}

Result<Archived> archive_blocks(const ledger::Ledger& ledger, archive::Target& target) {
  TRY(const ledger::View view, ledger.view());
  Archived out;
  TRY(out.last, archived_upto(view, target));
  while (out.last < view.height()) {
    TRY(Segment segment, fill_segment(view, out.last.plus(1)));
    TRY(segment.certified, certified_for(ledger, view, segment));
    TRY_OK(target.put(cuts_name(segment.first(), segment.last()), archive::bytes_source(encode(segment))));
    out.segments += 1;
    out.blocks += segment.blocks.size();
    out.last = segment.last();
  }
  return out;
}

}  // namespace hanse::backup
