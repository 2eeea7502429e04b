#include "exchange/market/sealed.h"

#include <algorithm>

#include "base/crypto/hash.h"
#include "exchange/market/detail/fields.h"
#include "exchange/market/view.h"

namespace hanse::market {
namespace {

using detail::Fields;
using detail::put;

constexpr codec::CborLimits kLimits{.size_max = 1024, .depth_max = 4};
constexpr codec::CborLimits kLargeLimits{.size_max = 80 * 1024, .depth_max = 3};
constexpr std::size_t kBidBytesMax = 512;
constexpr RoundTopic kTopics[] = {RoundTopic::kCommitted, RoundTopic::kRevealed, RoundTopic::kNoReveal,
                                  RoundTopic::kUnmatched, RoundTopic::kCleared};

// A map of two numbers.
Bytes pair(std::uint64_t first, std::uint64_t second) {
  codec::CborWriter w;
  w.map(2);
  put(w, 0, first);
  put(w, 1, second);
  return w.take();
}

template <class T>
Status read_pair(ByteView bytes, std::string_view name, std::uint64_t& first, T& second) {
  codec::CborReader r(bytes, kLimits);
  Fields f(r, name);
  TRY_OK(f.enter(2));
  TRY_OK(f.uint(0, "first", first));
  TRY_OK(f.uint(1, "second", second));
  TRY_OK(r.leave());
  return r.finish();
}

}  // namespace

Hash32 round_hash(ByteView record) { return crypto::blake3("hanse/round/1", {record}); }

std::string_view topic_name(RoundTopic topic) {
  switch (topic) {
    case RoundTopic::kCommitted: return "market.committed";
    case RoundTopic::kRevealed: return "market.revealed";
    case RoundTopic::kNoReveal: return "market.no_reveal";
    case RoundTopic::kUnmatched: return "market.unmatched";
    case RoundTopic::kCleared: return "market.cleared";
  }
  return "market.unknown";
}

Bytes encode(const Commit& call) {
  codec::CborWriter w;
  w.map(1);
  w.key(1);
  w.array(call.commits.size());
  for (const Hash32& commit : call.commits) w.bytes(commit.view());
  return w.take();
}

Result<Commit> decode_commit(ByteView args) {
  codec::CborReader r(args, kLargeLimits);
  Fields f(r, "commit");
  Commit call;
  TRY_OK(f.enter(1));
  TRY_OK(f.key(1));
  TRY_OK(r.enter_array("commits", kCommitsPerCallMax));
  while (r.more()) TRY_OK(r.fixed("commit", call.commits.emplace_back()));
  if (call.commits.empty())
    return r.fail_here("market.record", text("found no commit, expected 1 to {}", kCommitsPerCallMax));
  TRY_OK(r.leave());
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return call;
}

Bytes encode(const Reveal& reveal) {
  codec::CborWriter w;
  w.map(5);
  put(w, 0, reveal.round);
  put(w, 1, reveal.seq);
  put(w, 2, reveal.salt.view());
  put(w, 3, reveal.gxf);
  put(w, 4, reveal.attempt);
  return w.take();
}

Result<Reveal> decode_reveal(ByteView body) {
  codec::CborReader r(body, kLargeLimits);
  Fields f(r, "reveal");
  Reveal reveal;
  TRY_OK(f.enter(5));
  TRY_OK(f.uint(0, "round", reveal.round));
  TRY_OK(f.uint(1, "seq", reveal.seq));
  TRY_OK(f.fixed(2, "salt", reveal.salt));
  TRY_OK(f.key(3));
  TRY(const ByteView gxf, r.bytes("gxf", gxf::kGxfSizeMax));
  TRY_OK(f.uint(4, "attempt", reveal.attempt));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  reveal.gxf = to_bytes(gxf);
  return reveal;
}

Bytes encode_commit_place(const CommitPlace& place) {
  codec::CborWriter w;
  w.map(4);
  put(w, 0, place.round);
  put(w, 1, place.seq);
  put(w, 2, place.commit_until);
  put(w, 3, place.reveal_until);
  return w.take();
}

Result<CommitPlace> decode_commit_place(ByteView data) {
  codec::CborReader r(data, kLimits);
  Fields f(r, "commit_place");
  CommitPlace place;
  TRY_OK(f.enter(4));
  TRY_OK(f.uint(0, "round", place.round));
  TRY_OK(f.uint(1, "seq", place.seq));
  TRY_OK(f.height(2, "commit_until", place.commit_until));
  TRY_OK(f.height(3, "reveal_until", place.reveal_until));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return place;
}

Bytes encode_sealed_bid(const SealedBid& bid) {
  codec::CborWriter w;
  w.map(bid.revealed ? 5 : 4);
  put(w, 0, bid.commit.view());
  put(w, 1, bid.payer.view());
  put(w, 2, bid.nonce);
  put(w, 3, bid.held);
  if (const auto& revealed = bid.revealed) {
    w.key(4);
    w.array(6);
    w.bytes(encode_bid(revealed->bid));
    w.bytes(revealed->salt.view());
    w.bytes(revealed->gxf_hash.view());
    w.u64(revealed->gas_limit);
    w.u64(revealed->outputs);
    w.u64(static_cast<std::uint64_t>(revealed->audit));
  }
  return w.take();
}

Result<SealedBid> decode_sealed_bid(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Fields f(r, "sealed_bid");
  SealedBid out;
  TRY_OK(r.enter_map("sealed_bid", 5));
  TRY_OK(f.fixed(0, "commit", out.commit));
  TRY_OK(f.fixed(1, "payer", out.payer));
  TRY_OK(f.uint(2, "nonce", out.nonce));
  TRY_OK(f.amount(3, "held", out.held));
  if (r.more()) {
    SealedBid::Revealed& revealed = out.revealed.emplace(SealedBid::Revealed{});
    TRY_OK(f.key(4));
    TRY_OK(r.enter_array("revealed", 6));
    TRY(const ByteView bid, r.bytes("bid", kBidBytesMax));
    TRY(revealed.bid, decode_bid(bid));
    TRY_OK(r.fixed("salt", revealed.salt));
    TRY_OK(r.fixed("gxf_hash", revealed.gxf_hash));
    TRY(revealed.gas_limit, r.u64("gas_limit"));
    TRY(const std::uint64_t outputs, r.u64("outputs", kOutputsMax));
    revealed.outputs = static_cast<std::uint32_t>(outputs);
    TRY(const std::uint64_t audit, r.u64("audit", static_cast<std::uint64_t>(gxf::Audit::kSumcheck)));
    revealed.audit = static_cast<gxf::Audit>(audit);
    TRY_OK(r.leave());
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Bytes encode_round_head(const RoundHead& head) {
  codec::CborWriter w;
  w.map(15);
  put(w, 0, head.number);
  put(w, 1, head.opened);
  put(w, 2, head.commit_until);
  put(w, 3, head.reveal_until);
  put(w, 4, head.cleared);
  put(w, 5, head.commits);
  put(w, 6, head.reveals);
  put(w, 7, head.matches);
  put(w, 8, head.burned);
  put(w, 9, head.paid);
  put(w, 10, head.received);
  put(w, 11, head.treasury);
  put(w, 12, head.record_hash.view());
  put(w, 13, head.record_bytes);
  put(w, 14, head.settled);
  return w.take();
}

Result<RoundHead> decode_round_head(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Fields f(r, "round_head");
  RoundHead head;
  TRY_OK(f.enter(15));
  TRY_OK(f.uint(0, "number", head.number));
  TRY_OK(f.height(1, "opened", head.opened));
  TRY_OK(f.height(2, "commit_until", head.commit_until));
  TRY_OK(f.height(3, "reveal_until", head.reveal_until));
  TRY_OK(f.height(4, "cleared", head.cleared));
  TRY_OK(f.uint(5, "commits", head.commits, kRoundBidsMax));
  TRY_OK(f.uint(6, "reveals", head.reveals, kRoundBidsMax));
  TRY_OK(f.uint(7, "matches", head.matches, kRoundBidsMax));
  TRY_OK(f.amount(8, "burned", head.burned));
  TRY_OK(f.amount(9, "paid", head.paid));
  TRY_OK(f.amount(10, "received", head.received));
  TRY_OK(f.amount(11, "treasury", head.treasury));
  TRY_OK(f.fixed(12, "record_hash", head.record_hash));
  TRY_OK(f.uint(13, "record_bytes", head.record_bytes, kRoundBytesMax));
  TRY_OK(f.uint(14, "settled", head.settled, kRoundBidsMax));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return head;
}

Bytes encode_rounds_head(const RoundsHead& head) { return pair(head.newest, head.open); }

Result<RoundsHead> decode_rounds_head(ByteView bytes) {
  RoundsHead head;
  TRY_OK(read_pair(bytes, "rounds_head", head.newest, head.open));
  return head;
}

Bytes encode_round_event(const RoundEvent& event) {
  codec::CborWriter w;
  w.map(8);
  put(w, 0, event.round);
  put(w, 1, event.seq);
  put(w, 2, event.count);
  put(w, 3, event.payer.view());
  put(w, 4, event.job_id.view());
  put(w, 5, event.amount);
  put(w, 6, event.end);
  put(w, 7, event.hash.view());
  return w.take();
}

Result<RoundEvent> decode_round_event(std::string_view topic, ByteView data) {
  const auto* found = std::ranges::find_if(kTopics, [&](RoundTopic t) { return topic_name(t) == topic; });
  if (found == std::end(kTopics))
    return fail(Kind::kInvalid, "market.event", text("topic {} is unknown, expected one of a round", topic));
  codec::CborReader r(data, kLimits);
  Fields f(r, "event");
  RoundEvent event{.topic = *found, .payer = {}, .job_id = {}, .amount = {}, .hash = {}};
  TRY_OK(f.enter(8));
  TRY_OK(f.uint(0, "round", event.round));
  TRY_OK(f.uint(1, "seq", event.seq));
  TRY_OK(f.uint(2, "count", event.count));
  TRY_OK(f.fixed(3, "payer", event.payer));
  TRY_OK(f.fixed(4, "job_id", event.job_id));
  TRY_OK(f.amount(5, "amount", event.amount));
  TRY_OK(f.uint(6, "end", event.end, kBidEndMax));
  TRY_OK(f.fixed(7, "hash", event.hash));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return event;
}

Bytes encode_query(const RoundsQuery& query) { return pair(query.before, query.limit); }
Bytes encode_query(const RoundPlace& query) { return pair(query.round, query.index); }

Result<RoundsQuery> decode_rounds_query(ByteView argument) {
  RoundsQuery query;
  TRY_OK(read_pair(argument, "query", query.before, query.limit));
  if (query.limit == 0 || query.limit > kPageMax)
    return fail(Kind::kInvalid, "market.record", text("limit is {}, expected 1 to {}", query.limit, kPageMax));
  return query;
}

Result<RoundPlace> decode_round_place(ByteView argument) {
  RoundPlace query;
  TRY_OK(read_pair(argument, "query", query.round, query.index));
  return query;
}

Result<std::vector<RoundHead>> decode_round_heads(ByteView answer) {
  codec::CborReader r(answer, kLargeLimits);
  std::vector<RoundHead> out;
  TRY_OK(r.enter_array("rounds", kPageMax));
  while (r.more()) {
    TRY(const ByteView record, r.bytes("round", answer.size()));
    TRY(RoundHead head, decode_round_head(record));
    out.push_back(std::move(head));
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

}  // namespace hanse::market
