#include "base/core/text.h"

#include <fmt/args.h>
#include <fmt/format.h>

#include "base/core/check.h"

namespace hanse {

namespace {

std::string to_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    const auto b = static_cast<unsigned char>(c);
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

}  // namespace

std::string format_text(std::string_view format, std::initializer_list<TextArg> args) {
  fmt::dynamic_format_arg_store<fmt::format_context> store;
  for (const TextArg& a : args) {
    switch (a.type) {
      case TextArg::Type::kInt: store.push_back(a.i); break;
      case TextArg::Type::kUint: store.push_back(a.u); break;
      case TextArg::Type::kDouble: store.push_back(a.d); break;
      case TextArg::Type::kBool: store.push_back(a.u != 0); break;
      case TextArg::Type::kChar: store.push_back(static_cast<char>(a.u)); break;
      case TextArg::Type::kText: store.push_back(a.s); break;
      case TextArg::Type::kHex: store.push_back(to_hex(a.s)); break;
    }
  }
  try {
    return fmt::vformat(fmt::string_view(format.data(), format.size()), store);
  } catch (const fmt::format_error& e) {
    check_failed(std::string("format string '") + std::string(format) + "': " + e.what(),
                 std::source_location::current());
  }
}

}  // namespace hanse
