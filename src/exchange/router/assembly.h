// Bodies longer than a cell: cut into fragments by who sends, put together by who receives.
//   fragments_of   the first fragment keeps room for reply blocks, the others are filled to the end
//   Assembly       fragments in any order, each taken once; the body comes out with the last of them. What contradicts
//                  an earlier fragment of its message (count, kind, or the same fragment with other bytes) is refused,
//                  and the earlier one holds. Nothing is thrown out to make room: who floods it is refused
// An id is 16 random bytes of the sender's: who does not know it cannot add to a message.
// Limits: AssemblyLimits; a message is forgotten age_ns after its first fragment. Pure; one thread at a time.
// Errors: router.message (invalid: a body of more than kFragmentsMax fragments), router.fragment (invalid: outside its
// message, or contradicts an earlier one), router.assembly_full (exhausted: messages or bytes).
#pragma once

#include <map>
#include <optional>

#include "exchange/router/message.h"

namespace hanse::router {

constexpr std::size_t kFragmentsMax = 256;

// `whole` with its kind and id; its blocks, if any, stay behind: room for so many is kept in the first fragment.
Result<std::vector<Message>> fragments_of(const Geometry& geometry, Carries carries, std::size_t surbs, Message whole);

struct AssemblyLimits {
  std::size_t messages_max = 256;
  std::size_t bytes_max = 32u << 20;
  std::int64_t age_ns = 600'000'000'000;
};

class Assembly {
 public:
  explicit Assembly(AssemblyLimits limits = {}) : limits_(limits) {}

  struct Added {
    bool repeated = false;       // it was there already
    std::optional<Bytes> whole;  // the message is forgotten with it
  };
  Result<Added> add(std::int64_t now_ns, const Message& fragment);
  bool holds(const MessageId& id) const { return parts_.contains(id); }
  std::vector<std::uint16_t> missing(const MessageId& id) const;  // ascending; empty when nothing of it is here
  void forget(const MessageId& id);
  void expire(std::int64_t now_ns);
  std::size_t messages() const { return parts_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Part {
    std::uint8_t kind = 0;
    std::uint16_t fragments = 0;
    std::int64_t begun_ns = 0;
    std::map<std::uint16_t, Bytes> bodies;
  };
  Status check(const Part* part, const Message& fragment) const;

  const AssemblyLimits limits_;
  std::map<MessageId, Part> parts_;
  std::size_t bytes_ = 0;
};

}  // namespace hanse::router
