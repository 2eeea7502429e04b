#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/codec/hex.h"
#include "base/codec/json.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/backup/backup.h"
#include "chain/backup/names.h"
#include "chain/backup/trust.h"
#include "chain/backup/work.h"

namespace hanse::backup {
namespace {

constexpr std::size_t kMarkerBytesMax = 64 * 1024;
constexpr ledger::Ledger::Options kSmall{.cache_bytes = 32u << 20, .write_buffer_bytes = 32u << 20};

void tell(const Step& step, std::string_view what) {
  if (step) step(what);
}

std::unexpected<Error> mismatch(std::string_view what, const Hash32& found, const Hash32& expected) {
  return fail(Kind::kCorrupt, "backup.mismatch", text("{}: found {}, expected {}", what, found, expected));
}

Result<Manifest> read_manifest(archive::Target& target, const std::string& id, const NetworkId& network) {
  if (!parse_backup_id(id))
    return fail(Kind::kNotFound, "backup.not_found", text("found '{}', expected backup-HEIGHT-MILLISECONDS", id));
  auto bytes = target.get_bytes(text("{}/{}", id, kManifestName), kManifestBytesMax);
  if (!bytes && bytes.error().kind() == Kind::kNotFound)
    return fail(Kind::kNotFound, "backup.not_found", text("found no {} in {}", id, target.shown()));
  if (!bytes) return std::unexpected(std::move(bytes).error());
  TRY(Manifest manifest, with_context(decode_manifest(*bytes), id));
  if (manifest.header.network != network)
    return fail(Kind::kConflict, "backup.other_network",
                text("found a backup of network {}, expected {}", manifest.header.network, network));
  return manifest;
}

// The data object into an existing empty folder; every byte is compared with the manifest.
Status fetch(archive::Target& target, const std::string& id, const Manifest& manifest, Fs& fs,
             const std::string& folder) {
  TRY(const std::uint64_t room, fs.free_bytes(folder));
  if (room < manifest.files_bytes())
    return fail(Kind::kExhausted, "backup.space",
                text("found {} bytes free at {}, the backup needs {}", room, folder, manifest.files_bytes()));
  archive::Unpacker to(fs, folder, {.files_max = manifest.files.size(), .bytes_max = manifest.files_bytes()});
  crypto::Blake3 hash;
  std::uint64_t size = 0;
  TRY_OK(target.get(text("{}/{}", id, kDataName), manifest.packed_bytes, [&](ByteView bytes) {
    hash.update(bytes);
    size += bytes.size();
    return to.feed(bytes);
  }));
  if (size != manifest.packed_bytes)
    return fail(Kind::kCorrupt, "backup.mismatch",
                text("{} of {}: found {} bytes, expected {}", kDataName, id, size, manifest.packed_bytes));
  if (hash.finish() != manifest.packed_hash)
    return mismatch(text("{} of {}", kDataName, id), hash.finish(), manifest.packed_hash);
  TRY(const auto files, to.finish());
  if (files != manifest.files)
    return fail(Kind::kCorrupt, "backup.mismatch",
                text("{} of {}: found other files or hashes than its manifest names", kDataName, id));
  return {};
}

// Gives the height when the certificate holds, 0 when it cannot be led back to the genesis: then it proves nothing, and
// the blocks stand on their execution alone.
Result<Height> proven(const ledger::Ledger& ledger, const Certified& certified) {
  TRY(const ledger::View view, ledger.view());
  const Status held = check_certified(ledger, view, certified);
  if (held) return certified.header.height;
  if (held.error().id() == "ledger.uncertified") return Height{0};
  return std::unexpected(held.error().clone());
}

struct Opened {
  std::unique_ptr<ledger::Ledger> ledger;
  Height certified;
};
Result<Opened> open_base(const std::string& folder, const Manifest& manifest, const Chain& chain) {
  Opened out;
  TRY(out.ledger, ledger::Ledger::open(folder, chain.genesis, chain.apps, kSmall));
  const light::BlockHeader& tip = out.ledger->tip().header;
  if (tip != manifest.header) return mismatch("block", light::header_hash(tip), light::header_hash(manifest.header));
  TRY_OK(out.ledger->audit());
  if (manifest.certified) {
    TRY(out.certified, proven(*out.ledger, *manifest.certified));
  }
  return out;
}

Restored describe(const ledger::Ledger& ledger, Height certified) {
  const light::BlockHeader& tip = ledger.tip().header;
  Restored out;
  out.height = tip.height;
  out.block = light::header_hash(tip);
  out.state_root = tip.state_root;
  out.time_ms = tip.time_ms;
  out.certified = certified;
  return out;
}

// The segments of a target, read one after the other.
class Archive {
 public:
  static Result<Archive> open(archive::Target& target) {
    Archive out(target);
    TRY(const auto entries, target.list(std::string(kCutsFolder)));
    for (const auto& entry : entries)
      if (auto span = parse_cuts_name(entry.name)) out.spans_.push_back(std::move(*span));
    return out;
  }

  // The segment that has the height and goes furthest, or nothing.
  Result<std::optional<Segment>> at(Height height) const {
    const Span* best = nullptr;
    for (const Span& span : spans_)
      if (span.first <= height && height <= span.last && (best == nullptr || span.last > best->last)) best = &span;
    if (best == nullptr) return std::optional<Segment>();
    TRY(const Bytes bytes, target_.get_bytes(best->name, kSegmentDecodedMax));
    TRY(Segment segment, with_context(decode_segment(bytes), best->name));
    if (segment.first() != best->first || segment.last() != best->last)
      return fail(Kind::kCorrupt, "backup.segment",
                  text("{}: found blocks {} to {}", best->name, segment.first().value, segment.last().value));
    return std::optional(std::move(segment));
  }

 private:
  explicit Archive(archive::Target& target) : target_(target) {}
  archive::Target& target_;
  std::vector<Span> spans_;
};

struct Point {
  std::optional<Height> height;
  std::optional<std::int64_t> time_ms;
  bool holds(const light::BlockHeader& header) const {
    return (!height || header.height <= *height) && (!time_ms || header.time_ms <= *time_ms);
  }
};

Status replay_block(ledger::Ledger& ledger, const ArchivedBlock& block) {
  const std::string what = text("block {} executed again", block.header.height.value);
  TRY(const ledger::Cut cut, cut_of(block));
  TRY(const ledger::Executed executed, with_context(ledger.execute(cut), what));
  if (executed.header != block.header)
    return mismatch(what, light::header_hash(executed.header), light::header_hash(block.header));
  return ledger.commit(executed);
}

// Executes archived blocks until the point; gives how many.
Result<std::uint64_t> replay(Opened& opened, const Archive& from, const Point& point, const Step& step) {
  ledger::Ledger& ledger = *opened.ledger;
  std::uint64_t replayed = 0;
  for (bool beyond = false; !beyond;) {
    const Height next = ledger.tip().header.height.plus(1);
    if (point.height && next > *point.height) break;
    TRY(const auto segment, from.at(next));
    if (!segment) break;
    tell(step, text("execute blocks from {}", next.value));
    for (const ArchivedBlock& block : segment->blocks) {
      if (block.header.height < next) continue;
      beyond = !point.holds(block.header);
      if (beyond) break;
      TRY_OK(replay_block(ledger, block));
      ++replayed;
    }
    for (const Certified& certified : segment->certified) {
      if (certified.header.height > ledger.tip().header.height) break;
      TRY(const Height height, proven(ledger, certified));
      opened.certified = std::max(opened.certified, height);
      if (height.value > 0) TRY_OK(ledger.certify(height, certified.certificate));
    }
  }
  if (point.height && ledger.tip().header.height < *point.height)
    return fail(
        Kind::kNotFound, "backup.gap",
        text("found archived blocks to height {}, expected {}", ledger.tip().header.height.value, point.height->value));
  return replayed;
}

// The newest readable base that fits; an unreadable one is passed over, a base of another network is an error.
Result<std::string> choose_base(archive::Target& target, const Point& point) {
  TRY(const auto all, list(target));
  std::string found;
  for (const Listed& one : all)
    if (one.manifest && point.holds(one.manifest->header)) found = one.id;
  if (found.empty())
    return fail(
        Kind::kNotFound, "backup.no_base",
        text("found {} backups in {}, none is readable and at or before that point", all.size(), target.shown()));
  return found;
}

Status sync_folder(Fs& fs, const std::string& folder) {
  TRY(const auto names, fs.list(folder));
  for (const std::string& name : names) {
    TRY(const auto file, fs.open(text("{}/{}", folder, name), OpenMode::kRead));
    TRY_OK(file->sync());
  }
  return fs.sync_dir(folder);
}

Status write_marker(Fs& fs, const std::string& dir, const Restored& restored) {
  codec::Json json = codec::Json::object();
  json.set("backup", restored.id).set("height", restored.height.value);
  json.set("block", codec::to_hex(restored.block.view())).set("time_ms", restored.time_ms);
  return replace_file(fs, text("{}/{}", dir, kMarkerName), as_bytes(json.dump() + "\n"));
}

// dir and kept change places in one step where the file system can, so that dir is old or new at any moment. Otherwise
// it is absent for a moment, and both folders are whole.
Status put_in_place(Fs& fs, const std::string& stage, const std::string& dir, const std::string& kept) {
  constexpr unsigned kExchange = 2;  // RENAME_EXCHANGE
  TRY_OK(fs.rename(stage, kept));
  if (::syscall(SYS_renameat2, AT_FDCWD, kept.c_str(), AT_FDCWD, dir.c_str(), kExchange) == 0) return {};
  TRY_OK(fs.rename(kept, stage));
  TRY_OK(fs.rename(dir, kept));
  return fs.rename(stage, dir);
}

std::string trimmed(std::string dir) {
  while (dir.size() > 1 && dir.ends_with('/')) dir.pop_back();
  return dir;
}

}  // namespace

Result<Restored> verify(archive::Target& target, const std::string& id, const Chain& chain,
                        const WorkOptions& options) {
  Fs& fs = real_fs();
  TRY(const Manifest manifest, read_manifest(target, id, light::network_id(chain.genesis)));
  TRY(const WorkFolder work, WorkFolder::make(fs, options.scratch, "verify"));
  tell(options.step, text("read {} bytes", manifest.packed_bytes));
  TRY_OK(fetch(target, id, manifest, fs, work.path()));
  tell(options.step, "open and audit");
  TRY(const Opened opened, open_base(work.path(), manifest, chain));
  Restored out = describe(*opened.ledger, opened.certified);
  out.id = id;
  out.base = out.height;
  tell(options.step, "follow the archive");
  TRY(const Archive archived, Archive::open(target));
  Hash32 parent = out.block;
  for (Height next = out.height.plus(1);;) {
    TRY(const auto segment, archived.at(next));
    if (!segment) return out;
    for (const ArchivedBlock& block : segment->blocks) {
      if (block.header.height < next) continue;
      if (block.header.parent != parent)
        return mismatch(text("parent of archived block {}", next.value), block.header.parent, parent);
      parent = light::header_hash(block.header);
      next = next.plus(1);
      ++out.archived;
    }
  }
}

Result<Restored> restore(archive::Target& target, const Chain& chain, const RestoreOptions& options) {
  Fs& fs = options.fs != nullptr ? *options.fs : real_fs();
  const std::string dir = trimmed(options.dir);
  const std::string kept = dir + ".before-restore";
  if (options.to_height && options.to_time_ms)
    return fail(Kind::kInvalid, "backup.point", "found a height and a time, expected one of them");
  TRY(const bool occupied, fs.exists(dir));
  if (occupied && !options.replace)
    return fail(Kind::kConflict, "backup.exists", text("found {}, expected no such folder yet", dir));
  TRY(const bool kept_before, fs.exists(kept));
  if (occupied && kept_before)
    return fail(Kind::kConflict, "backup.exists",
                text("found {} of an earlier restore, expected no such folder: remove or move it", kept));
  const Point point{.height = options.to_height, .time_ms = options.to_time_ms};
  std::string id = options.id;
  if (id.empty()) {
    TRY(id, choose_base(target, point));
  }
  TRY(const Manifest manifest, read_manifest(target, id, light::network_id(chain.genesis)));
  if (!point.holds(manifest.header))
    return fail(Kind::kInvalid, "backup.point",
                text("found {} at height {} and time {}, which is after the point", id, manifest.header.height.value,
                     manifest.header.time_ms));
  TRY(WorkFolder stage, WorkFolder::make(fs, parent_dir(dir), text("{}.restoring", dir.substr(dir.rfind('/') + 1))));
  const std::string store = stage.path() + "/store";
  TRY_OK(fs.mkdir(store));
  tell(options.step, text("read {} bytes", manifest.packed_bytes));
  TRY_OK(fetch(target, id, manifest, fs, store));
  tell(options.step, "open and audit");
  TRY(Opened opened, open_base(store, manifest, chain));
  const std::unique_ptr<ledger::Ledger>& ledger = opened.ledger;
  std::uint64_t replayed = 0;
  if (point.height || point.time_ms) {
    TRY(const Archive archived, Archive::open(target));
    TRY(replayed, replay(opened, archived, point, options.step));
    TRY_OK(ledger->audit());
  }
  TRY_OK(ledger->sync());
  Restored out = describe(*ledger, opened.certified);
  out.id = id;
  out.base = manifest.header.height;
  out.replayed = replayed;
  opened.ledger.reset();
  tell(options.step, "sync");
  TRY_OK(sync_folder(fs, store));
  TRY_OK(write_marker(fs, stage.path(), out));
  TRY_OK(fs.sync_dir(stage.path()));
  tell(options.step, "put in place");
  if (occupied) {
    TRY_OK(put_in_place(fs, stage.path(), dir, kept));
    out.kept = kept;
  } else {
    TRY_OK(fs.rename(stage.path(), dir));
  }
  TRY_OK(fs.sync_dir(parent_dir(dir)));
  tell(options.step, "done");
  return out;
}

Result<std::optional<std::string>> read_marker(Fs& fs, const std::string& dir) {
  const std::string path = text("{}/{}", dir, kMarkerName);
  TRY(const bool there, fs.exists(path));
  if (!there) return std::optional<std::string>();
  TRY(const Bytes bytes, read_file(fs, path, kMarkerBytesMax));
  return std::optional(std::string(as_text(bytes)));
}

}  // namespace hanse::backup
