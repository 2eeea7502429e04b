// The ledger's stored records and their keys. Private to the room.
#pragma once

#include "chain/ledger/ledger.h"

namespace hanse::ledger {

constexpr kv::Family kMeta{0}, kStateFamily{1}, kNodes{2}, kBlocks{3}, kTxs{4}, kEvents{5}, kTopics{6}, kHistory{7},
    kCerts{8}, kValsets{9};  // those of other rooms follow: ledger.h

// The state and its tree lie in one pair of families; an install (install.h) makes the other one ready and changes
// over.
constexpr kv::Family kStateOther{17}, kNodesOther{18};

// Per block the keys in the family vertices that hold its transactions: height || u32.
constexpr kv::Family kSources{19};
Bytes source_key(Height height, std::uint32_t source);
constexpr kv::Family state_family(std::uint8_t side) { return side == 0 ? kStateFamily : kStateOther; }
constexpr kv::Family node_family(std::uint8_t side) { return side == 0 ? kNodes : kNodesOther; }
constexpr std::string_view kSideKey = "side";  // in the family meta: u8, none = 0

// In the family meta: u8 wants a block and u64 epoch, both of the next block; u64 height of the newest.
constexpr std::string_view kNextKey = "next";
struct StoredNext {
  bool wants_block = false;
  std::uint64_t epoch = 0;
  Height height;
};
Bytes encode_next(const StoredNext& next);
Result<StoredNext> read_next(const kv::Store& store, const kv::Snapshot* at = nullptr);
constexpr std::string_view kEconomicKey = "economic";  // in meta: height of the newest economic certificate

Bytes height_key(Height height);
Bytes event_key(Height height, std::uint32_t index);
Bytes topic_key(std::string_view topic, Height height, std::uint32_t index);

Bytes encode_block(const Block& block);
Result<Block> decode_block(ByteView bytes);

// A certificate and what it weighs.
struct StoredCert {
  std::uint32_t power_bp = 0;
  light::Certificate certificate;
};
Bytes encode_cert(const StoredCert& stored);
Result<StoredCert> decode_cert(ByteView bytes);

// A validator set and the first height it certifies.
struct StoredSet {
  Height from;
  light::ValidatorSet set;
};
Bytes encode_set(const StoredSet& stored);
Result<StoredSet> decode_set(ByteView bytes);

Bytes history_key(light::HistoryPlace place);
light::HistoryGet history_get(const kv::Store& store);

struct StoredTx {
  Height height;
  std::uint32_t index = 0;
  Bytes tx;
  std::optional<TxPlace> place;  // instead of it; neither: applied before the state was fetched, known by its id only
  Bytes result;
};
Bytes encode_stored_tx(const StoredTx& stored);
Result<StoredTx> decode_stored_tx(ByteView bytes);

Bytes encode_event(const Event& event);
Result<Event> decode_event(ByteView bytes);

// An error of a record that this room wrote itself: corrupt, whatever the codec called it.
std::unexpected<Error> bad_record(std::string_view what, const Error& error);

// The state family read directly or at a snapshot.
class StoreState final : public StateReader {
 public:
  StoreState(const kv::Store& store, std::uint8_t side, const kv::Snapshot* at = nullptr)
      : store_(store), family_(state_family(side)), at_(at) {}
  Result<std::optional<Bytes>> get(ByteView key) const override;
  Status scan(ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit) const override;

 private:
  const kv::Store& store_;
  const kv::Family family_;
  const kv::Snapshot* at_;
};

}  // namespace hanse::ledger
