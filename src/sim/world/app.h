// The application and ledger of a simulated network: registers under keys, and a block per slot whose hash covers the
// blocks before, the digest and the vertices in their order. Blocks form one tree for the whole network: replicas that
// execute the same slots the same way share them, so a block costs its work once, and a replica's ledger is a path.
// A transaction is executed once: each client has one at a time, numbered. The operator's transactions name the next
// validator set; where an epoch ends the newest one named takes over. Evidence against a replica is a transaction too:
// the ledger judges it and keeps the fact, once.
// One thread at a time. Errors: none (what a Byzantine batch holds is skipped).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "chain/consensus/replica.h"
#include "sim/check/linear.h"

namespace hanse::sim {

struct Tx {
  std::uint16_t client = 0;
  std::uint32_t number = 0;  // 1 is a client's first
  std::uint8_t key = 0;
  OpKind kind = OpKind::kRead;
  std::uint64_t arg = 0, expected = 0;
};
constexpr std::size_t kTxBytes = 24;
void encode_tx(Bytes& out, const Tx& tx);
void encode_evidence_tx(Bytes& out, const consensus::Evidence& evidence);
constexpr std::uint16_t kOperator = 0xFFFE;  // arg = mask of the next set's replicas, expected = of keys that rotate

struct Block {
  struct Done {
    std::uint16_t client = 0;
    std::uint32_t number = 0;
    std::uint64_t answer = 0;
  };
  consensus::Seq seq = 0;
  Hash32 hash;
  consensus::Digest digest;
  std::optional<consensus::Proposal> proposal;
  std::vector<consensus::Tip> cut;
  std::vector<consensus::Frame> vertices;
  std::vector<Done> done;
  bool wants_block = false;

  // Epochs.
  std::uint64_t epoch = 0;
  consensus::Seq base = 0;  // where it began
  bool ends = false, due = false;
  std::uint64_t set = 0;                      // mask of the epoch's replicas
  std::vector<std::uint8_t> keys;             // by replica: how often its key was rotated
  std::uint32_t changes = 0;                  // the newest one executed
  std::uint64_t next_set = 0, next_keys = 0;  // 0: nothing pending

  std::vector<std::uint64_t> registers;
  std::vector<std::uint32_t> last;      // by client: the number of its newest executed transaction
  std::vector<consensus::Fact> facts;   // proven so far, ascending
  std::vector<consensus::Fact> proven;  // in this block
  std::uint64_t key = 0;
  std::vector<std::unique_ptr<Block>> children;
};

struct AppConfig {
  std::uint32_t clients = 0, keys = 0;
  bool wants_blocks = false;
  std::uint64_t epoch = 0;         // the first one's number
  consensus::Seq epoch_slots = 0;  // an epoch is due after so many; 0 = only when its set is to change
  std::uint64_t replicas = 0;      // mask
  // Of anybody's signatures in an epoch that is not after the one of the block.
  std::function<consensus::Oracle&(std::uint64_t epoch)> verifier = {};
};

class App {
 public:
  explicit App(AppConfig config);

  const Block* genesis() const { return &genesis_; }
  const Block* execute(const Block* parent, const consensus::Execute& execute);
  consensus::Frame vertex(const Hash32& id) const;    // of any executed block; null when there is none
  std::uint64_t repeats() const { return repeats_; }  // transactions that were executed before

 private:
  void apply(Block& block, ByteView batch);
  void judge(Block& block, ByteView evidence) const;
  void apply_change(Block& block, const Tx& tx);
  void turn(Block& block, const Block& parent, const consensus::Execute& execute);

  AppConfig config_;
  Block genesis_;
  std::unordered_map<Hash32, consensus::Frame> vertices_;
  std::uint64_t repeats_ = 0;
};

}  // namespace hanse::sim
