// Reading the objects of a job file: known keys only, each error with its path and, when the parser gave one, its line.
#pragma once

#include "exchange/gxf/gxf.h"

#include "base/codec/json.h"

#include <span>
#include <string>

namespace hanse::gxf::detail {

// Where a value stands in the file, for errors.
struct Spot {
  const codec::Json* value = nullptr;
  std::string path;
  bool present() const { return value != nullptr && !value->is_null(); }
};

std::unexpected<Error> fail_file(std::string_view path, std::uint32_t line, std::string_view message);
std::unexpected<Error> fail_file(const Spot& spot, std::string_view message);

class Fields {
 public:
  // The spot must hold an object whose keys are all among `known`; an unknown key is answered with the nearest one.
  static Result<Fields> open(const Spot& spot, std::span<const std::string_view> known);
  Spot at(std::string_view key) const;  // value is nullptr when absent
  Result<Spot> need(std::string_view key) const;

 private:
  Fields(const codec::Json& object, std::string path) : object_(&object), path_(std::move(path)) {}
  const codec::Json* object_;
  std::string path_;
};
std::vector<Spot> items_of(const Spot& spot);         // of an array
Result<std::vector<Spot>> list_of(const Spot& spot);  // gxf.job_file when it is no array

Result<std::string> word(const Spot& spot);                                // a text, not empty
Result<std::uint64_t> number(const Spot& spot, std::uint64_t most);        // an integer
Result<std::uint64_t> count(const Spot& spot, std::uint64_t most);         // 50000000, "50M": k M G T, thousands
Result<std::uint64_t> bytes(const Spot& spot, std::uint64_t most);         // "64MiB": B kB MB GB KiB MiB GiB
Result<std::uint64_t> milliseconds(const Spot& spot, std::uint64_t most);  // "10s": ms s m h

struct Choice {
  std::string_view name;
  std::uint64_t value;
};
// One of the names, in either case; numbers too when number_max > 0.
Result<std::uint64_t> choice(const Spot& spot, std::span<const Choice> choices, std::uint64_t number_max = 0);

std::string lower(std::string_view s);
std::string_view nearest(std::string_view found, std::span<const std::string_view> known);

// Everything that is not already gxf.job_file (a parser's or a getter's error) becomes it, path and words kept.
std::unexpected<Error> as_job_file_error(const Error& e);
Result<codec::Json> parse_text(std::string_view text);  // JSON when it begins with '{', else YAML

bool is_kind_name(ByteView name);  // rules.cc
Limits default_limits();           // job_file.cc: 1G gas, 256 MiB, 10 s, 1 MiB of output

}  // namespace hanse::gxf::detail
