// What a replica that lags asks, and what the others answer (layouts: proto/records/sync.md). CBOR arrays; what decodes
// re-encodes to itself. An answer names the request it is for; range answers borrow the bytes they were decoded from.
// Pure; any thread. Errors: the codec's, sync.head (denied: a header with its proof that does not hold: found,
// expected), sync.past (denied: blocks that are not the chain's), light's.
#pragma once

#include <variant>

#include "chain/consensus/messages.h"
#include "chain/light/light_proof.h"
#include "chain/light/range.h"

namespace hanse::sync {

constexpr std::size_t kRequestBytesMax = consensus::kSyncQuestionBytesMax;
constexpr std::size_t kReplyBytesMax = consensus::kSyncAnswerBytesMax;
constexpr std::size_t kOffersMax = 8;
constexpr std::size_t kPastBlocksMax = 4'096;  // in one answer
constexpr std::size_t kBlockTxsMax = 65'536;
constexpr std::size_t kAnswerBytesGoal = 1u << 20;

// ---- questions -----------------------------------------------------------------------------------------------------

struct Ask {};  // which heights have you a snapshot of?
struct WantHead {
  Height height;
};
struct WantRange {  // pairs of the snapshot at this height, from range.first on
  Height height;
  light::KeyRange range;
};
struct WantPast {  // blocks first to last, both at most `height`, with a path into the history below it
  Height height;
  Height first, last;
};
struct Request {
  std::uint64_t id = 0;
  std::variant<Ask, WantHead, WantRange, WantPast> what;
};
Bytes encode(const Request& request);
Result<Request> decode_request(ByteView bytes);

// ---- answers -------------------------------------------------------------------------------------------------------

struct Offers {
  std::vector<Height> heights;  // ascending
};
// A certified header, how the genesis leads to its signers, and what was decided there: all that a snapshot's other
// parts are checked against.
struct Head {
  light::BlockHeader header;
  light::Certificate certificate;
  std::vector<light::Handover> handovers;
  consensus::Digest decided;
  std::vector<consensus::Tip> cut;
};
struct Range {
  Hash32 last;     // the proof is for the range asked for, up to here
  ByteView proof;  // encoded light::RangeProof
};
struct PastBlock {
  light::BlockHeader header;
  std::vector<Hash32> tx_ids, result_hashes;
};
struct Past {
  std::vector<PastBlock> blocks;
  std::vector<Hash32> path;  // of the last one in the history of `height`; empty when it is that block
};
enum class Why : std::uint8_t { kGone = 0, kBusy = 1 };
struct Refused {
  Why why = Why::kGone;
};
struct Reply {
  std::uint64_t id = 0;
  std::variant<Offers, Head, Range, Past, Refused> what;
};
Bytes encode(const Reply& reply);
Result<Reply> decode_reply(ByteView bytes);

Bytes encode(const Head& head);
Result<Head> decode_head(ByteView bytes);

// ---- what must hold ------------------------------------------------------------------------------------------------

// The header is certified by the set that `trusted` leads to, and its cut is the one shown.
Status verify(const Head& head, const light::Trusted& trusted);
// The blocks are those of heights first, first + 1, ... of the chain that ends in `header`.
Status verify(const Past& past, Height first, const light::BlockHeader& header);

}  // namespace hanse::sync
