// What a cell's payload carries once all its layers are off, and reply blocks (SURBs: single-use reply blocks), by
// which a receiver answers somebody it does not know. Bytes: proto/records/onion.md.
//   Message      a body of at most body_max() bytes, with up to surbs_max() reply blocks
//   make_surb    a path back, made by who wants the answer: the block goes out, its secrets stay in a SurbBook
//   reply_cell   an answer by a block, which it consumes: a relay cannot tell it from any other cell
//   SurbBook     opens answers: each block once, until its epoch ends. A relay that alters an answer's payload spends
//                the block, and the inner seal refuses what it made of it
// A block used twice is refused by its first relay, whose replay tag is the same, and by the book.
// Limits: surbs_max() of a message; kSurbsMax blocks of a book (router.surbs_full). Threads: one at a time.
// Errors: router.message (invalid: what is to be sent does not fit), router.payload (corrupt: what came is not a
// message, which also tells of an altered payload), router.surb (invalid: a path that does not reply, a block of
// another suite), router.surb_unknown (not_found: never made, used or ended), router.surbs_full (exhausted).
#pragma once

#include <map>

#include "exchange/router/packet.h"

namespace hanse::router {

constexpr std::size_t kSurbsPerMessage = 2;
constexpr std::size_t kSurbsMax = 65'536;
constexpr std::size_t kMessageHead = 60;

using MessageId = FixedBytes<16, struct MixMessageTag>;

struct Surb {
  std::uint8_t layers = 0;
  std::uint32_t epoch = 0;
  NodeId first;
  Bytes header;  // of `layers`
  crypto::Secret<kReplyKeySize> reply_key;
};
struct SurbSecrets {
  Target id;
  std::vector<crypto::LionessKey> keys;
  crypto::Secret<kReplyKeySize> reply_key;
  std::uint32_t expiry_epoch = 0;
};
struct SurbPair {
  Surb block;
  SurbSecrets secrets;
};
// Of a path whose last command is kSurbReply; its target is replaced by a random id.
Result<SurbPair> make_surb(const Geometry& geometry, Path path, Random& random);

struct Message {
  std::uint8_t kind = 0;  // what the body is: the receiver's to know
  MessageId id;
  std::uint16_t fragment = 0, fragments = 1;
  std::vector<Surb> surbs;
  Bytes body;
};
std::size_t surbs_max(const Geometry& geometry);  // 2 with X-Wing, 1 with ML-KEM-1024
enum class Carries : bool { kRequest, kReply };
std::size_t body_max(const Geometry& geometry, Carries carries, std::size_t surbs);
Result<crypto::SecureBytes> encode_message(const Geometry& geometry, const Message& message, Random& random);
Result<Message> decode_message(const Geometry& geometry, ByteView payload);

struct ReplyCell {
  NodeId first;  // to whom it goes
  Bytes cell;
};
Result<ReplyCell> reply_cell(const Geometry& geometry, Surb block, const Message& message, Random& random);

class SurbBook {
 public:
  explicit SurbBook(const Geometry& geometry, std::size_t blocks_max = kSurbsMax)
      : geometry_(geometry), blocks_max_(blocks_max) {}
  Status add(SurbSecrets secrets);
  Result<Message> open(const Target& id, ByteView payload);  // the block is spent whatever comes out
  void expire(std::uint32_t epoch);                          // forgets blocks that ended before `epoch`
  std::size_t size() const { return blocks_.size(); }

 private:
  const Geometry geometry_;
  const std::size_t blocks_max_;
  std::map<Target, SurbSecrets> blocks_;
};

}  // namespace hanse::router
