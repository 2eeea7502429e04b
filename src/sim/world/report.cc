#include "sim/world/report.h"

#include <charconv>
#include <numeric>

#include "base/core/text.h"

namespace hanse::sim {

namespace {

constexpr std::uint64_t kMinutesMax = 100'000, kSeedsMax = std::uint64_t{1} << 40;

codec::Json seen_json(const Coverage& seen) {
  codec::Json out = codec::Json::object();
  for (std::size_t i = 0; i < kSeenCount; ++i) out.set(seen_name(static_cast<Seen>(i)), seen[i]);
  return out;
}

std::string seen_text(const Coverage& seen) {
  std::string out;
  for (std::size_t i = 0; i < kSeenCount; ++i)
    out +=
        text("{}{} {}", i == 0 ? "" : (i % 6 == 0 ? "\n            " : ", "), seen_name(static_cast<Seen>(i)), seen[i]);
  return out;
}

std::uint64_t per_hour(const SearchResult& r) {
  return r.seeds * 3'600'000 / static_cast<std::uint64_t>(std::max<std::int64_t>(r.time_ms, 1));
}

Result<std::uint64_t> number(std::string_view name, std::string_view word, std::uint64_t max) {
  std::uint64_t v = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), v);
  if (error != std::errc() || end != word.data() + word.size() || v > max)
    return fail(Kind::kInvalid, "world.arguments", text("found {} '{}', expected a number up to {}", name, word, max));
  return v;
}

}  // namespace

std::string trace_text(std::uint64_t trace) { return text("{:016x}", trace); }

codec::Json outcome_json(const Plan& plan, const Outcome& o) {
  codec::Json json = codec::Json::object();
  json.set("seed", plan.seed).set("n", std::uint64_t{plan.n}).set("faults", fault_list(plan.faults));
  json.set("trace", trace_text(o.trace)).set("slots", o.slots).set("events", o.events).set("checks", o.checks);
  json.set("operations", o.operations).set("ended_ms", o.ended_ms);
  json.set("ordering_frames", std::accumulate(o.ordering_frames.begin(), o.ordering_frames.end(), std::uint64_t{0}));
  json.set("ordering_bytes", std::accumulate(o.ordering_bytes.begin(), o.ordering_bytes.end(), std::uint64_t{0}));
  json.set("seen", seen_json(o.seen));
  if (o.failure) {
    codec::Json failure = codec::Json::object();
    failure.set("rule", o.failure->rule).set("what", o.failure->what).set("at_ms", o.failed_ms);
    json.set("failure", std::move(failure)).set("repro", repro(plan));
  }
  return json;
}

std::string outcome_text(const Plan& plan, const Outcome& o) {
  std::string out = text(
      "seed        {} with {} replicas\nfaults      {}\ntrace       {}\nslots       {} in {} ms, {} operations\n"
      "events      {}, {} checks\nseen        {}",
      plan.seed, plan.n, fault_list(plan.faults), trace_text(o.trace), o.slots, o.ended_ms, o.operations, o.events,
      o.checks, seen_text(o.seen));
  if (o.failure)
    out += text("\nBROKEN      {}: {} (at {} ms)\nagain       {}", o.failure->rule, o.failure->what, o.failed_ms,
                repro(plan));
  return out;
}

codec::Json search_json(const SearchResult& r, std::string_view mutant) {
  codec::Json json = codec::Json::object();
  if (!mutant.empty()) json.set("mutant", mutant);
  json.set("seeds", r.seeds).set("time_ms", r.time_ms).set("seeds_per_hour", per_hour(r));
  json.set("events", r.events).set("checks", r.checks).set("slots", r.slots).set("operations", r.operations);
  json.set("seen", seen_json(r.seen));
  codec::Json found = codec::Json::array();
  for (const Found& f : r.found) {
    codec::Json one = codec::Json::object();
    one.set("seed", f.plan.seed).set("rule", f.failure.rule).set("what", f.failure.what).set("at_ms", f.failed_ms);
    one.set("repro", repro(f.small)).set("plan", write_plan(f.small));
    found.push(std::move(one));
  }
  json.set("found", std::move(found));
  return json;
}

std::string search_text(const SearchResult& r, std::string_view mutant) {
  std::string out;
  if (!mutant.empty()) out += text("mutant      {}\n", mutant);
  out +=
      text("seeds       {} in {}.{} s, {} an hour\nslots       {}, {} operations, {} events, {} checks\nseen        {}",
           r.seeds, r.time_ms / 1'000, r.time_ms % 1'000 / 100, per_hour(r), r.slots, r.operations, r.events, r.checks,
           seen_text(r.seen));
  for (const Found& f : r.found) out += "\n" + describe(f);
  out += text("\nfound       {}", r.found.size());
  return out;
}

std::string progress_text(const SearchResult& r) {
  return text("{} seeds, {} an hour, {} found", r.seeds, per_hour(r), r.found.size());
}

Result<SearchArguments> parse_search(std::span<const std::string> args) {
  SearchArguments out;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string& name = args[i];
    if (name == "--json") {
      out.json = true;
      continue;
    }
    if (name == "--no-shrink") {
      out.search.shrinks = false;
      continue;
    }
    if (i + 1 == args.size())
      return fail(Kind::kInvalid, "world.arguments", text("found nothing after '{}', expected a value", name));
    const std::string& value = args[++i];
    if (name == "--mutant") {
      out.mutant = value;
      continue;
    }
    TRY(const std::uint64_t v, number(name, value, kSeedsMax));
    if (name == "--seeds") {
      out.search.seeds = v;
    } else if (name == "--minutes" && v <= kMinutesMax) {
      out.search.time_ms = static_cast<std::int64_t>(v) * 60'000;
    } else if (name == "--first") {
      out.search.first_seed = v;
    } else if (name == "--n" && v <= kReplicasSimMax) {
      out.search.n = static_cast<std::uint16_t>(v);
    } else if (name == "--slots" && v <= kSlotsSimMax) {
      out.search.slots = static_cast<std::uint32_t>(v);
    } else if (name == "--threads" && v <= kSearchThreadsMax) {
      out.search.threads = static_cast<unsigned>(v);
    } else if (name == "--failures" && v > 0 && v <= 1'000) {
      out.search.failures_max = v;
    } else {
      return fail(Kind::kInvalid, "world.arguments",
                  text("found '{} {}', expected an option of a search", name, value));
    }
  }
  return out;
}

std::vector<std::string> write_search(const SearchArguments& a) {
  std::vector<std::string> out = {
      "--seeds",    text("{}", a.search.seeds),       "--minutes", text("{}", a.search.time_ms / 60'000),
      "--first",    text("{}", a.search.first_seed),  "--n",       text("{}", a.search.n),
      "--slots",    text("{}", a.search.slots),       "--threads", text("{}", a.search.threads),
      "--failures", text("{}", a.search.failures_max)};
  if (!a.search.shrinks) out.push_back("--no-shrink");
  if (!a.mutant.empty()) out.insert(out.end(), {"--mutant", a.mutant});
  if (a.json) out.push_back("--json");
  return out;
}

}  // namespace hanse::sim
