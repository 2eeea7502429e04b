// The XML that object stores answer with, read strictly: elements, attributes (skipped), text with the five entities
// and numeric references, one declaration at the start. Document types, comments, CDATA and processing instructions are
// refused, so nothing expands and nothing is fetched. Limits: kXmlBytesMax, kXmlDepthMax.
// Pure; any thread. Errors: archive.reply (corrupt, with the offset).
#pragma once

#include <functional>
#include <string_view>

#include "base/core/result.h"

namespace hanse::archive {

constexpr std::size_t kXmlBytesMax = 16u << 20;
constexpr std::size_t kXmlDepthMax = 8;

// Calls visit at the end of every element with its path ("ListBucketResult/Contents/Key", prefixes of namespaces
// dropped) and its own text, children before parents.
Status read_xml(std::string_view xml, const std::function<Status(std::string_view path, std::string_view text)>& visit);

}  // namespace hanse::archive
