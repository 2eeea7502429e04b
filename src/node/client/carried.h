// A Client whose questions are carried by something that takes bytes to a node and brings bytes back, such as the mix
// (node/mixing/calls.h): who carries decides the way, and there is no other. Bytes: proto/records/carried.md.
//   make_carried     the near end
//   answer_carried   the far end: asks `node`, and says how it went; never fails itself
//   refuse_carried   the far end has no node to ask
// What asks for one answer is carried: info, submit, query, prove, put_blob, get_blob, has_blob. Each is safe to
// repeat. watch asks for one page of events after the other, also for those of others that its prefix takes in.
// Remote errors arrive as they were: kind, id, message, code, path and contexts. The genesis comes once.
// Limits: kCarriedBlobMax a blob, kCarriedMax any question or answer, kCarriedEventsMax events a page.
// Threads: any; carry is called on the caller's thread and waits. Errors: those of carry; client.too_large (exhausted:
// a blob or an answer that is not carried; nothing of a blob is sent), client.not_carried (unsupported: consensus and
// certified, whoever asks), client.bad_reply (corrupt), client.bad_question (invalid: what came is no question).
#pragma once

#include "node/client/client.h"

namespace hanse::client {

constexpr std::size_t kCarriedBlobMax = 1u << 20;
constexpr std::size_t kCarriedMax = kCarriedBlobMax + 1'024;
constexpr std::size_t kCarriedEventsMax = 256, kCarriedEventBytesMax = 128u << 10;  // a page

using Carry = std::function<Result<Bytes>(Bytes question)>;
std::unique_ptr<Client> make_carried(Carry carry);
Bytes answer_carried(Client& node, ByteView question);
Bytes refuse_carried(const Error& why);

}  // namespace hanse::client
