// Exchange: peers tell each other of peers (PEX, mesh.md 5.11), as a pure core: who may be asked and answered, and
// when. What is told are signed records, proved as any (record.h).
//   ask      one connected peer every kExchangeNs, drawn from those with a score above 0 that were not asked for so
//   long answer   each peer once in kExchangeNs, kToldMax records take     the answer of who was asked, once, within
//   kAnswerNs, while its score is above 0 score    its true records, kGoodMax at most, less kFalseCost for each false
//   one, and what the caller adds
// What a peer did is kept for kKeptNs after it has left, so that coming back does not clean it.
// Threads: one. Limits: kExchangePeersMax peers; of a further one nothing is known, so it is neither asked nor
// answered, unless one that left can be forgotten for it. Errors: none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "base/core/ids.h"
#include "base/core/random.h"

namespace hanse::discovery {

using PeerId = AccountId;

constexpr std::size_t kToldMax = 16, kExchangePeersMax = 1'024;
constexpr std::int64_t kExchangeNs = 60'000'000'000, kAnswerNs = 10'000'000'000, kKeptNs = 3'600'000'000'000;
constexpr std::int64_t kGoodMax = 100, kFalseCost = 100;

class Exchange {
 public:
  using Score = std::function<std::int64_t(const PeerId&)>;

  void up(const PeerId& peer, std::int64_t now_ns);
  void down(const PeerId& peer, std::int64_t now_ns);
  enum class Record : std::uint8_t { kTrue, kFalse };
  void gave(const PeerId& peer, Record record);

  std::optional<PeerId> ask(std::int64_t now_ns, Random& random, const Score& more);
  bool may_answer(const PeerId& peer, std::int64_t now_ns);
  bool may_take(const PeerId& peer, std::int64_t now_ns, const Score& more);
  std::int64_t score(const PeerId& peer, const Score& more) const;
  std::size_t size() const { return peers_.size(); }

 private:
  static constexpr std::int64_t kLongAgoNs = INT64_MIN / 4;
  struct Peer {
    bool up = true, asked = false;  // asked: an answer is awaited
    std::int64_t asked_ns = kLongAgoNs, answered_ns = kLongAgoNs, left_ns = 0;
    std::int64_t good = 0, wrong = 0;
  };
  Peer* find(const PeerId& peer);
  std::map<PeerId, Peer> peers_;
  std::int64_t next_ns_ = kLongAgoNs;
};

}  // namespace hanse::discovery
