#include "engines/tlog/mirror.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::tlog {

Fetch folder_fetch(Fs& fs, std::string dir) {
  return [&fs, dir = std::move(dir)](const std::string& path) -> Result<Bytes> {
    TRY_OK(parse_resource(path));
    return read_file(fs, dir + "/" + path, kBundleMax);
  };
}

Result<Mirror> Mirror::open(Parts parts) {
  Mirror out(std::move(parts));
  TRY_OK(out.parts_.fs->mkdir(out.parts_.dir));
  if (out.parts_.made) out.parts_.made(out.parts_.dir);
  const std::string path = out.parts_.dir + "/checkpoint";
  TRY(const bool there, out.parts_.fs->exists(path));
  if (!there) return out;
  TRY(const Bytes note, read_file(*out.parts_.fs, path, kNoteMax));
  TRY(const OpenCheckpoint open,
      with_context(open_checkpoint(as_text(note), out.parts_.origin, out.parts_.keys), text("read {}", path)));
  out.shown_ = open.checkpoint.head;
  out.any_ = true;
  return out;
}

Status Mirror::write(const std::string& path, ByteView bytes) {
  const std::string whole = parts_.dir + "/" + path;
  for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    const std::string folder = parts_.dir + "/" + path.substr(0, at);
    TRY(const bool there, parts_.fs->exists(folder));
    if (there) continue;
    TRY_OK(parts_.fs->mkdir(folder));
    TRY_OK(parts_.fs->sync_dir(parent_dir(folder)));
    if (parts_.made) parts_.made(folder);
  }
  TRY_OK(replace_file(*parts_.fs, whole, bytes));
  if (parts_.made) parts_.made(whole);
  return {};
}

Status Mirror::copy(const Resource& resource, const Fetch& fetch) {
  const std::string path = resource_path(resource);
  TRY(const Bytes bytes, fetch(path));
  return write(path, bytes);
}

// From the tile where the last shown size ends to the one where `size` ends.
Status Mirror::copy_level(Resource first, std::uint64_t size, const Fetch& fetch) {
  const std::uint64_t nodes = size >> (kTileHeight * first.level), full = nodes / kTileWidth;
  for (; first.index < full; ++first.index) {
    first.width = kTileWidth;
    TRY_OK(copy(first, fetch));
  }
  first.width = nodes % kTileWidth;
  return first.width == 0 ? Status() : copy(first, fetch);
}

Status Mirror::drop_parts(Resource full) {
  full.width = 1;
  const std::string part = resource_path(full), folder = parts_.dir + "/" + part.substr(0, part.rfind('/'));
  TRY(const bool there, parts_.fs->exists(folder));
  if (!there) return {};
  TRY(const auto names, parts_.fs->list(folder));
  for (const std::string& name : names) TRY_OK(parts_.fs->unlink(folder + "/" + name));
  return {};
}

Status Mirror::update(std::string_view note, const Fetch& fetch) {
  TRY(const OpenCheckpoint open, open_checkpoint(note, parts_.origin, parts_.keys));
  const TreeHead head = open.checkpoint.head;
  if (any_ && head == shown_) return {};
  if (head.size < shown_.size)
    return fail(Kind::kCorrupt, "tlog.rollback",
                text("found a checkpoint of size {}, but size {} was shown already", head.size, shown_.size));
  TRY(const Hash32 before, crypto::log_root(TileNodes(fetch, head.size), shown_.size));
  if (before != shown_.root || (head.size == shown_.size && head.root != shown_.root))
    return fail(Kind::kCorrupt, "tlog.fork",
                text("found root {} at size {}, shown was {}", before, shown_.size, shown_.root));
  std::vector<Resource> firsts = {{ResourceKind::kEntries, 0, shown_.size / kTileWidth, 0}};
  for (unsigned level = 0; level <= kLevelMax && head.size >> (kTileHeight * level) > 0; ++level)
    firsts.push_back({ResourceKind::kTile, level, (shown_.size >> (kTileHeight * level)) / kTileWidth, 0});
  for (const Resource& first : firsts) TRY_OK(copy_level(first, head.size, fetch));
  TRY_OK(write("checkpoint", as_bytes(note)));
  for (const Resource& first : firsts)
    if (tile_width(head.size, first.level, first.index) == kTileWidth) TRY_OK(drop_parts(first));
  shown_ = head;
  any_ = true;
  return {};
}

}  // namespace hanse::tlog
