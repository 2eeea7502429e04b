// UTF-8 as RFC 3629 has it: shortest forms only, no surrogates, nothing above U+10FFFF.
// Pure; any thread. Errors: none.
#pragma once

#include <cstddef>
#include <string_view>

namespace hanse::codec {

bool is_utf8(std::string_view text);

// Bytes of the valid sequence at the start of text (1..4), 0 when there is none.
std::size_t utf8_sequence(std::string_view text);

}  // namespace hanse::codec
