#include "engines/tlog/log_store.h"

#include <map>
#include <unordered_map>

#include "base/codec/cbor.h"
#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::tlog {
namespace {

constexpr kv::Family kEntries{0}, kTiles{1}, kIds{2}, kMeta{3};
constexpr std::string_view kHeadKey = "head";
constexpr std::uint64_t kRecordVersion = 1;

kv::Options store_options(kv::Create create) {
  return {.families = {{"entries", kv::Holds::kLargeValues}, {"tiles"}, {"ids", kv::Holds::kHashes}, {"meta"}},
          .create = create};
}

struct Record {
  std::string origin;
  TreeHead head;
};
Bytes encode_record(const Record& record) {
  codec::CborWriter w;
  w.map(4);
  w.key(0), w.u64(kRecordVersion);
  w.key(1), w.text(record.origin);
  w.key(2), w.u64(record.head.size);
  w.key(3), w.bytes(record.head.root.view());
  return w.take();
}
Result<Record> decode_record_strict(ByteView bytes) {
  codec::CborReader r(bytes);
  Record out;
  const auto field = [&r](std::uint64_t want) -> Status {
    if (!r.more()) return r.fail_missing(text("{}", want));
    TRY(const std::uint64_t found, r.key());
    if (found != want) return r.fail_here("codec.missing", text("found field {}, expected {}", found, want));
    return {};
  };
  TRY_OK(r.enter_map("head", 4));
  TRY_OK(field(0));
  TRY(const std::uint64_t version, r.u64("version"));
  if (version != kRecordVersion) return r.fail_here("codec.type", text("found version {}", version));
  TRY_OK(field(1));
  TRY(out.origin, r.text("origin", kNameMax));
  TRY_OK(field(2));
  TRY(out.head.size, r.u64("size"));
  TRY_OK(field(3));
  TRY_OK(r.fixed("root", out.head.root));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}
Result<Record> decode_record(ByteView bytes) {
  auto record = decode_record_strict(bytes);
  if (!record) return fail(Kind::kCorrupt, "tlog.store", text("head: {}", record.error().message()));
  return record;
}

Bytes bundle_key(std::uint64_t index) {
  Bytes key;
  append_be(key, index);
  return key;
}
Bytes tile_key(unsigned level, std::uint64_t index) {
  Bytes key = {static_cast<std::uint8_t>(level)};
  append_be(key, index);
  return key;
}

// Pieces of tiles or bundles being filled: by key of the first item, until their tile is full.
class Pieces {
 public:
  Bytes& at(Bytes prefix, std::uint64_t offset) {
    auto last = pieces_.find(prefix);
    if (last == pieces_.end()) {
      last = pieces_.emplace(std::move(prefix), Piece{static_cast<std::uint8_t>(offset), {}}).first;
    }
    return last->second.bytes;
  }
  void put(kv::Batch& batch, kv::Family family) const {
    for (const auto& [prefix, piece] : pieces_) {
      Bytes key = prefix;
      key.push_back(piece.offset);
      batch.put(family, key, piece.bytes);
    }
  }

 private:
  struct Piece {
    std::uint8_t offset;
    Bytes bytes;
  };
  std::map<Bytes, Piece> pieces_;
};

}  // namespace

Result<std::unique_ptr<LogStore>> LogStore::open_store(const std::string& path, std::string_view origin,
                                                       kv::Create create) {
  TRY(auto store, kv::Store::open(path, store_options(create)));
  std::unique_ptr<LogStore> out(new LogStore(std::move(store), std::string(origin)));
  return out;
}

Result<std::unique_ptr<LogStore>> LogStore::create(const std::string& path, std::string_view origin) {
  TRY(auto out, open_store(path, origin, kv::Create::kIfMissing));
  TRY(const auto there, out->store_->get(kMeta, as_bytes(kHeadKey)));
  if (!there) {
    kv::Batch batch;
    batch.put(kMeta, as_bytes(kHeadKey), encode_record({out->origin_, empty_head()}));
    TRY_OK(out->store_->write(std::move(batch), kv::Sync::kYes));
  }
  TRY_OK(out->load());
  return out;
}

Result<std::unique_ptr<LogStore>> LogStore::open(const std::string& path, std::string_view origin) {
  TRY(auto out, open_store(path, origin, kv::Create::kNo));
  TRY_OK(out->load());
  return out;
}

Status LogStore::load() {
  TRY(const auto bytes, store_->get(kMeta, as_bytes(kHeadKey)));
  if (!bytes) return fail(Kind::kNotFound, "tlog.no_store", "found a store without a log");
  TRY(Record record, decode_record(*bytes));
  if (record.origin != origin_)
    return fail(Kind::kDenied, "tlog.wrong_origin",
                text("found the log '{}' in the store, expected '{}'", record.origin, origin_));
  head_ = record.head;
  TRY(frontier_, Frontier::of(TileNodes(fetch(head_.size), head_.size), head_.size));
  if (frontier_.root() != head_.root)
    return fail(Kind::kCorrupt, "tlog.store_root",
                text("tiles of size {} have root {}, expected {}", head_.size, frontier_.root(), head_.root));
  return {};
}

TreeHead LogStore::head() const {
  const std::lock_guard lock(mutex_);
  return head_;
}

Result<std::vector<Added>> LogStore::append(std::span<const Entry> entries) {
  if (entries.size() > kGroupMax)
    return fail(Kind::kInvalid, "tlog.group_size",
                text("found {} entries, expected at most {}", entries.size(), kGroupMax));
  std::vector<ByteView> ids;
  for (const Entry& entry : entries) {
    if (entry.body.size() > kEntryMax)
      return fail(Kind::kInvalid, "tlog.entry_size",
                  text("found an entry of {} bytes, expected at most {}", entry.body.size(), kEntryMax));
    ids.push_back(entry.id.view());
  }
  TRY(const auto found, store_->get_many(kIds, ids));
  Frontier frontier = frontier_;
  Pieces bundles, tiles;
  kv::Batch batch;
  std::unordered_map<Hash32, std::uint64_t> mine;
  std::vector<Added> out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (found[i]) {
      if (found[i]->size() != 8) return fail(Kind::kCorrupt, "tlog.store", "an id leads to no index");
      out.push_back({load_be<std::uint64_t>(found[i]->data()), true});
      continue;
    }
    const std::uint64_t index = frontier.size();
    const auto [at, fresh] = mine.emplace(entries[i].id, index);
    out.push_back({at->second, !fresh});
    if (!fresh) continue;
    append_entry(bundles.at(bundle_key(index / kTileWidth), index % kTileWidth), entries[i].body);
    frontier.push(crypto::log_leaf_hash(entries[i].body), [&](unsigned height, std::uint64_t n, const Hash32& hash) {
      if (height % kTileHeight == 0)
        hanse::append(tiles.at(tile_key(height / kTileHeight, n / kTileWidth), n % kTileWidth), hash.view());
    });
    std::uint8_t number[8];
    store_be(number, index);
    batch.put(kIds, entries[i].id.view(), number);
  }
  if (mine.empty()) return out;
  const TreeHead head{frontier.size(), frontier.root()};
  bundles.put(batch, kEntries);
  tiles.put(batch, kTiles);
  batch.put(kMeta, as_bytes(kHeadKey), encode_record({origin_, head}));
  TRY_OK(store_->write(std::move(batch), kv::Sync::kYes));
  frontier_ = std::move(frontier);
  const std::lock_guard lock(mutex_);
  head_ = head;
  return out;
}

Result<std::optional<std::uint64_t>> LogStore::find(const Hash32& id) const {
  TRY(const auto found, store_->get(kIds, id.view()));
  if (!found) return std::optional<std::uint64_t>();
  if (found->size() != 8) return fail(Kind::kCorrupt, "tlog.store", "an id leads to no index");
  return std::optional(load_be<std::uint64_t>(found->data()));
}

Result<Bytes> LogStore::entry(std::uint64_t index) const {
  const std::uint64_t size = head().size;
  if (index >= size)
    return fail(Kind::kInvalid, "tlog.tree_range",
                text("found index {}, which a tree of {} does not have", index, size));
  TRY(const Bytes bundle, fetch_bundle(fetch(size), size, index / kTileWidth));
  TRY(const auto entries, parse_bundle(bundle, tile_width(size, 0, index / kTileWidth)));
  return to_bytes(entries[index % kTileWidth]);
}

Result<Bytes> LogStore::read(const Resource& resource, std::uint64_t size) const {
  const unsigned level = resource.kind == ResourceKind::kTile ? resource.level : 0;
  if (resource.kind == ResourceKind::kCheckpoint || resource.width == 0 ||
      resource.width > tile_width(size, level, resource.index))
    return fail(Kind::kNotFound, "tlog.path", text("found {} beyond size {}", resource_path(resource), size));
  Bytes out;
  if (resource.kind == ResourceKind::kTile) {
    TRY_OK(store_->scan(kTiles, tile_key(level, resource.index), {}, [&](ByteView, ByteView piece) {
      hanse::append(out, piece);
      return out.size() < resource.width * 32;
    }));
    if (out.size() < resource.width * 32)
      return fail(Kind::kCorrupt, "tlog.store", text("{} has {} bytes", resource_path(resource), out.size()));
    out.resize(resource.width * 32);
    return out;
  }
  TRY_OK(store_->scan(kEntries, bundle_key(resource.index), {}, [&](ByteView key, ByteView piece) {
    if (key.size() != 9 || key[8] >= resource.width) return false;
    hanse::append(out, piece);
    return true;
  }));
  std::size_t end = 0;  // of the entry that is the last one asked for: a piece may go on
  for (std::uint64_t i = 0; i < resource.width; ++i) {
    if (out.size() < end + 2 || out.size() - end - 2 < load_be<std::uint16_t>(out.data() + end))
      return fail(Kind::kCorrupt, "tlog.store", text("{} has {} bytes", resource_path(resource), out.size()));
    end += 2u + load_be<std::uint16_t>(out.data() + end);
  }
  out.resize(end);
  return out;
}

Fetch LogStore::fetch(std::uint64_t size) const {
  return [this, size](const std::string& path) -> Result<Bytes> {
    TRY(const Resource resource, parse_resource(path));
    return read(resource, size);
  };
}

Result<TreeHead> LogStore::head_at(std::uint64_t size) const {
  TRY(const Hash32 root, crypto::log_root(TileNodes(fetch(head().size), head().size), size));
  return TreeHead{size, root};
}

}  // namespace hanse::tlog
