#include "engines/tlog/tile.h"

#include <algorithm>
#include <bit>

#include "base/core/check.h"
#include "base/core/text.h"
#include "engines/tlog/checkpoint.h"

namespace hanse::tlog {
namespace {

std::unexpected<Error> no_path(std::string_view path) {
  return fail(Kind::kNotFound, "tlog.path", text("found '{}', which is no resource of a log", path.substr(0, 100)));
}

std::string index_path(std::uint64_t index) {
  std::string out = text("{:03}", index % 1000);
  while ((index /= 1000) > 0) out = text("x{:03}/{}", index % 1000, out);
  return out;
}

bool take_prefix(std::string_view& s, std::string_view prefix) {
  if (!s.starts_with(prefix)) return false;
  s.remove_prefix(prefix.size());
  return true;
}

bool take_digits3(std::string_view& s, std::uint64_t& index) {
  if (s.size() < 3) return false;
  for (std::size_t i = 0; i < 3; ++i) {
    if (s[i] < '0' || s[i] > '9') return false;
    if (__builtin_mul_overflow(index, std::uint64_t{10}, &index) ||
        __builtin_add_overflow(index, static_cast<std::uint64_t>(s[i] - '0'), &index))
      return false;
  }
  s.remove_prefix(3);
  return true;
}

// The path of another form of the same number does not pass: it would be a second name of one resource.
bool take_index(std::string_view& s, std::uint64_t& index) {
  const std::string_view whole = s;
  index = 0;
  while (take_prefix(s, "x"))
    if (!take_digits3(s, index) || !take_prefix(s, "/")) return false;
  return take_digits3(s, index) && whole.substr(0, whole.size() - s.size()) == index_path(index);
}

Result<Bytes> fetch_whole_or_part(const Fetch& fetch, Resource resource) {
  auto part = fetch(resource_path(resource));
  if (part || resource.width == kTileWidth || part.error().kind() != Kind::kNotFound) return part;
  resource.width = kTileWidth;
  auto whole = fetch(resource_path(resource));
  return whole ? std::move(whole) : std::move(part);
}

std::unexpected<Error> out_of_tree(std::string what, std::uint64_t size) {
  return fail(Kind::kInvalid, "tlog.tree_range", text("found {}, which a tree of {} leaves does not have", what, size));
}

}  // namespace

std::string resource_path(const Resource& resource) {
  if (resource.kind == ResourceKind::kCheckpoint) return "checkpoint";
  std::string out = resource.kind == ResourceKind::kTile ? text("tile/{}/", resource.level) : "tile/entries/";
  out += index_path(resource.index);
  if (resource.width < kTileWidth) out += text(".p/{}", resource.width);
  return out;
}

Result<Resource> parse_resource(std::string_view path) {
  Resource out;
  if (path == "checkpoint") return out;
  std::string_view rest = path;
  if (!take_prefix(rest, "tile/")) return no_path(path);
  if (take_prefix(rest, "entries/")) {
    out.kind = ResourceKind::kEntries;
  } else {
    out.kind = ResourceKind::kTile;
    std::uint64_t level = 0;
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos || !parse_decimal(rest.substr(0, slash), level) || level > kLevelMax)
      return no_path(path);
    out.level = static_cast<unsigned>(level);
    rest.remove_prefix(slash + 1);
  }
  if (!take_index(rest, out.index)) return no_path(path);
  if (rest.empty()) return out;
  if (!take_prefix(rest, ".p/") || !parse_decimal(rest, out.width) || out.width == 0 || out.width >= kTileWidth)
    return no_path(path);
  return out;
}

std::uint64_t tile_width(std::uint64_t size, unsigned level, std::uint64_t index) {
  const std::uint64_t nodes = level > kLevelMax ? 0 : size >> (kTileHeight * level);
  const std::uint64_t tiles_before = nodes / kTileWidth;
  if (index < tiles_before) return kTileWidth;
  return index == tiles_before ? nodes % kTileWidth : 0;
}

void append_entry(Bytes& bundle, ByteView entry) {
  check(entry.size() <= kEntryMax, "a log entry fits its length");
  append_be(bundle, static_cast<std::uint16_t>(entry.size()));
  append(bundle, entry);
}

Result<std::vector<ByteView>> parse_bundle(ByteView bundle, std::uint64_t width) {
  std::vector<ByteView> out;
  while (!bundle.empty()) {
    const std::size_t size = bundle.size() < 2 ? kEntryMax : load_be<std::uint16_t>(bundle.data());
    if (bundle.size() < 2 + size)
      return fail(Kind::kCorrupt, "tlog.bundle", text("entry {} is cut off after {} bytes", out.size(), bundle.size()));
    if (out.size() == width) return fail(Kind::kCorrupt, "tlog.bundle", text("found more than {} entries", width));
    out.push_back(bundle.subspan(2, size));
    bundle = bundle.subspan(2 + size);
  }
  if (out.size() != width)
    return fail(Kind::kCorrupt, "tlog.bundle", text("found {} entries, expected {}", out.size(), width));
  return out;
}

Result<Bytes> fetch_tile(const Fetch& fetch, std::uint64_t size, unsigned level, std::uint64_t index) {
  const std::uint64_t width = tile_width(size, level, index);
  if (width == 0) return out_of_tree(text("tile {} of level {}", index, level), size);
  TRY(Bytes tile, fetch_whole_or_part(fetch, {ResourceKind::kTile, level, index, width}));
  if (tile.size() != width * 32 && tile.size() != kTileBytes)
    return fail(Kind::kCorrupt, "tlog.tile",
                text("tile {} of level {} has {} bytes, expected {}", index, level, tile.size(), width * 32));
  tile.resize(width * 32);
  return tile;
}

Result<Bytes> fetch_bundle(const Fetch& fetch, std::uint64_t size, std::uint64_t index) {
  const std::uint64_t width = tile_width(size, 0, index);
  if (width == 0) return out_of_tree(text("bundle {}", index), size);
  TRY(Bytes bundle, fetch_whole_or_part(fetch, {ResourceKind::kEntries, 0, index, width}));
  if (const auto entries = parse_bundle(bundle, width); entries) return bundle;
  TRY(const auto entries, parse_bundle(bundle, kTileWidth));  // the full one in place of the partial one
  Bytes out;
  for (const ByteView entry : std::span(entries).first(width)) append_entry(out, entry);
  return out;
}

Result<Hash32> TileNodes::node(unsigned level, std::uint64_t index) const {
  const unsigned tile_level = level / kTileHeight, height = level % kTileHeight;
  if (level >= 64 || index >= size_ >> level) return out_of_tree(text("node {} of level {}", index, level), size_);
  const std::uint64_t first = index << height;
  const std::pair place(tile_level, first / kTileWidth);
  auto at = cached_.find(place);
  if (at == cached_.end()) {
    TRY(Bytes tile, fetch_tile(fetch_, size_, place.first, place.second));
    if (cached_.size() == kCachedMax) cached_.clear();
    at = cached_.emplace(place, std::move(tile)).first;
  }
  std::vector<Hash32> row(std::size_t{1} << height);
  for (std::size_t i = 0; i < row.size(); ++i)
    std::memcpy(row[i].data.data(), at->second.data() + (first % kTileWidth + i) * 32, 32);
  for (; row.size() > 1; row.resize(row.size() / 2))
    for (std::size_t i = 0; i < row.size() / 2; ++i) row[i] = crypto::log_node_hash(row[2 * i], row[2 * i + 1]);
  return row[0];
}

Result<Frontier> Frontier::of(const crypto::LogNodes& nodes, std::uint64_t size) {
  Frontier out;
  for (int bit = 63; bit >= 0; --bit) {
    if ((size >> bit & 1) == 0) continue;
    TRY(const Hash32 peak, nodes.node(static_cast<unsigned>(bit), out.size_ >> bit));
    out.peaks_.push_back(peak);
    out.size_ += std::uint64_t{1} << bit;
  }
  return out;
}

void Frontier::push(const Hash32& leaf_hash, const Visit& visit) {
  Hash32 hash = leaf_hash;
  unsigned height = 0;
  if (visit) visit(0, size_, hash);
  for (; (size_ >> height & 1) != 0; peaks_.pop_back()) {
    hash = crypto::log_node_hash(peaks_.back(), hash);
    ++height;
    if (visit) visit(height, size_ >> height, hash);
  }
  peaks_.push_back(hash);
  ++size_;
}

Hash32 Frontier::root() const {
  if (peaks_.empty()) return crypto::log_empty_root();
  Hash32 root = peaks_.back();
  for (auto peak = peaks_.rbegin() + 1; peak != peaks_.rend(); ++peak) root = crypto::log_node_hash(*peak, root);
  return root;
}

}  // namespace hanse::tlog
