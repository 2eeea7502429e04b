// The sealed batch rounds as the ledger keeps them: calls, what is held for each commit, the head of each round,
// events. A round opens with its first commit at height h: commits until h + commit_blocks - 1, reveals in the
// reveal_blocks after that; at the end of the last of them it is cleared and recorded (round.h). Its bids are settled
// from that block on, kLocksMax a block: matches are locked, the others get their money back. The next round may open
// meanwhile. Layouts: proto/records/market.md. Limits: kCommitsPerCallMax commits under one signature, kRoundBidsMax a
// round, kRoundsKept recorded rounds. Threads: values, free functions any. Errors: market.record, market.event
// (invalid) and the codec's.
#pragma once

#include "exchange/market/round.h"

namespace hanse::market {

constexpr std::size_t kCommitsPerCallMax = 1024;
constexpr std::uint64_t kLocksMax = 1024;            // commits of a cleared round that one block settles
constexpr std::uint64_t kRoundsKept = 64;            // newest rounds whose head and record stay in the state
constexpr std::size_t kRoundPartBytes = 256 * 1024;  // a record is kept in parts of this size, the last one shorter

// Method::kCommit. One signature for many bids: each commit is commit_of a bid that will be revealed on its own. The
// jobs of these bids carry the nonce of this call, so nobody can order them out of the round.
struct Commit {
  std::vector<Hash32> commits;  // 1 to kCommitsPerCallMax
  friend bool operator==(const Commit&, const Commit&) = default;
};
// Result data of the call: the bids are at seq, seq + 1, ... of the round.
struct CommitPlace {
  std::uint64_t round = 0, seq = 0;
  Height commit_until, reveal_until;  // last heights of the two phases
  friend bool operator==(const CommitPlace&, const CommitPlace&) = default;
};
// Body of BodyKind::kReveal. Signed by the job itself, so anybody may hand it in.
struct Reveal {
  std::uint64_t round = 0, seq = 0;
  Salt salt;
  Bytes gxf;
  std::uint64_t attempt = 0;  // any number: a ledger answers the same bytes once, so a refused reveal needs another
  friend bool operator==(const Reveal&, const Reveal&) = default;
};

// A commit of an open round.
struct SealedBid {
  Hash32 commit;
  AccountId payer;
  std::uint64_t nonce = 0;
  Amount held;  // the deposit; once revealed, the limit
  struct Revealed {
    Bid bid;
    Salt salt;
    BlobId gxf_hash;
    std::uint64_t gas_limit = 0;
    std::uint32_t outputs = 0;
    gxf::Audit audit = gxf::Audit::kReceipts;
    friend bool operator==(const Revealed&, const Revealed&) = default;
  };
  std::optional<Revealed> revealed;
  friend bool operator==(const SealedBid&, const SealedBid&) = default;
};

struct RoundHead {
  std::uint64_t number = 0;  // from 1
  Height opened, commit_until, reveal_until;
  Height cleared;  // 0 = open; what follows but commits and reveals is of cleared rounds
  std::uint64_t commits = 0, reveals = 0, matches = 0;
  Amount burned;  // deposits of bids that were not revealed
  Amount paid, received, treasury;
  Hash32 record_hash;  // BLAKE3("hanse/round/1", encode_round)
  std::uint64_t record_bytes = 0;
  std::uint64_t settled = 0;  // of the commits, by seq: locked, paid back or burned
  bool open() const { return cleared.value == 0; }
  friend bool operator==(const RoundHead&, const RoundHead&) = default;
};
Hash32 round_hash(ByteView record);

// Rounds `open` to `newest` are open or not settled to the end; none when open is newest + 1.
struct RoundsHead {
  std::uint64_t newest = 0, open = 1;
  bool any_open() const { return open <= newest; }
  friend bool operator==(const RoundsHead&, const RoundsHead&) = default;
};

enum class RoundTopic : std::uint8_t {
  kCommitted,  // seq of the first, count, payer, deposit of all
  kRevealed,   // seq, payer, job, amount now held
  kNoReveal,   // seq, payer, deposit burned
  kUnmatched,  // seq, payer, job, refund, why
  kCleared,    // count of matches, amount to the treasury, hash of the record
};
std::string_view topic_name(RoundTopic topic);  // "market.committed", ...
struct RoundEvent {
  RoundTopic topic = RoundTopic::kCommitted;
  std::uint64_t round = 0, seq = 0, count = 0;
  AccountId payer;
  JobId job_id;
  Amount amount;
  std::uint8_t end = 0;  // BidEnd
  Hash32 hash;
  friend bool operator==(const RoundEvent&, const RoundEvent&) = default;
};

// Queries "rounds", "round_part" and "sealed_bid" of view.h.
struct RoundsQuery {
  std::uint64_t before = 0;  // 0: from the newest on, downwards
  std::uint32_t limit = 1;   // at most kPageMax
};
struct RoundPlace {
  std::uint64_t round = 0, index = 0;  // of a part, or seq of a commit
};

Bytes encode(const Commit& call);
Bytes encode(const Reveal& reveal);
Bytes encode_commit_place(const CommitPlace& place);
Bytes encode_sealed_bid(const SealedBid& bid);
Bytes encode_round_head(const RoundHead& head);
Bytes encode_rounds_head(const RoundsHead& head);
Bytes encode_round_event(const RoundEvent& event);
Bytes encode_query(const RoundsQuery& query);
Bytes encode_query(const RoundPlace& query);
Result<Commit> decode_commit(ByteView args);
Result<Reveal> decode_reveal(ByteView body);
Result<CommitPlace> decode_commit_place(ByteView data);
Result<SealedBid> decode_sealed_bid(ByteView bytes);
Result<RoundHead> decode_round_head(ByteView bytes);
Result<RoundsHead> decode_rounds_head(ByteView bytes);
Result<RoundEvent> decode_round_event(std::string_view topic, ByteView data);
Result<RoundsQuery> decode_rounds_query(ByteView argument);
Result<RoundPlace> decode_round_place(ByteView argument);
Result<std::vector<RoundHead>> decode_round_heads(ByteView answer);

}  // namespace hanse::market
