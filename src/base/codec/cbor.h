// Deterministic CBOR: the one encoding of everything signed, hashed or stored as a record.
// Source: RFC 8949 section 4.2.1 (core deterministic encoding) with a narrower profile: integers (u64 and negative
// i64), byte strings, UTF-8 text, booleans, definite arrays, and maps whose keys are unsigned integers in ascending
// order. Tags, floats, null, undefined, simple values, indefinite lengths and text keys do not exist here. Bytes that
// decode re-encode to themselves; there is one encoding per value. Threads: values. The reader borrows its input; views
// it returns live as long as the input. Errors, all Kind::kInvalid with the path of the item, e.g.
// "nodes[2].limits.gas" (a root map's own name is left out, items of an array are shown by their index; an error in a
// map's key has the path of the map):
//   codec.truncated     the input ends inside an item
//   codec.type          another type, range or count than expected
//   codec.noncanonical  longer than needed, unsorted, indefinite
//   codec.dupkey        the same map key twice
//   codec.trailing      bytes after the last item
//   codec.depth         nesting beyond the limit
//   codec.too_large     a string, container or the whole beyond its limit
//   codec.utf8          text that is not UTF-8
//   codec.missing       an array ends before the item, or a field is absent
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::codec {

// Appends items in the order written. Containers announce their size; take() checks that every one was filled and that
// map keys ascended (a wrong call order, or text that is not UTF-8, is our bug, not an error). A container closes
// itself when its last item is written.
class CborWriter {
 public:
  CborWriter() {  // most records are small: one allocation each
    out_.reserve(128);
    open_.reserve(4);
  }
  void u64(std::uint64_t v);
  void i64(std::int64_t v);
  void boolean(bool v);
  void bytes(ByteView v);
  void text(std::string_view v);
  void array(std::size_t items);
  void map(std::size_t entries);  // then entries times: key(k) and one item
  void key(std::uint64_t k);
  void raw(ByteView one_encoded_item);  // an item that is already canonical CBOR

  Bytes take();

 private:
  struct Open {
    std::uint64_t items_left;
    bool is_map;
    bool has_key;
    bool any_key;
    std::uint64_t last_key;
  };
  void head(std::uint8_t major, std::uint64_t v);
  void begin_item();
  void close_filled();
  void open(std::uint8_t major, std::size_t items);

  Bytes out_;
  std::vector<Open> open_;
};

struct CborLimits {
  std::size_t size_max = 64 * 1024;  // bytes of the whole input
  std::size_t depth_max = 8;
};

// A strict pull reader. `what` names the item for the error path and must outlive the reader (a literal).
// Reading in an order that cannot be right (a key in an array, a value without its key) is our bug, not an error.
//   TRY_OK(r.enter_map("job", 32));
//   while (r.more()) { TRY(auto k, r.key()); switch (k) { case 0: { TRY(job.version, r.u64("version", 255)); ... } } }
//   TRY_OK(r.leave());
//   TRY_OK(r.finish());
class CborReader {
 public:
  explicit CborReader(ByteView input, CborLimits limits = {});

  Result<std::uint64_t> u64(std::string_view what, std::uint64_t max = ~std::uint64_t{0});
  Result<std::int64_t> i64(std::string_view what);
  Result<bool> boolean(std::string_view what);
  Result<ByteView> bytes(std::string_view what, std::size_t size_max);
  Result<std::string_view> text(std::string_view what, std::size_t size_max);
  template <std::size_t N, class Tag>
  Status fixed(std::string_view what, FixedBytes<N, Tag>& out) {
    return fixed_span(what, out.span());
  }

  Status enter_array(std::string_view what, std::size_t items_max);
  Status enter_map(std::string_view what, std::size_t entries_max);
  bool more() const;            // items or entries left in the innermost open container
  std::size_t left() const;     // how many
  Result<std::uint64_t> key();  // next key of the innermost map; strictly greater than the one before
  Status leave();               // the innermost container must be used up; codec.type when items are left
  Status finish();              // nothing is open and nothing follows

  Result<ByteView> raw(std::string_view what);  // one whole item, checked as canonical, returned as its bytes
  bool next_is_bytes() const;                   // for values of type int-or-bytes
  std::size_t offset() const { return at_; }

  std::string path() const;  // of the item being read, e.g. "nodes[2].limits.gas"
  std::unexpected<Error> fail_here(std::string_view id, std::string_view message) const;
  std::unexpected<Error> fail_missing(std::string_view field) const;  // the innermost map has no such field

 private:
  struct Open {
    std::string_view name;
    std::uint64_t items;       // announced
    std::uint64_t items_left;  // not yet begun
    std::uint64_t last_key;
    bool is_map;
    bool has_key;  // a key was read, its value is next
    bool any_key;
  };
  Status fixed_span(std::string_view what, ByteSpan out);
  Status begin(std::string_view what);
  Result<std::uint64_t> head(std::uint8_t major, std::string_view what);
  Status enter(std::uint8_t major, std::string_view what, std::size_t max);
  Result<ByteView> string(std::uint8_t major, std::string_view what, std::size_t size_max);
  Result<std::uint64_t> argument();
  Status skip_item();
  std::unexpected<Error> wrong_type(std::string_view expected) const;
  std::unexpected<Error> wrong_head(std::uint8_t fault) const;
  std::string container_path() const;

  ByteView in_;
  CborLimits limits_;
  std::size_t at_ = 0;
  std::string_view what_;
  bool has_item_ = false;  // what_ names an item inside the innermost container
  std::vector<Open> open_;
};

// Succeeds when the input is exactly one item of the profile.
Status check_canonical(ByteView input, CborLimits limits = {});

}  // namespace hanse::codec
