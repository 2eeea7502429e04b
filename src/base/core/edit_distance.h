// How many letters to insert, delete or replace to turn one word into another: what "did you mean" is based on.
// Source: Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals", 1966; computed row by
// row (Wagner and Fischer, "The string-to-string correction problem", 1974). Bytes, not characters. Errors: none.
#pragma once

#include <cstddef>
#include <string_view>

namespace hanse {

std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace hanse
