#include "mesh/lan/cache.h"

#include <algorithm>

#include "base/codec/hex.h"

namespace hanse::lan {
namespace {

constexpr std::int64_t kBrowseGapMaxNs = 3600 * kSecond;
constexpr int kRefreshes = 4, kCompletions = 4;
constexpr std::size_t kAskedMax = 32;                                   // questions of one message
constexpr std::size_t kKnownBytesMax = 1200, kKnownBytes = 2 + 10 + 2;  // of a PTR besides its label

bool is_address(Type type) { return type == Type::kA || type == Type::kAaaa; }

}  // namespace

Cache::Cache(Random& random, std::int64_t now_ns) : random_(&random) {
  browse_ns_ = now_ns + random_ns(20 * kMs, 120 * kMs);
}

std::int64_t Cache::random_ns(std::int64_t least_ns, std::int64_t most_ns) const {
  return least_ns + static_cast<std::int64_t>(random_->below(static_cast<std::uint64_t>(most_ns - least_ns + 1)));
}

Cache::Key Cache::key_of(const Record& r) {
  std::string data(as_text(r.data));
  if (const auto ptr = ptr_of(r)) data = ptr->folded();
  if (const auto srv = srv_of(r)) data = data.substr(0, 6) + srv->target.folded();
  return {r.name.folded(), r.type, std::move(data)};
}

std::vector<const Record*> Cache::of(const Name& name, Type type) const {
  std::vector<const Record*> out;
  const std::string folded = name.folded();
  for (auto it = entries_.lower_bound({folded, type, {}});
       it != entries_.end() && std::get<0>(it->first) == folded && std::get<1>(it->first) == type; ++it)
    out.push_back(&it->second.record);
  return out;
}

bool Cache::wanted(const Record& r) const {
  if (r.type == Type::kPtr) return r.name == service_name() && ptr_of(r)->parent() == service_name();
  if (r.type == Type::kSrv || r.type == Type::kTxt) return r.name.parent() == service_name();
  return is_address(r.type) && hosts_.contains(r.name.folded());
}

void Cache::ask_later(Entry& e) {
  const std::int64_t percent_ns = std::int64_t{e.record.ttl_s} * (kSecond / 100);
  e.ask_ns =
      e.asked < kRefreshes ? e.received_ns + (80 + 5 * e.asked) * percent_ns + random_ns(0, 2 * percent_ns) : kNever;
  ++e.asked;
}

bool Cache::keep(const Record& r, std::int64_t now_ns) {
  const Key key = key_of(r);
  auto found = entries_.find(key);
  if (r.ttl_s == 0) {  // goodbye: a second is left for somebody else to say that it is still there
    if (found != entries_.end()) {
      found->second.end_ns = std::min(found->second.end_ns, now_ns + kSecond);
      found->second.ask_ns = kNever;
    }
    return false;
  }
  const bool is_new = found == entries_.end();
  if (is_new) {
    const bool full = entries_.size() >= kCachedMax ||
                      (r.type == Type::kPtr ? instances_ >= kInstancesMax : of(r.name, r.type).size() >= kPerNameMax);
    if (full) {
      ++counts_.refused;
      return false;
    }
    found = entries_.emplace(key, Entry{}).first;
    if (r.type == Type::kPtr) {
      ++instances_;
      found->second.complete_ns = now_ns + random_ns(20 * kMs, 120 * kMs);
    }
    if (r.type == Type::kSrv) hosts_.insert(srv_of(r)->target.folded());
  }
  Entry& e = found->second;
  e.record = r;
  e.record.ttl_s = std::min(r.ttl_s, kTtlMaxS);
  e.received_ns = now_ns;
  e.end_ns = now_ns + e.record.ttl_s * kSecond;
  e.asked = 0;
  ask_later(e);
  return is_new;
}

void Cache::flush_others(const Record& r, std::int64_t now_ns) {
  const Key mine = key_of(r);
  const auto& [name, type, data] = mine;
  for (auto it = entries_.lower_bound({name, type, {}});
       it != entries_.end() && std::get<0>(it->first) == name && std::get<1>(it->first) == type; ++it) {
    if (it->first == mine || now_ns - it->second.received_ns <= kSecond) continue;
    it->second.end_ns = std::min(it->second.end_ns, now_ns + kSecond);
    it->second.ask_ns = kNever;
  }
}

bool Cache::receive(const Message& response, std::int64_t now_ns) {
  bool changed = false;
  for (const bool addresses : {false, true}) {  // which addresses are wanted is known after the SRV records
    for (const auto* section : {&response.answers, &response.additional}) {
      for (const Record& r : *section) {
        if (is_address(r.type) != addresses || !wanted(r)) continue;
        if (r.flush && r.type != Type::kPtr) flush_others(r, now_ns);
        changed |= keep(r, now_ns);
      }
    }
  }
  return changed;
}

Cache::Questions Cache::lacking(const Entry& ptr) const {
  Questions out;
  const Name instance = *ptr_of(ptr.record);
  const auto srv = of(instance, Type::kSrv);
  if (srv.empty()) out.push_back({instance, Type::kSrv});
  if (of(instance, Type::kTxt).empty()) out.push_back({instance, Type::kTxt});
  if (srv.empty()) return out;
  const Name host = srv_of(*srv[0])->target;
  if (of(host, Type::kA).empty() && of(host, Type::kAaaa).empty())
    for (const Type type : {Type::kA, Type::kAaaa}) out.push_back({host, type});
  return out;
}

// What is to be asked now; whatever finds no place in one message stays due.
Cache::Questions Cache::due(std::int64_t now_ns) {
  Questions out;
  const auto add = [&](const Question& q) {
    if (std::ranges::find(out, q) == out.end()) out.push_back(q);
  };
  if (browse_ns_ <= now_ns) {
    out.push_back({service_name(), Type::kPtr, !browsed_});
    browsed_ = true;
    browse_ns_ = now_ns + browse_gap_ns_;
    browse_gap_ns_ = std::min(2 * browse_gap_ns_, kBrowseGapMaxNs);
  }
  for (auto& [key, e] : entries_) {
    if (out.size() + 3 > kAskedMax) break;
    if (e.ask_ns <= now_ns) {
      if (e.record.type != Type::kPtr || out.empty() || !(out[0].name == service_name()))
        add({e.record.name, e.record.type});
      ask_later(e);
    }
    if (e.complete_ns <= now_ns) {
      const Questions lacks = lacking(e);
      for (const Question& q : lacks) add(q);
      e.complete_ns = ++e.completed < kCompletions && !lacks.empty() ? now_ns + (kSecond << (e.completed - 1)) : kNever;
    }
  }
  return out;
}

void Cache::ask(const Questions& questions, std::int64_t now_ns, std::vector<Outgoing>& out) {
  Message message{.questions = questions};
  std::size_t bytes = 0;
  if (std::ranges::any_of(questions, [](const Question& q) { return q.type == Type::kPtr; })) {
    for (auto it = entries_.lower_bound({service_name().folded(), Type::kPtr, {}});
         it != entries_.end() && it->second.record.name == service_name(); ++it) {
      const Entry& e = it->second;
      const std::int64_t left_s = (e.end_ns - now_ns) / kSecond;
      if (e.record.type != Type::kPtr || left_s * 2 <= e.record.ttl_s) continue;
      const std::size_t more = kKnownBytes + ptr_of(e.record)->label().size();
      if (bytes + more > kKnownBytesMax) {
        message.truncated = true;
        out.push_back({std::move(message)});
        message = {};
        bytes = 0;
      }
      bytes += more;
      message.answers.push_back(e.record);
      message.answers.back().ttl_s = static_cast<std::uint32_t>(left_s);
      message.answers.back().flush = false;
    }
  }
  out.push_back({std::move(message)});
  quiet_until_ns_ = now_ns + kSecond;
}

bool Cache::tick(std::int64_t now_ns, std::vector<Outgoing>& out) {
  const std::size_t before = entries_.size();
  std::erase_if(entries_, [&](const auto& one) { return one.second.end_ns <= now_ns; });
  if (entries_.size() != before) {
    instances_ = of(service_name(), Type::kPtr).size();
    hosts_.clear();
    for (const auto& [key, e] : entries_)
      if (e.record.type == Type::kSrv) hosts_.insert(srv_of(e.record)->target.folded());
  }
  if (quiet_until_ns_ <= now_ns)
    if (const Questions questions = due(now_ns); !questions.empty()) ask(questions, now_ns, out);
  return entries_.size() != before;
}

std::int64_t Cache::next_ns() const {
  std::int64_t ask = browse_ns_, end = kNever;
  for (const auto& [key, e] : entries_) {
    ask = std::min({ask, e.ask_ns, e.complete_ns});
    end = std::min(end, e.end_ns);
  }
  return std::min(std::max(ask, quiet_until_ns_), end);
}

std::optional<Hint> Cache::hint_of(const Name& instance) const {
  const auto srv = of(instance, Type::kSrv), txt = of(instance, Type::kTxt);
  if (srv.empty() || txt.empty() || txt_value(*txt[0], "v") != "1") return std::nullopt;
  const auto peer = codec::from_base32(txt_value(*txt[0], "id").value_or(""));
  const auto network = codec::from_hex(txt_value(*txt[0], "net").value_or(""));
  Hint out{.instance = std::string(instance.label())};
  if (!peer || !AccountId::from(*peer, out.peer) || !network || network->size() != out.network.size())
    return std::nullopt;
  std::ranges::copy(*network, out.network.begin());
  const Srv where = *srv_of(*srv[0]);
  for (const Type type : {Type::kA, Type::kAaaa}) {
    for (const Record* r : of(where.target, type)) {
      Address address{.ip = r->data, .port = where.port};
      if (discovery::reach_of(address) != discovery::Reach::kNever) out.addresses.push_back(std::move(address));
    }
  }
  if (out.addresses.empty()) return std::nullopt;
  return out;
}

std::vector<Hint> Cache::hints(std::uint32_t interface) const {
  std::vector<Hint> out;
  for (const Record* ptr : of(service_name(), Type::kPtr)) {
    auto hint = hint_of(*ptr_of(*ptr));
    if (!hint) continue;
    hint->interface = interface;
    out.push_back(*std::move(hint));
  }
  return out;
}

}  // namespace hanse::lan
