// Company: some peers are always wanted. While fewer than kCompanyMin are connected, peers of the book are dialed, the
// best first; every kFeelerNs one that is not connected is dialed once, to see whether it is still there. Who does not
// answer within kTryNs is left alone for 30 s, twice as long each time, at most an hour.
// Threads: one. Limits: kTriesMax dials at once. Errors: none.
#pragma once

#include "node/overlay/book.h"

namespace hanse::overlay {

constexpr std::size_t kCompanyMin = 4, kTriesMax = 4;
constexpr std::int64_t kFeelerNs = 120 * kSecondNs, kTryNs = 10 * kSecondNs;

class Company {
 public:
  Company(reach::Reach& reach, Holds& holds, Book& book, Random& random)
      : reach_(reach), holds_(holds), book_(book), random_(random) {}
  void handle(const reach::PeerEvent& event, std::int64_t now_ns);
  void pump(std::int64_t now_ns);
  std::int64_t next_ns() const { return look_ns_; }

 private:
  bool dial_one(std::int64_t now_ns);
  void end_tries(std::int64_t now_ns);

  struct Resting {
    std::int64_t until_ns = 0, wait_ns = 30 * kSecondNs;
  };
  reach::Reach& reach_;
  Holds& holds_;
  Book& book_;
  Random& random_;
  std::map<PeerId, std::int64_t> tries_;  // and when they are over
  std::set<PeerId> kept_;                 // held, connected
  std::map<PeerId, Resting> resting_;
  std::int64_t look_ns_ = 0, feeler_ns_ = INT64_MIN;
};

}  // namespace hanse::overlay
