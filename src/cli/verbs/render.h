// What a person sees: tables, error lines, and the words for error kinds. Plain text, no colour in pipes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/codec/json.h"
#include "base/core/result.h"

namespace hanse::cli {

// Columns are as wide as their widest cell; numbers are right-aligned.
std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows);

codec::Json error_json(const Error& error);  // {"error":{"id","code","message","path"}}
std::string error_text(const Error& error);  // "error: …", "  where: …", "  more: hanse explain ID"

// The candidate with the smallest edit distance, "" when none is near.
std::string nearest(std::string_view found, const std::vector<std::string>& candidates);

}  // namespace hanse::cli
