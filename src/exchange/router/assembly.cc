#include "exchange/router/assembly.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::router {

Result<std::vector<Message>> fragments_of(const Geometry& geometry, Carries carries, std::size_t surbs, Message whole) {
  const std::size_t first = body_max(geometry, carries, surbs), other = body_max(geometry, carries, 0);
  const std::size_t size = whole.body.size();
  const std::size_t count = size <= first ? 1 : 1 + (size - first + other - 1) / other;
  if (count > kFragmentsMax)
    return fail(Kind::kInvalid, "router.message",
                text("found a body of {} bytes in {} fragments, expected at most {}", size, count, kFragmentsMax));
  std::vector<Message> out;
  for (ByteView rest = whole.body; out.size() < count;) {
    const ByteView body = rest.first(std::min(rest.size(), out.empty() ? first : other));
    rest = rest.subspan(body.size());
    out.push_back({.kind = whole.kind,
                   .id = whole.id,
                   .fragment = static_cast<std::uint16_t>(out.size()),
                   .fragments = static_cast<std::uint16_t>(count),
                   .surbs = {},
                   .body = to_bytes(body)});
  }
  return out;
}

Status Assembly::check(const Part* part, const Message& m) const {
  const auto bad = [&](std::string_view why) {
    return fail(Kind::kInvalid, "router.fragment", text("found fragment {} of {}: {}", m.fragment, m.fragments, why));
  };
  if (m.fragment >= m.fragments || m.fragments > kFragmentsMax)
    return bad(text("expected one of at most {}", kFragmentsMax));
  if (part == nullptr) return {};
  if (part->fragments != m.fragments) return bad(text("an earlier one is of {}", part->fragments));
  if (part->kind != m.kind) return bad(text("its kind is {}, an earlier one's {}", m.kind, part->kind));
  const auto there = part->bodies.find(m.fragment);
  if (there != part->bodies.end() && there->second != m.body) return bad("it was here with other bytes");
  return {};
}

Result<Assembly::Added> Assembly::add(std::int64_t now_ns, const Message& m) {
  const auto known = parts_.find(m.id);
  TRY_OK(check(known == parts_.end() ? nullptr : &known->second, m));
  if (m.fragments == 1) return Added{.repeated = false, .whole = m.body};
  if (known != parts_.end() && known->second.bodies.contains(m.fragment))
    return Added{.repeated = true, .whole = std::nullopt};
  if (known == parts_.end() && parts_.size() >= limits_.messages_max)
    return fail(Kind::kExhausted, "router.assembly_full",
                text("found {} messages that wait for fragments, expected fewer", parts_.size()));
  if (bytes_ + m.body.size() > limits_.bytes_max)
    return fail(
        Kind::kExhausted, "router.assembly_full",
        text("found {} bytes of fragments and {} more, expected at most {}", bytes_, m.body.size(), limits_.bytes_max));
  Part& part = parts_[m.id];
  if (part.bodies.empty()) part = {.kind = m.kind, .fragments = m.fragments, .begun_ns = now_ns, .bodies = {}};
  bytes_ += m.body.size();
  part.bodies.emplace(m.fragment, m.body);
  if (part.bodies.size() < part.fragments) return Added{};
  Bytes whole;
  for (const auto& [number, body] : part.bodies) append(whole, body);
  forget(m.id);
  return Added{.repeated = false, .whole = std::move(whole)};
}

std::vector<std::uint16_t> Assembly::missing(const MessageId& id) const {
  std::vector<std::uint16_t> out;
  const auto part = parts_.find(id);
  if (part == parts_.end()) return out;
  for (std::uint16_t i = 0; i < part->second.fragments; ++i)
    if (!part->second.bodies.contains(i)) out.push_back(i);
  return out;
}

void Assembly::forget(const MessageId& id) {
  const auto part = parts_.find(id);
  if (part == parts_.end()) return;
  for (const auto& [number, body] : part->second.bodies) bytes_ -= body.size();
  parts_.erase(part);
}

void Assembly::expire(std::int64_t now_ns) {
  std::vector<MessageId> old;
  for (const auto& [id, part] : parts_)
    if (now_ns - part.begun_ns >= limits_.age_ns) old.push_back(id);
  for (const MessageId& id : old) forget(id);
}

}  // namespace hanse::router
