#include "node/mixing/calls.h"

#include <algorithm>
#include <limits>

#include "base/core/text.h"

namespace hanse::mixing {

using router::MessageId;

Result<Calls::Begun> Calls::begin(std::int64_t now_ns, router::Lane lane, std::vector<router::NodeId> exits,
                                  Bytes question) {
  if (exits.empty())
    return fail(Kind::kUnavailable, "mixing.no_exit", "found no node of this epoch that answers calls");
  if (calls_.size() >= kCallsMax)
    return fail(Kind::kExhausted, "mixing.limit", text("found {} calls under way, expected fewer", calls_.size()));
  Begun out;
  random_.fill(out.call.span());
  Named named{out.call, {.lane = lane, .exits = std::move(exits), .question = std::move(question)}};
  TRY_OK(start(now_ns, named, out.sends));
  calls_.insert(std::move(named));
  return out;
}

// Under a new id at the exit whose turn it is.
Status Calls::start(std::int64_t now_ns, Named& named, Sends& out) {
  Call& call = named.second;
  answers_.forget(call.id);
  random_.fill(call.id.span());
  call.asked.clear();
  call.silences = 0;
  call.moves = false;
  TRY(call.fragments, router::fragments_of(geometry_, router::Carries::kRequest, router::surbs_max(geometry_),
                                           {.kind = kCallKind, .id = call.id, .surbs = {}, .body = call.question}));
  for (std::size_t i = 0; i < call.fragments.size(); ++i) send(now_ns, named, static_cast<std::uint16_t>(i), out);
  return {};
}

void Calls::send(std::int64_t now_ns, Named& named, std::uint16_t fragment, Sends& out) {
  Call& call = named.second;
  const router::Message& m = call.fragments[fragment];
  out.push_back(
      {.call = named.first,
       .exit = call.exits[call.exit],
       .lane = call.lane,
       .message =
           {.kind = m.kind, .id = m.id, .fragment = m.fragment, .fragments = m.fragments, .surbs = {}, .body = m.body},
       .surbs = fragment == 0 ? router::surbs_max(geometry_) : 0});
  wait(now_ns, call);
}

void Calls::ask_more(std::int64_t now_ns, Named& named, Sends& out) {
  Call& call = named.second;
  const auto missing = answers_.missing(call.id);
  const std::size_t each = router::surbs_max(geometry_);
  call.asked.clear();
  for (std::size_t at = 0; at < missing.size() && at / each < kWindow; at += each) {
    const std::vector<std::uint16_t> some(
        missing.begin() + static_cast<std::ptrdiff_t>(at),
        missing.begin() + static_cast<std::ptrdiff_t>(std::min(at + each, missing.size())));
    call.asked.insert(some.begin(), some.end());
    out.push_back({.call = named.first,
                   .exit = call.exits[call.exit],
                   .lane = call.lane,
                   .message = {.kind = kMoreKind, .id = call.id, .surbs = {}, .body = encode_numbers(some)},
                   .surbs = some.size()});
  }
  wait(now_ns, call);
}

void Calls::wait(std::int64_t now_ns, Call& call) { call.due_ns = now_ns + (kSlackNs << call.silences); }

void Calls::expect(const MessageId& call, std::int64_t at_ns) {
  const auto known = calls_.find(call);
  if (known == calls_.end() || known->second.moves) return;
  known->second.due_ns = std::max(known->second.due_ns, at_ns + (kSlackNs << known->second.silences));
}

Calls::Sends Calls::take(std::int64_t now_ns, router::Message m) {
  Sends out;
  Named* named = find(m.id);
  if (named == nullptr || named->second.ended) return out;
  Call& call = named->second;
  if (m.kind == kMissingKind) {
    const auto missing = decode_numbers(m.body);
    if (!missing) return out;
    for (const std::uint16_t n : *missing)
      if (n < call.fragments.size()) {
        send(now_ns, *named, n, out);
        ++repeats_;
      }
  } else if (m.kind == kAnswerKind) {
    call.asked.erase(m.fragment);
    auto added = answers_.add(now_ns, m);
    if (!added) return out;
    if (added->whole)
      call.ended = std::move(*added->whole);
    else if (call.asked.empty())
      // The second of two that come by the question's own blocks is on its way as a rule.
      m.fragment == 0 && m.fragments == 2 ? wait(now_ns, call) : ask_more(now_ns, *named, out);
  }
  call.silences = 0;
  call.no_paths = 0;
  return out;
}

Calls::Sends Calls::tick(std::int64_t now_ns) {
  Sends out;
  for (Named& named : calls_) {
    Call& call = named.second;
    if (call.ended || call.due_ns > now_ns) continue;
    ++repeats_;
    if (call.moves || ++call.silences > kPollsMax) {
      call.exit = (call.exit + 1) % call.exits.size();
      ++other_exits_;
      if (const Status started = start(now_ns, named, out); !started)
        call.ended = std::unexpected(started.error().clone());
    } else if (!answers_.missing(call.id).empty()) {
      ask_more(now_ns, named, out);
    } else {
      send(now_ns, named, 0, out);
    }
  }
  return out;
}

std::int64_t Calls::next_ns() const {
  std::int64_t next = std::numeric_limits<std::int64_t>::max();
  for (const auto& [name, call] : calls_)
    if (!call.ended) next = std::min(next, call.due_ns);
  return next;
}

Calls::Named* Calls::find(const MessageId& message) {
  const auto found = std::ranges::find_if(calls_, [&](const Named& c) { return c.second.id == message; });
  return found == calls_.end() ? nullptr : &*found;
}

bool Calls::knows(const MessageId& message) const {
  return std::ranges::any_of(calls_, [&](const Named& c) { return c.second.id == message; });
}

void Calls::failed(std::int64_t now_ns, const MessageId& message, const Error& error) {
  Named* named = find(message);
  if (named == nullptr || named->second.ended || named->second.moves) return;
  Call& call = named->second;
  if (error.id() != "router.no_path" || ++call.no_paths >= call.exits.size()) {
    call.ended = std::unexpected(error.clone());
    return;
  }
  call.moves = true;
  call.due_ns = now_ns;
}

std::optional<Result<Bytes>> Calls::ended(const MessageId& call) {
  const auto known = calls_.find(call);
  if (known == calls_.end() || !known->second.ended) return std::nullopt;
  auto out = std::move(known->second.ended);
  forget(call);
  return out;
}

void Calls::forget(const MessageId& call) {
  const auto known = calls_.find(call);
  if (known == calls_.end()) return;
  answers_.forget(known->second.id);
  calls_.erase(known);
}

}  // namespace hanse::mixing
