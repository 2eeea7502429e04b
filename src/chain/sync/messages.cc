#include "chain/sync/messages.h"

#include "base/core/text.h"
#include "chain/consensus/cut.h"

namespace hanse::sync {
namespace {

using codec::CborReader;
using codec::CborWriter;

constexpr std::uint64_t kAsk = 0, kHead = 1, kRange = 2, kPast = 3, kRefused = 4;

template <class... Each>
struct Overload : Each... {
  using Each::operator()...;
};

void write_hashes(CborWriter& w, const std::vector<Hash32>& hashes) {
  w.array(hashes.size());
  for (const Hash32& hash : hashes) w.bytes(hash.view());
}

Result<std::vector<Hash32>> read_hashes(CborReader& r, std::string_view what, std::size_t count_max) {
  TRY_OK(r.enter_array(what, count_max));
  std::vector<Hash32> out;
  while (r.more()) TRY_OK(r.fixed("hash", out.emplace_back()));
  TRY_OK(r.leave());
  return out;
}

void write(CborWriter& w, const Head& head) {
  w.array(5);
  light::write(w, head.header);
  light::write(w, head.certificate);
  w.array(head.handovers.size());
  for (const light::Handover& handover : head.handovers) {
    w.array(3);
    light::write(w, handover.header);
    light::write(w, handover.certificate);
    light::write(w, handover.next);
  }
  w.bytes(head.decided.view());
  w.array(head.cut.size());
  for (const consensus::Tip& tip : head.cut) {
    w.array(3);
    w.u64(tip.lane);
    w.u64(tip.height);
    w.bytes(tip.id.view());
  }
}

Result<Head> read_head(CborReader& r) {
  Head head;
  TRY_OK(r.enter_array("head", 5));
  TRY(head.header, light::read_header(r));
  TRY(head.certificate, light::read_certificate(r));
  TRY_OK(r.enter_array("handovers", light::kHandoversMax));
  while (r.more()) {
    light::Handover& handover = head.handovers.emplace_back();
    TRY_OK(r.enter_array("handover", 3));
    TRY(handover.header, light::read_header(r));
    TRY(handover.certificate, light::read_certificate(r));
    TRY(handover.next, light::read_set(r));
    TRY_OK(r.leave());
  }
  TRY_OK(r.leave());
  TRY_OK(r.fixed("decided", head.decided));
  TRY_OK(r.enter_array("cut", consensus::kReplicasMax));
  while (r.more()) {
    consensus::Tip& tip = head.cut.emplace_back();
    TRY_OK(r.enter_array("tip", 3));
    TRY(const std::uint64_t lane, r.u64("lane", consensus::kReplicasMax - 1));
    tip.lane = static_cast<consensus::Index>(lane);
    TRY(tip.height, r.u64("height"));
    TRY_OK(r.fixed("id", tip.id));
    TRY_OK(r.leave());
  }
  TRY_OK(r.leave());
  TRY_OK(r.leave());
  return head;
}

void write(CborWriter& w, const Past& past) {
  w.array(2);
  w.array(past.blocks.size());
  for (const PastBlock& block : past.blocks) {
    w.array(3);
    light::write(w, block.header);
    write_hashes(w, block.tx_ids);
    write_hashes(w, block.result_hashes);
  }
  write_hashes(w, past.path);
}

Result<Past> read_past(CborReader& r) {
  Past past;
  TRY_OK(r.enter_array("past", 2));
  TRY_OK(r.enter_array("blocks", kPastBlocksMax));
  while (r.more()) {
    PastBlock& block = past.blocks.emplace_back();
    TRY_OK(r.enter_array("block", 3));
    TRY(block.header, light::read_header(r));
    TRY(block.tx_ids, read_hashes(r, "tx_ids", kBlockTxsMax));
    TRY(block.result_hashes, read_hashes(r, "result_hashes", kBlockTxsMax));
    TRY_OK(r.leave());
  }
  TRY_OK(r.leave());
  TRY(past.path, read_hashes(r, "path", light::kHistoryPathMax));
  TRY_OK(r.leave());
  return past;
}

Status read_heights(CborReader& r, std::vector<Height>& out) {
  TRY_OK(r.enter_array("heights", kOffersMax));
  while (r.more()) {
    TRY(const std::uint64_t height, r.u64("height"));
    if (!out.empty() && height <= out.back().value)
      return r.fail_here("codec.type", text("found height {} after {}", height, out.back().value));
    out.push_back(Height{height});
  }
  return r.leave();
}

Result<Request> read_request(CborReader& r) {
  Request out;
  TRY_OK(r.enter_array("request", 5));
  TRY(const std::uint64_t kind, r.u64("kind", kPast));
  TRY(out.id, r.u64("id"));
  if (kind == kHead) {
    TRY(out.what.emplace<WantHead>().height.value, r.u64("height"));
  } else if (kind == kRange) {
    auto& want = out.what.emplace<WantRange>();
    TRY(want.height.value, r.u64("height"));
    TRY_OK(r.fixed("first", want.range.first));
    TRY_OK(r.fixed("last", want.range.last));
  } else if (kind == kPast) {
    auto& want = out.what.emplace<WantPast>();
    TRY(want.height.value, r.u64("height"));
    TRY(want.first.value, r.u64("first"));
    TRY(want.last.value, r.u64("last"));
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Result<Reply> read_reply(CborReader& r) {
  Reply out;
  TRY_OK(r.enter_array("reply", 4));
  TRY(const std::uint64_t kind, r.u64("kind", kRefused));
  TRY(out.id, r.u64("id"));
  switch (kind) {
    case kAsk: TRY_OK(read_heights(r, out.what.emplace<Offers>().heights)); break;
    case kHead: {
      TRY(out.what.emplace<Head>(), read_head(r));
      break;
    }
    case kRange: {
      auto& range = out.what.emplace<Range>();
      TRY_OK(r.fixed("last", range.last));
      TRY(range.proof, r.bytes("proof", light::kRangeBytesMax));
      break;
    }
    case kPast: {
      TRY(out.what.emplace<Past>(), read_past(r));
      break;
    }
    default: {
      TRY(const std::uint64_t why, r.u64("why", 1));
      out.what = Refused{static_cast<Why>(why)};
    }
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

std::unexpected<Error> bad_past(std::string_view message) { return fail(Kind::kDenied, "sync.past", message); }

}  // namespace

Bytes encode(const Request& request) {
  CborWriter w;
  const auto start = [&](std::size_t items, std::uint64_t kind) {
    w.array(items);
    w.u64(kind);
    w.u64(request.id);
  };
  std::visit(Overload{[&](const Ask&) { start(2, kAsk); },
                      [&](const WantHead& want) {
                        start(3, kHead);
                        w.u64(want.height.value);
                      },
                      [&](const WantRange& want) {
                        start(5, kRange);
                        w.u64(want.height.value);
                        w.bytes(want.range.first.view());
                        w.bytes(want.range.last.view());
                      },
                      [&](const WantPast& want) {
                        start(5, kPast);
                        w.u64(want.height.value);
                        w.u64(want.first.value);
                        w.u64(want.last.value);
                      }},
             request.what);
  return w.take();
}

Result<Request> decode_request(ByteView bytes) {
  CborReader r(bytes, {.size_max = kRequestBytesMax, .depth_max = 1});
  return read_request(r);
}

Bytes encode(const Reply& reply) {
  CborWriter w;
  const auto start = [&](std::size_t items, std::uint64_t kind) {
    w.array(items);
    w.u64(kind);
    w.u64(reply.id);
  };
  std::visit(Overload{[&](const Offers& offers) {
                        start(3, kAsk);
                        w.array(offers.heights.size());
                        for (const Height height : offers.heights) w.u64(height.value);
                      },
                      [&](const Head& head) {
                        start(3, kHead);
                        write(w, head);
                      },
                      [&](const Range& range) {
                        start(4, kRange);
                        w.bytes(range.last.view());
                        w.bytes(range.proof);
                      },
                      [&](const Past& past) {
                        start(3, kPast);
                        write(w, past);
                      },
                      [&](const Refused& refused) {
                        start(3, kRefused);
                        w.u64(static_cast<std::uint64_t>(refused.why));
                      }},
             reply.what);
  return w.take();
}

Result<Reply> decode_reply(ByteView bytes) {
  CborReader r(bytes, {.size_max = kReplyBytesMax, .depth_max = 8});
  return read_reply(r);
}

Bytes encode(const Head& head) {
  CborWriter w;
  write(w, head);
  return w.take();
}

Result<Head> decode_head(ByteView bytes) {
  CborReader r(bytes, {.size_max = kReplyBytesMax, .depth_max = 7});
  TRY(Head head, read_head(r));
  TRY_OK(r.finish());
  return head;
}

Status verify(const Head& head, const light::Trusted& trusted) {
  if (const Hash32 found = consensus::cut_id(head.decided, head.cut); found != head.header.cut)
    return fail(
        Kind::kDenied, "sync.head",
        text("found a cut with hash {}, expected {} of block {}", found, head.header.cut, head.header.height.value));
  const light::CertifiedHeader shown{
      .header = head.header, .link = {}, .certificate = head.certificate, .handovers = head.handovers};
  TRY_OK(light::verify(shown, trusted, {}));
  return {};
}

Status verify(const Past& past, Height first, const light::BlockHeader& header) {
  if (past.blocks.empty()) return bad_past("found no block");
  Hash32 before;
  for (std::size_t i = 0; i < past.blocks.size(); ++i) {
    const PastBlock& block = past.blocks[i];
    if (const Height expected = first.plus(i); block.header.height != expected)
      return bad_past(text("found block {}, expected {}", block.header.height.value, expected.value));
    if (i > 0 && block.header.parent != before)
      return bad_past(
          text("found block {} with parent {}, expected {}", block.header.height.value, block.header.parent, before));
    if (light::list_root(block.tx_ids) != block.header.tx_root ||
        light::list_root(block.result_hashes) != block.header.receipt_root)
      return bad_past(text("found lists of block {} that are not its header's", block.header.height.value));
    before = light::header_hash(block.header);
  }
  const light::BlockHeader& last = past.blocks.back().header;
  if (last.height > header.height)
    return bad_past(text("found block {}, expected at most {}", last.height.value, header.height.value));
  if (last.height == header.height) {
    if (!past.path.empty() || last != header) return bad_past(text("found another block {}", last.height.value));
    return {};
  }
  if (const Status there =
          light::verify_list(before, {last.height.value, header.height.value}, past.path, header.history_root);
      !there)
    return bad_past(text("block {} is not in the history of {}: {}", last.height.value, header.height.value,
                         there.error().message()));
  return {};
}

}  // namespace hanse::sync
