#include "node/mixing/exit.h"

namespace hanse::mixing {
namespace {

router::Message copy_of(const router::Message& m) {
  return {.kind = m.kind, .id = m.id, .fragment = m.fragment, .fragments = m.fragments, .surbs = {}, .body = m.body};
}

}  // namespace

Bytes encode_numbers(const std::vector<std::uint16_t>& numbers) {
  Bytes out;
  for (const std::uint16_t n : numbers) append_be(out, n);
  return out;
}

std::optional<std::vector<std::uint16_t>> decode_numbers(ByteView body) {
  if (body.size() % 2 != 0 || body.size() > 2 * router::kFragmentsMax) return std::nullopt;
  std::vector<std::uint16_t> out;
  for (std::size_t at = 0; at < body.size(); at += 2) out.push_back(load_be<std::uint16_t>(body.data() + at));
  return out;
}

Exit::Effects Exit::take(std::int64_t now_ns, router::Message m) {
  Effects out;
  const auto known = calls_.find(m.id);
  if (m.kind == kMoreKind) {
    const auto wanted = decode_numbers(m.body);
    if (known == calls_.end() || !wanted) {
      ++refused_;
      return out;
    }
    known->second.blocks = std::move(m.surbs);
    reply(known->second, *wanted, out);
  } else if (known == calls_.end() || assembly_.holds(m.id)) {
    take_fragment(now_ns, std::move(m), out);
  } else if (!m.surbs.empty()) {  // worked on, or answered: the caller waits for it
    known->second.blocks = std::move(m.surbs);
    reply(known->second, {0, 1}, out);
  }
  return out;
}

void Exit::take_fragment(std::int64_t now_ns, router::Message m, Effects& out) {
  const bool is_new = !calls_.contains(m.id);
  const bool full = (is_new && calls_.size() >= limits_.calls_max) || running_ >= limits_.running_max;
  auto added = full ? Result<router::Assembly::Added>(fail(Kind::kExhausted, "router.assembly_full", "no room"))
                    : assembly_.add(now_ns, m);
  if (!added) {
    ++refused_;
    return;
  }
  Call& call = calls_[m.id];
  const bool waits = !m.surbs.empty();
  if (waits) call.blocks = std::move(m.surbs);
  if (added->whole) {
    call.running = true;
    ++running_;
    out.run = Question{.id = m.id, .body = std::move(*added->whole)};
  } else if (added->repeated && waits) {
    out.replies.push_back(
        {.block = std::move(call.blocks.back()),
         .message = {.kind = kMissingKind, .id = m.id, .surbs = {}, .body = encode_numbers(assembly_.missing(m.id))}});
    call.blocks.pop_back();
  }
}

// Those of the wanted fragments that exist, one a block.
void Exit::reply(Call& call, const std::vector<std::uint16_t>& fragments, Effects& out) {
  for (const std::uint16_t n : fragments) {
    if (n >= call.answer.size() || call.blocks.empty()) continue;
    out.replies.push_back({.block = std::move(call.blocks.back()), .message = copy_of(call.answer[n])});
    call.blocks.pop_back();
  }
}

Exit::Effects Exit::answered(std::int64_t now_ns, const router::MessageId& id, Bytes answer) {
  Effects out;
  const auto known = calls_.find(id);
  if (known == calls_.end() || !known->second.running) return out;
  Call& call = known->second;
  --running_;
  call.running = false;
  ++answered_count_;
  auto fragments = router::fragments_of(geometry_, router::Carries::kReply, 0,
                                        {.kind = kAnswerKind, .id = id, .surbs = {}, .body = std::move(answer)});
  std::size_t bytes = 0;
  if (fragments)
    for (const router::Message& m : *fragments) bytes += m.body.size();
  if (!fragments || bytes > limits_.answer_bytes_max) {
    ++refused_;
    calls_.erase(known);
    return out;
  }
  call.answer = std::move(*fragments);
  call.answer_bytes = bytes;
  call.until_ns = now_ns + limits_.keep_ns;
  answer_bytes_ += bytes;
  reply(call, {0, 1}, out);
  while (answer_bytes_ > limits_.answer_bytes_max) {  // the oldest first; it can be worked out again
    auto oldest = calls_.end();
    for (auto it = calls_.begin(); it != calls_.end(); ++it)
      if (!it->second.answer.empty() && (oldest == calls_.end() || it->second.until_ns < oldest->second.until_ns))
        oldest = it;
    erase(oldest);
  }
  return out;
}

void Exit::erase(Calls::iterator call) {
  answer_bytes_ -= call->second.answer_bytes;
  calls_.erase(call);
}

void Exit::expire(std::int64_t now_ns) {
  assembly_.expire(now_ns);
  for (auto it = calls_.begin(); it != calls_.end();) {
    const auto next = std::next(it);
    const Call& call = it->second;
    const bool over = call.answer.empty() ? !call.running && !assembly_.holds(it->first) : call.until_ns <= now_ns;
    if (over) erase(it);
    it = next;
  }
}

}  // namespace hanse::mixing
