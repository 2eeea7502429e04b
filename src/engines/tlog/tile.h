// Tiles and entry bundles (c2sp.org/tlog-tiles): the finite set of static resources that a log is read by.
//   checkpoint                      the signed note
//   tile/<L>/<N>[.p/<W>]            W (256 when full) hashes of 32 bytes: nodes of height 8 L, RFC 6962
//   tile/entries/<N>[.p/<W>]        W entries, each u16 big-endian length || bytes
// N in groups of three digits, all but the last with an x before them: 1234067 is x001/x234/067.
// Frontier: the roots of the complete subtrees of a growing tree, all that appending needs (64 hashes at most).
// TileNodes: proofs over tiles from anywhere. It believes what it reads: check what comes of it against a root.
// Limits: level 0 to 7 (2^64 leaves), entry 65,535 bytes. Threads: values and free functions any; TileNodes one.
// Errors: tlog.path (not_found: no resource of a log), tlog.bundle (corrupt: entries of another form), tlog.tile
// (corrupt: a tile of another size), tlog.entry_size (invalid), tlog.tree_range (invalid); those of the source.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto/merkle.h"

namespace hanse::tlog {

constexpr unsigned kTileHeight = 8;
constexpr std::uint64_t kTileWidth = 256;
constexpr unsigned kLevelMax = 7;
constexpr std::size_t kEntryMax = 65'535;
constexpr std::size_t kBundleMax = kTileWidth * (2 + kEntryMax);
constexpr std::size_t kTileBytes = kTileWidth * 32;

enum class ResourceKind : std::uint8_t { kCheckpoint, kTile, kEntries };
struct Resource {
  ResourceKind kind = ResourceKind::kCheckpoint;
  unsigned level = 0;                // of a tile
  std::uint64_t index = 0;           // N
  std::uint64_t width = kTileWidth;  // 1 to 256
  friend bool operator==(const Resource&, const Resource&) = default;
};
std::string resource_path(const Resource& resource);
Result<Resource> parse_resource(std::string_view path);
// How wide tile `index` of `level` is in a tree of `size` leaves; 0 when it is not there.
std::uint64_t tile_width(std::uint64_t size, unsigned level, std::uint64_t index);

void append_entry(Bytes& bundle, ByteView entry);  // the entry has at most kEntryMax bytes
// Views into the bundle; exactly `width` entries and nothing after them.
Result<std::vector<ByteView>> parse_bundle(ByteView bundle, std::uint64_t width);

// Reads a resource by its path: a folder, a store, a server.
using Fetch = std::function<Result<Bytes>(const std::string& path)>;
// The resource as a tree of `size` leaves needs it: where the partial one is gone, the full one has it.
Result<Bytes> fetch_tile(const Fetch& fetch, std::uint64_t size, unsigned level, std::uint64_t index);
Result<Bytes> fetch_bundle(const Fetch& fetch, std::uint64_t size, std::uint64_t index);

class TileNodes final : public crypto::LogNodes {
 public:
  static constexpr std::size_t kCachedMax = 256;
  TileNodes(Fetch fetch, std::uint64_t size) : fetch_(std::move(fetch)), size_(size) {}
  Result<Hash32> node(unsigned level, std::uint64_t index) const override;  // tlog.tree_range outside of the tree

 private:
  Fetch fetch_;
  std::uint64_t size_;
  mutable std::map<std::pair<unsigned, std::uint64_t>, Bytes> cached_;
};

class Frontier {
 public:
  using Visit = std::function<void(unsigned height, std::uint64_t index, const Hash32&)>;
  Frontier() = default;
  static Result<Frontier> of(const crypto::LogNodes& nodes, std::uint64_t size);
  // Visits every complete subtree that the leaf completes, from the leaf itself upwards.
  void push(const Hash32& leaf_hash, const Visit& visit = {});
  std::uint64_t size() const { return size_; }
  Hash32 root() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<Hash32> peaks_;  // one for every bit of size_, the widest first
};

}  // namespace hanse::tlog
