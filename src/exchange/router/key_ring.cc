#include "exchange/router/key_ring.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::router {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kSeedBoxMax = 128;
constexpr std::string_view kFileContext = "hanse/router-keys/1", kSeedContext = "hanse/router-seed/1";

Bytes associated(std::string_view context, const NodeId& node, std::uint32_t epoch) {
  Bytes out = to_bytes(context);
  append(out, node.view());
  append_be(out, epoch);
  return out;
}

std::size_t file_max(const KeyRingConfig& config) {  // a current, a past and a next set
  return 4096 + (config.ahead + 3) * kSeedBoxMax * 2 + config.tags_max * 8 * 3;
}

Bytes bytes_of(const std::vector<std::uint64_t>& fingerprints) {
  Bytes out(fingerprints.size() * 8);
  for (std::size_t i = 0; i < fingerprints.size(); ++i) store_le(out.data() + i * 8, fingerprints[i]);
  return out;
}

std::vector<std::uint64_t> fingerprints_of(ByteView bytes) {
  std::vector<std::uint64_t> out(bytes.size() / 8);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = load_le<std::uint64_t>(bytes.data() + i * 8);
  return out;
}

std::unexpected<Error> bad_file(std::string_view what) { return fail(Kind::kCorrupt, "router.keys", what); }

}  // namespace

KeyRing::KeyRing(Fs& fs, std::string path, crypto::AeadKey seal, KeyRingConfig config, Random& random)
    : fs_(&fs), path_(std::move(path)), seal_(std::move(seal)), config_(config), random_(&random) {
  check(config_.ahead >= 1 && config_.ahead <= kEpochsAheadMax && config_.grace_ms * 2 < config_.epoch_ms,
        "keys are made ahead and two graces fit an epoch");
}

Result<KeyRing> KeyRing::open(Fs& fs, std::string path, crypto::AeadKey seal, KeyRingConfig config, Random& random,
                              std::int64_t wall_ms) {
  KeyRing ring(fs, std::move(path), std::move(seal), config, random);
  ring.made_until_ = ring.epoch_of(wall_ms);  // nobody was told of a key for this epoch
  TRY(const bool exists, fs.exists(ring.path_));
  if (exists) TRY_OK(ring.load());
  TRY_OK(ring.save(Write::kClosedOnly));
  TRY_OK(ring.turn(wall_ms));
  return ring;
}

std::uint32_t KeyRing::epoch_of(std::int64_t wall_ms) const {
  return static_cast<std::uint32_t>(std::max<std::int64_t>(0, wall_ms) / config_.epoch_ms);
}

bool KeyRing::due(std::uint32_t epoch, std::int64_t wall_ms) const {
  return wall_ms >= std::int64_t{epoch} * config_.epoch_ms - config_.grace_ms;
}

bool KeyRing::over(std::uint32_t epoch, std::int64_t wall_ms) const {
  return wall_ms >= (std::int64_t{epoch} + 1) * config_.epoch_ms + config_.grace_ms;
}

std::int64_t KeyRing::next_turn_ms(std::int64_t wall_ms) const {
  const std::int64_t begin = std::int64_t{epoch_of(wall_ms)} * config_.epoch_ms;
  for (const std::int64_t at : {begin + config_.grace_ms, begin + config_.epoch_ms - config_.grace_ms})
    if (at > wall_ms) return at;
  return begin + config_.epoch_ms;
}

Status KeyRing::turn(std::int64_t wall_ms) {
  std::erase_if(entries_, [&](const auto& e) { return over(e.first, wall_ms); });
  const std::uint32_t current = epoch_of(wall_ms);
  const std::uint32_t made_before = made_until_;
  for (std::uint32_t e = std::max(made_until_, current) + 1; e <= current + config_.ahead; ++e) {
    crypto::SecureBytes seed(crypto::kem_sizes(static_cast<std::uint8_t>(config_.geometry.kem))->seed);
    random_->fill(seed.span());
    TRY(Entry entry, entry_of(std::move(seed)));
    entries_.emplace(e, std::move(entry));
    made_until_ = e;
  }
  std::vector<Entry*> opening;
  for (auto& [epoch, entry] : entries_)
    if (!entry.open && due(epoch, wall_ms)) opening.push_back(&entry);
  if (made_until_ == made_before && opening.empty()) return {};
  for (Entry* entry : opening) entry->open = true;  // for save: it writes what is closed
  Status saved = save(Write::kClosedOnly);
  if (saved) return saved;
  for (Entry* entry : opening) entry->open = false;
  std::erase_if(entries_, [made_before](const auto& e) { return e.first > made_before; });  // nobody saw them
  made_until_ = made_before;
  return saved;
}

Status KeyRing::stop() && {
  Status saved = save(Write::kAll);
  entries_.clear();
  return saved;
}

Result<KeyRing::Open> KeyRing::at(std::uint32_t epoch) {
  const auto found = entries_.find(epoch);
  if (found == entries_.end() || !found->second.open)
    return fail(Kind::kNotFound, "router.epoch", text("no key of epoch {} takes cells here", epoch));
  return Open{found->second.secret, found->second.seen};
}

std::vector<EpochPublic> KeyRing::to_publish() const {
  std::vector<EpochPublic> out;
  for (const auto& [epoch, entry] : entries_)
    if (!entry.open) out.push_back({epoch, entry.secret.public_key()});
  return out;
}

Result<KeyRing::Entry> KeyRing::entry_of(crypto::SecureBytes seed) const {
  TRY(auto secret, crypto::KemSecretKey::from_seed(config_.geometry.kem, seed.view()));
  return Entry{std::move(seed), std::move(secret), false, ReplaySet(config_.tags_max)};
}

Status KeyRing::save(Write what) {
  const auto written = [what](const auto& e) { return what == Write::kAll || !e.second.open; };
  codec::CborWriter w;
  w.map(3);
  w.key(0);
  w.u64(kVersion);
  w.key(1);
  w.u64(made_until_);
  w.key(2);
  w.array(static_cast<std::size_t>(std::ranges::count_if(entries_, written)));
  for (const auto& e : entries_) {
    if (!written(e)) continue;
    const auto& [epoch, entry] = e;
    // Sealed by itself as well: the writer's buffer moves as it grows and is not wiped.
    TRY(const Bytes box, seal_.seal(associated(kSeedContext, config_.node, epoch), entry.seed.view(), *random_));
    w.array(4);
    w.u64(epoch);
    w.bytes(box);
    w.boolean(entry.open);
    w.bytes(bytes_of(entry.seen.fingerprints()));
  }
  TRY(const Bytes sealed, seal_.seal(associated(kFileContext, config_.node, 0), w.take(), *random_));
  return replace_file(*fs_, path_, sealed);
}

Status KeyRing::load() {
  TRY(const Bytes sealed, read_file(*fs_, path_, file_max(config_)));
  const auto plain = seal_.open(associated(kFileContext, config_.node, 0), sealed);
  if (!plain) return bad_file(text("{} is not this node's, or was altered", path_));
  const auto read = [&]() -> Status {
    codec::CborReader r(plain->view(), {.size_max = file_max(config_)});
    TRY_OK(r.enter_map("keys", 3));
    std::uint64_t expected = 0;
    while (r.more()) {
      TRY(const auto key, r.key());
      if (key != expected++) return bad_file(text("found key {}, expected {}", key, expected - 1));
      if (key == 0) {
        TRY(const auto version, r.u64("version"));
        if (version != kVersion) return bad_file(text("found version {}, expected {}", version, kVersion));
      } else if (key == 1) {
        TRY(const auto made, r.u64("made_until", 0xffff'ffff));
        made_until_ = std::max(made_until_, static_cast<std::uint32_t>(made));
      } else {
        TRY_OK(r.enter_array("epochs", kEpochsAheadMax + 3));
        while (r.more()) {
          TRY_OK(r.enter_array("epoch", 4));
          TRY(const auto epoch, r.u64("number", 0xffff'ffff));
          TRY(const ByteView box, r.bytes("seed", kSeedBoxMax));
          TRY(const bool open, r.boolean("open"));
          TRY(const ByteView tags, r.bytes("tags", config_.tags_max * 8));
          TRY_OK(r.leave());
          const auto number = static_cast<std::uint32_t>(epoch);
          TRY(auto seed, seal_.open(associated(kSeedContext, config_.node, number), box));
          TRY(Entry entry, entry_of(std::move(seed)));
          entry.open = open;
          TRY_OK(entry.seen.restore(fingerprints_of(tags)));
          entries_.emplace(number, std::move(entry));
        }
        TRY_OK(r.leave());
      }
    }
    TRY_OK(r.leave());
    return r.finish();
  };
  const Status status = read();
  if (!status) return bad_file(text("{}: {}", path_, status.error().str()));
  return {};
}

}  // namespace hanse::router
