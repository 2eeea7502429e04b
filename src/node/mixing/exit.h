// Exit: the far end of calls through the mix (calls.h is the near one). It puts questions together, has them answered,
// and sends the answers back by the reply blocks that came with the questions: it learns what is asked, not by whom.
//   question   kCall, in fragments; the first one brings reply blocks. The same fragment again means that the caller
//              waits: what is missing is told (kMissing), or the answer sent again
//   answer     kAnswer, in fragments, as many as there are blocks; the caller asks for the others by number (kMore)
//   kept       an answer for keep_ns, so that a lost cell costs a question, not the work. One that is forgotten is
//              worked out again: whoever answers must give the same to the same question, or do no harm by doing it
// Pure. Bytes of the bodies: proto/records/onion.md. Limits: ExitLimits and those of router::Assembly; what is over
// them is passed over and counted, and the caller repeats it. One thread at a time. Errors: none.
#pragma once

#include "exchange/router/assembly.h"

namespace hanse::mixing {

constexpr std::uint8_t kCallKind = 3, kMoreKind = 4, kAnswerKind = 5, kMissingKind = 6;

Bytes encode_numbers(const std::vector<std::uint16_t>& numbers);  // of kMore and kMissing: u16 big-endian each
std::optional<std::vector<std::uint16_t>> decode_numbers(ByteView body);

struct ExitLimits {
  std::size_t calls_max = 512;               // known at once
  std::size_t running_max = 32;              // worked on
  std::size_t answer_bytes_max = 32u << 20;  // kept, all answers together
  std::int64_t keep_ns = 120'000'000'000;
  router::AssemblyLimits assembly = {};
};

class Exit {
 public:
  explicit Exit(const router::Geometry& geometry, ExitLimits limits = {})
      : geometry_(geometry), limits_(limits), assembly_(limits.assembly) {}

  struct Reply {
    router::Surb block;
    router::Message message;
  };
  struct Question {
    router::MessageId id;
    Bytes body;
  };
  struct Effects {
    std::vector<Reply> replies;
    std::optional<Question> run;  // answered() says how it went
  };
  Effects take(std::int64_t now_ns, router::Message message);  // kCall or kMore
  Effects answered(std::int64_t now_ns, const router::MessageId& id, Bytes answer);
  void expire(std::int64_t now_ns);

  std::size_t calls() const { return calls_.size(); }
  std::size_t running() const { return running_; }
  std::uint64_t answered_count() const { return answered_count_; }
  std::uint64_t refused() const { return refused_; }  // fragments and questions

 private:
  struct Call {
    std::vector<router::Surb> blocks;
    bool running = false;
    std::vector<router::Message> answer;  // fragments; none yet: empty
    std::size_t answer_bytes = 0;
    std::int64_t until_ns = 0;
  };
  using Calls = std::map<router::MessageId, Call>;

  void take_fragment(std::int64_t now_ns, router::Message message, Effects& out);
  void reply(Call& call, const std::vector<std::uint16_t>& fragments, Effects& out);
  void erase(Calls::iterator call);

  const router::Geometry geometry_;
  const ExitLimits limits_;
  router::Assembly assembly_;
  Calls calls_;
  std::size_t running_ = 0, answer_bytes_ = 0;
  std::uint64_t answered_count_ = 0, refused_ = 0;
};

}  // namespace hanse::mixing
