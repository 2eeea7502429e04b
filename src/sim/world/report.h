// What a search and a run say: text for people, one JSON object for programs; and the arguments of a search, shared by
// `hanse sim search` and the program that holds the planted mistakes.
// Pure; any thread. Errors: world.arguments (invalid).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/codec/json.h"
#include "sim/world/search.h"

namespace hanse::sim {

codec::Json outcome_json(const Plan& plan, const Outcome& outcome);
std::string outcome_text(const Plan& plan, const Outcome& outcome);
codec::Json search_json(const SearchResult& result, std::string_view mutant);
std::string search_text(const SearchResult& result, std::string_view mutant);
std::string progress_text(const SearchResult& result);

struct SearchArguments {
  SearchOptions search = {};
  std::string mutant = {};  // "" = the code as it is
  bool json = false;
};
// "--seeds K --minutes M --first S --n N --slots K --threads T --failures F --no-shrink --mutant NAME --json"
Result<SearchArguments> parse_search(std::span<const std::string> args);
std::vector<std::string> write_search(const SearchArguments& arguments);

std::string trace_text(std::uint64_t trace);  // 16 hex digits

}  // namespace hanse::sim
