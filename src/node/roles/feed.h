// Feed: tells of what a chain reached, as it happens: every block (fast final), every economic certificate, every view,
// every validator that a block punished.
// It also times finality: FinalityClock remembers when the transactions of a block came in.
// Owns two threads that wait on the chain; borrows the chain, which outlives it. Calls `tell` on them, one at a time.
// Threads: any. Errors: none; a block that cannot be read is not told of.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "chain/replica/chain.h"
#include "chain/reputation/reputation.h"

namespace hanse::roles {

constexpr std::size_t kTimedBlocksMax = 4'096;  // not economic yet; the oldest are forgotten

class FinalityClock {
 public:
  void admitted(Height height, std::int64_t at_ns);
  // How long each block up to `height` took, the oldest first; each once.
  std::vector<std::int64_t> economic(Height height, std::int64_t now_ns);

 private:
  struct Entry {
    Height height;
    std::int64_t at_ns = 0;
  };
  std::mutex mutex_;
  std::deque<Entry> entries_;
};

struct News {
  enum class Topic : std::uint8_t { kBlockFast, kBlockEconomic, kView, kEvidence };
  Topic topic = Topic::kBlockFast;
  std::optional<light::BlockHeader> header;  // of blocks
  std::uint32_t power_bp = 0;                // behind an economic certificate
  consensus::View view = 0;
  consensus::Index leader = 0;
  std::optional<reputation::PunishedEvent> punished = {};
};

class Feed {
 public:
  using Tell = std::function<void(const News&)>;
  Feed(const replica::Chain& chain, Tell tell);
  ~Feed();

 private:
  void run_blocks();
  void tell_block(const ledger::View& state, Height height, const consensus::Facts& facts);
  void run_certificates();
  bool pause();  // false: stop

  const replica::Chain& chain_;
  const Tell tell_;
  std::mutex telling_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread blocks_, certificates_;
};

}  // namespace hanse::roles
