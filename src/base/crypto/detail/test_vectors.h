// Reads the official test vectors for this room's tests: from $HANSE_VECTORS, else <repository>/../shared/vectors.
// They are not part of the repository; a test without them says so in one line and passes.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <iterator>

#include "base/codec/hex.h"
#include "base/codec/json.h"

namespace hanse::crypto::detail {

inline std::string vectors_root() {
  const char* set = std::getenv("HANSE_VECTORS");
  return set != nullptr ? set : "../shared/vectors";  // tests run in the repository's root
}

inline std::optional<codec::Json> read_vectors(const std::string& name) {
  std::ifstream file(vectors_root() + "/" + name);
  if (!file) {
    std::printf("skipped: no vectors %s in %s\n", name.c_str(), vectors_root().c_str());
    return std::nullopt;
  }
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  auto json = codec::parse_json(content);
  if (!json) {
    ADD_FAILURE() << name << ": " << json.error().str();
    return std::nullopt;
  }
  return std::move(*json);
}

// A member that must be there.
inline const codec::Json& at(const codec::Json& object, std::string_view key) {
  static const codec::Json none;
  const codec::Json* found = object.find(key);
  EXPECT_NE(found, nullptr) << "no member " << key;
  return found != nullptr ? *found : none;
}

inline std::string text_of(const codec::Json& object, std::string_view key) {
  const codec::Json* found = object.find(key);
  return found != nullptr ? std::string(found->as_text(key).value_or("")) : "";
}

inline Bytes hex_of(const codec::Json& object, std::string_view key) {
  return codec::from_hex(text_of(object, key)).value_or(Bytes{});
}

inline bool has_flag(const codec::Json& test, std::string_view flag) {
  const codec::Json* flags = test.find("flags");
  if (flags == nullptr) return false;
  for (const codec::Json& f : flags->items())
    if (f.as_text("flag").value_or("") == flag) return true;
  return false;
}

// Wycheproof: calls check(group, test) for every test and gives how many there were.
template <class Check>
std::size_t each_wycheproof(const std::string& name, Check&& check) {
  const auto file = read_vectors("wycheproof/" + name);
  if (!file) return 0;
  std::size_t n = 0;
  for (const codec::Json& group : at(*file, "testGroups").items()) {
    for (const codec::Json& test : at(group, "tests").items()) {
      SCOPED_TRACE(name + " case " + std::to_string(at(test, "tcId").as_u64("tcId").value_or(0)));
      check(group, test);
      ++n;
    }
  }
  EXPECT_GT(n, 0U) << name;
  return n;
}

inline bool is_valid(const codec::Json& test) { return text_of(test, "result") == "valid"; }

}  // namespace hanse::crypto::detail
