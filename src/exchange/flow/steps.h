// Dispute by bisection: what a receipt says of the steps of its job, where it is false, and a witness of that
// (docs/internals/bisection.md, exchange.md 5.4).
//
// A run in n steps has the states s_0 .. s_(n-1), each before a step; the last step ends the job. Place i of the n + 1
// transitions is what leads to s_i: place 0 is the making of the instance, place i from 1 on executes step i in
// s_(i-1), and place n must give status, gas and outputs of the receipt. A receipt publishes the roots of s_0 ..
// s_(n-1), so who doubts it compares them with his own at home and names one place: nothing is asked and answered in
// rounds. A witness can refute and nothing else: where its place turns out to be right, or it is of no use, the whole
// work is done again, so that no lie is cleared by a challenge that points elsewhere.
//
// Bytes: proto/records/steps.md. Threads: values. Errors: flow.step_list (corrupt: not the list of the receipt),
// flow.witness (invalid: not a witness against this receipt), the codec's.
#pragma once

#include "base/crypto/merkle.h"
#include "exchange/market/records.h"
#include "exchange/runtime/job_kind.h"

namespace hanse::flow {

constexpr std::size_t kWitnessBytesMax = 48u << 20;

Bytes encode_step_list(const std::vector<Hash32>& roots);
Result<std::vector<Hash32>> decode_step_list(ByteView bytes, const market::StepsRef& claimed);

// Of an outcome: none when it has no steps.
std::optional<market::StepsRef> steps_of(const runtime::RunOutcome& outcome);

// The first place at which the claimed states differ from those that were found; n when all are equal in number and
// value, and it is only the end that may differ.
std::uint32_t first_false_place(const std::vector<Hash32>& claimed, const std::vector<Hash32>& found);

struct Witness {
  std::uint32_t place = 0;
  Bytes state;                        // of s_(place - 1); empty at place 0
  Hash32 before, after;               // roots of s_(place - 1) and s_place; zeros where there is none
  crypto::Proof before_at, after_at;  // that they are in the receipt's list; empty where there is none
};
Bytes encode_witness(const Witness& witness);
Result<Witness> decode_witness(ByteView bytes);

Result<Witness> make_witness(const std::vector<Hash32>& claimed, std::uint32_t place, Bytes state);
// That both roots are where the witness says, in the list of the receipt.
Status check_witness(const Witness& witness, const market::StepsRef& claimed);

}  // namespace hanse::flow
