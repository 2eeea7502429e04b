// Statement: what a replica signed about one place, so that anybody can be shown it (consensus.md 5.2, 5.4
// "accountability"). At one place a replica may sign one thing only:
//   attest       view 0, first = slot                      id = hash of the block's header
//   view_change  view = the view asked for, first 0        id = BLAKE3("hanse/view-change/2", body)
//   proposals    view, first = slot                        ids = digests that the leader proposed for slots from it on
//   vertex       view 0, first = height, a multiple of 8   id = of the lane's vertex; chaining covers those below
//   votes        view, first = vote_place(slot, phase)     ids = vote_id() of what it prepared and committed from there
//                                                          on, zero where it did not vote; first and last not zero
// Two statements of one signer with different ids at one place are Evidence against it, and nothing else is needed to
// judge it but its key. So is a view change beside sealed votes that it conceals. Attests and view changes travel in
// frames of their own; proposals, vertices and votes are signed after the fact, off the hot path, and travel as
// `statement` frames, which anybody may pass on.
// The signature covers statement_message() under the purpose's own context; an Oracle adds the network's id, so that a
// key that serves two networks cannot be accused in one of what it signed in the other.
// Layouts: proto/records/consensus.md. Pure; any thread. Errors: consensus.frame (corrupt), consensus.evidence
// (invalid: two statements that do not exclude each other, or claims that are not those of the view change).
#pragma once

#include "chain/consensus/messages.h"

namespace hanse::consensus {

enum class Purpose : std::uint8_t { kAttest = 1, kViewChange = 2, kProposals = 3, kVertex = 4, kVotes = 5 };
std::string_view purpose_name(Purpose purpose);     // "attest", "view_change", "proposals", "vertex", "votes"
std::string_view purpose_context(Purpose purpose);  // of the signature: "hanse/attest/2", ...

constexpr std::uint64_t kVertexSignedEvery = 8;  // heights
constexpr std::size_t kStatementIdsMax = 64;
constexpr std::size_t kStatementBytesMax = 64 + kStatementIdsMax * 32 + kSignatureBytesMax;

struct Statement {
  Purpose purpose = Purpose::kAttest;
  Index replica = 0;  // who signed
  std::uint64_t epoch = 0;
  View view = 0;
  std::uint64_t first = 0;
  std::vector<Hash32> ids;
  Bytes signature;
  friend bool operator==(const Statement&, const Statement&) = default;
};
Bytes statement_message(const Statement& statement);
Bytes encode(const Statement& statement);
Result<Statement> decode_statement(ByteView body);

Statement statement_of(Index replica, const Attest& attest);
Statement statement_of(const ViewChange& vc);
Bytes attest_message(const Attest& attest);  // statement_message() of its statement
Bytes view_change_message(const ViewChange& vc);
constexpr std::uint64_t vote_place(Seq seq, Phase phase) { return 2 * seq + (phase == Phase::kCommit ? 1 : 0); }
Hash32 vote_id(const Digest& digest);  // the digest; of the empty slot 32 times 0xFF

// Whether the view change leaves out this vote of its sender: it must claim every slot above its checkpoint that was
// committed (P) or prepared (Qs) in an earlier view, with that view or a later one.
bool conceals(const ViewChange& vc, View view, std::uint64_t place, const Hash32& id);

// One replica signed both: they exclude each other. first < second in the order of their encodings, so that two who
// found the same pair write the same bytes. A view change and votes that it conceals come with its claims.
struct Evidence {
  Statement first, second;
  Bytes claims;  // view_change_claims(), or empty
  friend bool operator==(const Evidence&, const Evidence&) = default;
};
constexpr std::size_t kEvidenceBytesMax = 2 * kStatementBytesMax + kViewChangeClaimsBytesMax;
Evidence evidence_of(Statement a, Statement b);
Evidence evidence_of(const ViewChange& vc, Statement votes);
Bytes encode(const Evidence& evidence);
Result<Evidence> decode_evidence(ByteView bytes);

// The lowest place at which two statements exclude each other; of a view change that conceals votes kConcealed.
constexpr std::uint64_t kConcealed = 1;
struct Fact {
  Purpose purpose = Purpose::kAttest;
  Index replica = 0;
  std::uint64_t epoch = 0;
  View view = 0;
  std::uint64_t place = 0;  // slot or height or vote_place()
  friend auto operator<=>(const Fact&, const Fact&) = default;
};
// Without regard to signatures, which the caller checks as it has the keys.
Result<Fact> contradiction(const Evidence& evidence);

}  // namespace hanse::consensus
