// Link: one direction of a wire that is slow, narrow and lossy by intention. Decides what becomes of each packet.
// A packet on its way: dropped when the link is down, when it is larger than the MTU, or by loss; then it waits for the
// packets before it at the rate of the link, is dropped when the queue is full, and arrives after delay and jitter.
// Loss is the model of Gilbert (1960): two states, of which one loses every packet; `burst` is the mean number lost in
// a row, and 0 stands for independent losses. Packets keep their order, but for those chosen to be late. The MTU is
// checked against the whole packet less `header_bytes`. Nothing is told to the sender: a link that is down or too small
// is a black hole. Limits: kWaitingMax packets under way; the next one is dropped and counted as queue_full. Pure: time
// and randomness are arguments; the same seed gives the same fates. One thread. No errors.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/random.h"

namespace hanse::wire {

constexpr std::size_t kWaitingMax = 65'536;
constexpr std::uint32_t kCertain = 1'000'000;  // probabilities are parts of a million

struct LinkOptions {
  std::int64_t delay_ns = 0, jitter_ns = 0;
  std::uint32_t loss_ppm = 0;
  std::uint32_t burst_milli = 0;  // mean packets lost in a row, in thousandths; 0: independent
  std::uint32_t late_ppm = 0;
  std::int64_t late_ns = 10'000'000;  // how much later the late ones come
  std::uint32_t twice_ppm = 0;
  std::uint64_t rate_bps = 0;              // bits a second; 0: no limit
  std::uint64_t queue_bytes = 256 * 1024;  // what may wait for the rate; at most 1 GiB
  std::uint32_t mtu = 65'535;
  std::uint32_t header_bytes = 0;
  bool down = false;
};

struct LinkCounts {
  std::uint64_t in = 0, in_bytes = 0, out = 0, out_bytes = 0;
  std::uint64_t down = 0, too_big = 0, lost = 0, queue_full = 0;  // dropped
  std::uint64_t late = 0, twice = 0;
};

class Link {
 public:
  Link(const LinkOptions& options, std::uint64_t seed, std::string_view label)
      : options_(options), random_(seed, label) {}

  // What is under way keeps the fate it had; a link that goes down loses nothing that was sent before.
  void set(const LinkOptions& options) { options_ = options; }
  const LinkOptions& options() const { return options_; }

  void send(std::int64_t now_ns, Bytes packet);
  std::optional<std::int64_t> next_ns() const;        // when the next packet arrives
  std::optional<Bytes> receive(std::int64_t now_ns);  // the next that has arrived by now
  const LinkCounts& counts() const { return counts_; }

 private:
  struct Flight {
    std::int64_t at_ns = 0;
    std::uint64_t order = 0;
    Bytes packet;
    bool operator<(const Flight& o) const { return at_ns != o.at_ns ? at_ns > o.at_ns : order > o.order; }
  };

  bool chance(std::uint32_t ppm) { return ppm != 0 && random_.below(kCertain) < ppm; }
  bool lost();
  bool queued(std::int64_t now_ns, std::size_t size, std::int64_t& sent_ns);
  void launch(std::int64_t at_ns, Bytes packet);

  LinkOptions options_;
  SeededRandom random_;
  LinkCounts counts_;
  bool losing_ = false;       // the state of the loss model
  std::int64_t free_ns_ = 0;  // when the rate has dealt with everything that waits
  std::int64_t last_ns_ = 0;  // arrival of the last packet that keeps its order
  std::uint64_t order_ = 0;
  std::vector<Flight> flights_;  // a heap
};

}  // namespace hanse::wire
