// App: what a replicated application implements. Consensus orders transactions; the ledger hands them to the apps.
// The rules of replication hold inside every method: no clock, no float, no randomness but the context's, no unordered
// iteration, no threads, no I/O (consensus.md 5.5). The same transactions in the same order give the same bytes.
// Applications live with their subject (exchange/auction, engines/...) and are registered by node/roles.
// Threads: begin, apply and end on one thread; check, query and payer at any time from others, so an application keeps
// nothing that changes outside State. An error from begin or end stops the chain: it is a bug, not an answer.
// Errors: ledger.tx_too_large (exhausted) and the codec's from decode_tx.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/core/units.h"
#include "chain/ledger/state.h"
#include "chain/light/genesis.h"

namespace hanse::ledger {

// A transaction is opaque to the ledger: the number of the application it is for and that application's bytes,
// which authenticate themselves (a SignedCall, a GXF). At most 64 KiB.
struct Tx {
  std::uint8_t app = 0;
  Bytes body;
};
constexpr std::size_t kTxBytesMax = 64 * 1024;
Bytes encode_tx(const Tx& tx);
Result<Tx> decode_tx(ByteView bytes);
Hash32 tx_id(ByteView encoding);  // BLAKE3("hanse/tx/1", encoding)
Hash32 tx_id(const Tx& tx);

struct BlockContext {
  NetworkId network;
  Height height;
  std::int64_t time_ms = 0;  // agreed block time, strictly increasing
  AccountId leader;          // zero when nobody proposed the slot
  // BLAKE3("hanse/beacon/1", parent header hash || height), the only randomness. Over the header, not over its
  // certificate: ML-DSA signatures are hedged and signer sets differ, and a replayed cut must give the same beacon.
  Hash32 beacon;
  std::uint64_t epoch = 0;
  bool epoch_end = false;  // the last block of its epoch: the next one may be certified by another set
  const light::ValidatorSet* validators = nullptr;  // of the epoch; set in begin, apply and end
};

constexpr std::size_t kTopicMax = 64;
struct Event {
  std::string topic;  // "market.matched", at most kTopicMax bytes, none of them zero
  Bytes data;         // deterministic CBOR, layout named by the topic's owner
};

struct TxResult {
  std::uint32_t code = 0;  // 0 = applied; otherwise the state is untouched (but for the fee, once there is one)
  std::string error_id;    // "" or the Error's id
  std::string message;
  std::string path;
  Bytes data;
  std::vector<Event> events;
};
TxResult failed(const Error& error);  // code = error.code() or 1; message cut at kResultMessageMax
constexpr std::size_t kResultMessageMax = 1024;
constexpr std::size_t kResultDataMax = 64 * 1024;
constexpr std::size_t kResultEventsMax = 4096;
Bytes encode_result(const TxResult& result);  // what the header's receipt_root covers; proto/records/tx.md
Result<TxResult> decode_result(ByteView bytes);

struct EndResult {
  std::vector<Event> events;
  bool wants_block = false;  // a timeout is pending: heights must go on even without transactions
  bool epoch_due = false;    // the epoch is to end at the next occasion (consensus/replica_epoch.cc says which)
  // The validators from the next epoch on, taken where an epoch ends and ignored elsewhere. One application only.
  std::optional<light::ValidatorSet> next_set = {};
};

class App {
 public:
  virtual ~App() = default;
  virtual std::uint8_t number() const = 0;
  virtual std::string_view name() const = 0;  // prefix of its state keys

  virtual Status genesis(ByteView section, const NetworkId& network, State& state) = 0;  // its part of the genesis file
  virtual Status check(const Tx& tx, const BlockContext& next, const StateReader& state) const = 0;  // before the pool
  virtual Status begin(const BlockContext& context, State& state) = 0;
  virtual TxResult apply(const Tx& tx, const BlockContext& context, State& state) = 0;
  virtual Result<EndResult> end(const BlockContext& context, State& state) = 0;
  virtual Result<Bytes> query(std::string_view path, ByteView argument, const StateReader& state) const = 0;

  // Who answers for the transaction in the pool's per-account limit. By default the sender of a SignedCall; nothing
  // when the body is not one.
  virtual std::optional<AccountId> payer(const Tx& tx) const;
};

}  // namespace hanse::ledger
