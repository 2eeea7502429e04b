#include "chain/consensus/statement.h"

#include <algorithm>
#include <limits>

#include "base/core/check.h"
#include "base/crypto/hash.h"
#include "chain/consensus/detail/wire.h"

namespace hanse::consensus {
namespace {

using detail::Reader;
using detail::Writer;

void write_message(Writer& w, const Statement& s) {
  w.num(s.epoch);
  w.num(s.view);
  w.num(s.first);
  w.num(static_cast<std::uint32_t>(s.ids.size()));
  for (const Hash32& id : s.ids) w.fixed(id);
}

void write(Writer& w, const Statement& s) {
  w.num(static_cast<std::uint8_t>(s.purpose));
  w.num(s.replica);
  write_message(w, s);
  w.bytes(s.signature);
}

// Only what somebody could have signed in this form: one way to name a place.
void check_form(Reader& r, const Statement& s) {
  const bool known = s.purpose >= Purpose::kAttest && s.purpose <= Purpose::kVotes;
  const bool runs = s.purpose == Purpose::kProposals || s.purpose == Purpose::kVotes;
  const bool has_view = s.purpose == Purpose::kViewChange || runs;
  const bool has_place = s.purpose != Purpose::kViewChange;
  if (!known || s.replica >= kReplicasMax) {
    r.refuse(text("found purpose {} of replica {}, expected 1 to 5 and below {}", static_cast<int>(s.purpose),
                  s.replica, kReplicasMax));
  } else if (s.ids.empty() || (!runs && s.ids.size() != 1)) {
    r.refuse(text("found {} ids in a statement of {}, expected 1", s.ids.size(), purpose_name(s.purpose)));
  } else if ((!has_view && s.view != 0) || has_place != (s.first != 0) ||
             s.first > std::numeric_limits<std::uint64_t>::max() - kStatementIdsMax ||
             (s.purpose == Purpose::kVertex && s.first % kVertexSignedEvery != 0)) {
    r.refuse(text("found view {} and place {}, which {} does not have", s.view, s.first, purpose_name(s.purpose)));
  } else if (s.purpose == Purpose::kVotes && (s.first < 2 || s.ids.front().is_zero() || s.ids.back().is_zero())) {
    r.refuse(text("found votes from place {} on, expected a vote at both ends", s.first));
  }
}

Statement read_statement(Reader& r) {
  Statement s;
  s.purpose = static_cast<Purpose>(r.num<std::uint8_t>());
  s.replica = r.num<Index>();
  s.epoch = r.num<std::uint64_t>();
  s.view = r.num<View>();
  s.first = r.num<std::uint64_t>();
  const std::size_t n = r.count(kStatementIdsMax, 32);
  s.ids.reserve(n);
  for (std::size_t i = 0; i < n; ++i) s.ids.push_back(r.fixed<Hash32>());
  s.signature = to_bytes(r.bytes(kSignatureBytesMax));
  if (r.ok()) check_form(r, s);
  return s;
}

std::unexpected<Error> no_contradiction(std::string_view what) {
  return fail(Kind::kInvalid, "consensus.evidence", what);
}

}  // namespace

std::string_view purpose_name(Purpose purpose) {
  constexpr std::string_view kNames[] = {"none", "attest", "view_change", "proposals", "vertex", "votes"};
  const auto n = static_cast<std::size_t>(purpose);
  return n < std::size(kNames) ? kNames[n] : kNames[0];
}

std::string_view purpose_context(Purpose purpose) {
  switch (purpose) {
    case Purpose::kAttest: return "hanse/attest/2";
    case Purpose::kViewChange: return "hanse/view-change/3";
    case Purpose::kProposals: return "hanse/proposals/1";
    case Purpose::kVertex: return "hanse/vertex-signed/1";
    case Purpose::kVotes: return "hanse/votes/1";
  }
  check(false, "a purpose has a context");
  return {};
}

Bytes statement_message(const Statement& statement) {
  Writer w;
  w.reserve(28 + 32 * statement.ids.size());
  write_message(w, statement);
  return w.take();
}

Bytes encode(const Statement& statement) {
  Writer w;
  w.reserve(40 + 32 * statement.ids.size() + statement.signature.size());
  write(w, statement);
  return w.take();
}

Result<Statement> decode_statement(ByteView body) {
  Reader r(body);
  Statement s = read_statement(r);
  TRY_OK(r.finish("statement"));
  return s;
}

Bytes attest_message(const Attest& attest) {
  return statement_message({.purpose = Purpose::kAttest,
                            .replica = 0,
                            .epoch = attest.epoch,
                            .view = 0,
                            .first = attest.seq,
                            .ids = {attest.block},
                            .signature = {}});
}

Statement statement_of(Index replica, const Attest& attest) {
  return {.purpose = Purpose::kAttest,
          .replica = replica,
          .epoch = attest.epoch,
          .view = 0,
          .first = attest.seq,
          .ids = {attest.block},
          .signature = attest.signature};
}

Statement statement_of(const ViewChange& vc) {
  return {.purpose = Purpose::kViewChange,
          .replica = vc.replica,
          .epoch = vc.epoch,
          .view = vc.view,
          .first = 0,
          .ids = {crypto::blake3("hanse/view-change/3", {view_change_claims(vc)})},
          .signature = vc.signature};
}

Bytes view_change_message(const ViewChange& vc) { return statement_message(statement_of(vc)); }

Evidence evidence_of(Statement a, Statement b) {
  if (encode(b) < encode(a)) std::swap(a, b);
  return {.first = std::move(a), .second = std::move(b), .claims = {}};
}

Evidence evidence_of(const ViewChange& vc, Statement votes) {
  Evidence e = evidence_of(statement_of(vc), std::move(votes));
  e.claims = view_change_claims(vc);
  return e;
}

Hash32 vote_id(const Digest& digest) {
  if (!digest.is_zero()) return digest;
  Hash32 nothing;
  nothing.data.fill(0xFF);
  return nothing;
}

bool conceals(const ViewChange& vc, View view, std::uint64_t place, const Hash32& id) {
  const Seq seq = place / 2;
  if (id.is_zero() || view >= vc.view || seq <= vc.checkpoint.seq) return false;
  const auto about = [&](const Claim& c) { return c.seq == seq && vote_id(c.digest) == id && c.view >= view; };
  if (place == vote_place(seq, Phase::kPrepare)) return std::ranges::none_of(vc.prepares, about);
  return std::ranges::none_of(vc.prepared, [&](const Claim& c) { return about(c) || (c.seq == seq && c.view > view); });
}

Bytes encode(const Evidence& evidence) {
  Writer w;
  write(w, evidence.first);
  write(w, evidence.second);
  w.bytes(evidence.claims);
  return w.take();
}

Result<Evidence> decode_evidence(ByteView bytes) {
  Reader r(bytes);
  Evidence e;
  e.first = read_statement(r);
  e.second = read_statement(r);
  e.claims = to_bytes(r.bytes(kViewChangeClaimsBytesMax));
  TRY_OK(r.finish("evidence"));
  return e;
}

namespace {

// Of a view change, first as its purpose is the lower number, and votes.
Result<Fact> concealment(const Evidence& evidence) {
  const Statement& asked = evidence.first;
  const Statement& votes = evidence.second;
  if (asked.purpose != Purpose::kViewChange || votes.purpose != Purpose::kVotes || asked.replica != votes.replica ||
      asked.epoch != votes.epoch)
    return no_contradiction(
        text("found claims beside statements of {} by {} and of {} by {}, expected a view change "
             "and votes of one signer and epoch",
             purpose_name(asked.purpose), asked.replica, purpose_name(votes.purpose), votes.replica));
  TRY(const ViewChange vc, decode_view_change_claims(evidence.claims));
  if (vc.epoch != asked.epoch || vc.replica != asked.replica || vc.view != asked.view ||
      statement_of(vc).ids != asked.ids)
    return no_contradiction(
        text("found claims of replica {} for view {} in epoch {}, expected those behind the "
             "signature of replica {} for view {} in epoch {}",
             vc.replica, vc.view, vc.epoch, asked.replica, asked.view, asked.epoch));
  for (std::size_t i = 0; i < votes.ids.size(); ++i)
    if (conceals(vc, votes.view, votes.first + i, votes.ids[i]))
      return Fact{.purpose = Purpose::kViewChange,
                  .replica = asked.replica,
                  .epoch = asked.epoch,
                  .view = asked.view,
                  .place = kConcealed};
  return no_contradiction(
      text("found nothing from place {} on that the view change {} conceals", votes.first, asked.view));
}

}  // namespace

Result<Fact> contradiction(const Evidence& evidence) {
  const Statement& a = evidence.first;
  const Statement& b = evidence.second;
  if (!evidence.claims.empty()) return concealment(evidence);
  if (a.purpose != b.purpose || a.replica != b.replica || a.epoch != b.epoch || a.view != b.view)
    return no_contradiction(
        text("found statements of {} by {} and of {} by {}, expected one signer, purpose, epoch and "
             "view",
             purpose_name(a.purpose), a.replica, purpose_name(b.purpose), b.replica));
  const std::uint64_t from = std::max(a.first, b.first);
  const std::uint64_t end = std::min(a.first + a.ids.size(), b.first + b.ids.size());
  for (std::uint64_t place = from; place < end; ++place)
    if (const Hash32 &x = a.ids[place - a.first], &y = b.ids[place - b.first]; x != y && !x.is_zero() && !y.is_zero())
      return Fact{.purpose = a.purpose, .replica = a.replica, .epoch = a.epoch, .view = a.view, .place = place};
  return no_contradiction(text("found nothing that statements of {} from {} and {} on say differently",
                               purpose_name(a.purpose), a.first, b.first));
}

}  // namespace hanse::consensus
