// Seats: who sits where in the set of one epoch. Consensus names replicas by their place in it; links name peers by
// numbers that stay: the place in the genesis set, or what the stake application gave the key.
// Private to the room. Immutable once made; any thread. Errors: those of MlDsaOracle.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "chain/consensus/replica.h"
#include "chain/ledger/ledger.h"
#include "chain/replica/net.h"
#include "chain/replica/oracle.h"

namespace hanse::replica {

// The epoch behind the newest block.
struct NextEpoch {
  std::uint64_t epoch = 0;
  light::ValidatorSet set;
  consensus::Seq base = 0;  // the last block of the epoch before
  Hash32 base_block;
  bool wants_block = false;
  consensus::EpochEnd end;
};

struct Seats {
  std::uint64_t epoch = 0;
  consensus::Seq base = 0;
  Hash32 base_block;
  light::ValidatorSet set;
  std::vector<AccountId> ids;       // by place
  std::vector<PeerNumber> numbers;  // by place; kNobody: not known, it cannot be reached
  consensus::Index self = consensus::kFollower;
  std::unique_ptr<MlDsaOracle> oracle;

  bool follows() const { return self == consensus::kFollower; }
};

// Numbers of keys, by validator: those of the genesis, and of the stake application's members.
using Numbers = std::map<AccountId, PeerNumber>;
Result<Numbers> read_numbers(const light::Genesis& genesis, const ledger::View& view);

// As consensus has it; nothing: there is none.
Result<std::optional<consensus::Certificate>> certificate_of(const ledger::View& view, consensus::Seq seq);

struct SeatsParts {
  NetworkId network;
  std::uint64_t epoch = 0;
  consensus::Seq base = 0;
  Hash32 base_block;
  light::ValidatorSet set;
};
Result<std::shared_ptr<const Seats>> make_seats(SeatsParts parts, const crypto::SecretKey& key, const Numbers& numbers);

// Places of one epoch's peers, as consensus counts: those that are in no set come behind it, in the order they appear.
class Places {
 public:
  explicit Places(std::shared_ptr<const Seats> seats) : seats_(std::move(seats)) {}
  std::optional<consensus::Index> of(PeerNumber number);           // nothing: too many
  std::optional<PeerNumber> number(consensus::Index place) const;  // nothing: nobody who can be reached
  const Seats& seats() const { return *seats_; }

 private:
  std::shared_ptr<const Seats> seats_;
  std::vector<PeerNumber> outside_;
};

}  // namespace hanse::replica
