#include "exchange/proof/detail/commit.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/proof/detail/multilinear.h"
#include "exchange/proof/detail/sumcheck.h"

namespace hanse::proof {

namespace {

constexpr std::string_view kColumn = "hanse/proof-column/1";

std::vector<Ext> combine(const std::vector<std::int32_t>& table, const Layout& layout, std::span<const Ext> weights) {
  std::vector<SmallSum> sums(layout.cols());
  for (std::size_t i = 0; i < layout.rows(); ++i) {
    const SmallSum::Factor weight(weights[i]);
    for (std::size_t j = 0; j < layout.cols(); ++j) sums[j].add(weight, table[i * layout.cols() + j]);
  }
  std::vector<Ext> out;
  for (const SmallSum& sum : sums) out.push_back(sum.value());
  return out;
}

Hash32 column_hash(std::span<const Fp> column) {
  Bytes bytes(8 * column.size());
  for (std::size_t i = 0; i < column.size(); ++i) store_le(bytes.data() + 8 * i, column[i].v);
  return crypto::blake3(kColumn, {bytes});
}

std::vector<Ext> row_part(const Layout& layout, std::span<const Ext> point) {
  return eq_table(point.first(layout.row_log2));
}

}  // namespace

Committed::Committed(std::vector<std::int32_t> table)
    : layout_(log2_ceil(table.size())), table_(std::move(table)), words_(table_.size() << kBlowupLog2) {
  check(std::has_single_bit(table_.size()), "a table of a power of two");
  const Encoder encoder(layout_.col_log2);
  const std::size_t width = encoder.size();
  std::vector<Fp> row(layout_.cols());
  for (std::size_t i = 0; i < layout_.rows(); ++i) {
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = from_int(table_[i * row.size() + j]);
    encoder.encode(row, std::span(words_).subspan(i * width, width));
  }
  constexpr std::size_t kTile = 8;  // columns at once: a cache line of each row
  const std::size_t tile = std::min(kTile, width);
  std::vector<Fp> columns(tile * layout_.rows());
  for (std::size_t j = 0; j < width; j += tile) {
    for (std::size_t i = 0; i < layout_.rows(); ++i)
      for (std::size_t c = 0; c < tile; ++c) columns[c * layout_.rows() + i] = words_[i * width + j + c];
    for (std::size_t c = 0; c < tile; ++c)
      tree_.append(column_hash(std::span(columns).subspan(c * layout_.rows(), layout_.rows())));
  }
  root_ = tree_.root();
}

void Committed::open(Writer& out, std::span<const Ext> point) const {
  out.put(combine(table_, layout_, out.draw(layout_.rows())));
  out.put(combine(table_, layout_, row_part(layout_, point)));
  const std::size_t width = layout_.cols() << kBlowupLog2;
  std::vector<Fp> column(layout_.rows());
  for (const std::uint32_t at : out.draw_below(kQueries, layout_.word_log2())) {
    for (std::size_t i = 0; i < column.size(); ++i) column[i] = words_[i * width + at];
    out.put(column);
    const auto path = crypto::log_prove_inclusion(tree_, {.index = at, .size = width});
    check(path.has_value() && path->size() == layout_.word_log2(), "a full tree has paths of one length");
    for (const Hash32& hash : *path) out.put(hash);
  }
}

Result<Ext> check_opening(Reader& in, const Hash32& root, std::span<const Ext> point) {
  const Layout layout(static_cast<unsigned>(point.size()));
  const Encoder encoder(layout.col_log2);
  const std::vector<Ext> weights[] = {in.draw(layout.rows()), row_part(layout, point)};
  std::vector<Ext> rows[2], words[2];
  for (std::size_t k = 0; k < 2; ++k) {
    rows[k] = in.take(layout.cols());
    words[k] = encoder.encode(rows[k]);
  }
  for (const std::uint32_t at : in.draw_below(kQueries, layout.word_log2())) {
    const std::vector<Fp> column = in.take_numbers(layout.rows());
    crypto::Proof path(layout.word_log2());
    for (Hash32& hash : path) hash = in.take_hash();
    if (!crypto::log_verify_inclusion(column_hash(column), {.index = at, .size = encoder.size()}, path, root))
      return fail(Kind::kCorrupt, "proof.opening", text("found another column {}, expected the committed one", at));
    for (std::size_t k = 0; k < 2; ++k) {
      Ext sum;
      for (std::size_t i = 0; i < column.size(); ++i) sum += weights[k][i] * column[i];
      if (sum != words[k][at])
        return fail(Kind::kCorrupt, "proof.opening",
                    text("found another value of combination {} in column {}, expected that of its word", k, at));
    }
  }
  const std::vector<Ext> cols = eq_table(point.subspan(layout.row_log2));
  Ext out;
  for (std::size_t j = 0; j < cols.size(); ++j) out += rows[1][j] * cols[j];
  return out;
}

void prove_evaluations(Writer& out, const Committed& table, std::span<const Evaluation> claims) {
  const std::vector<Ext> weights = out.draw(claims.size());
  std::vector<Ext> at(table.table().size());
  for (std::size_t c = 0; c < claims.size(); ++c) {
    const std::vector<Ext> inner = eq_table(claims[c].inner);
    for (std::size_t i = 0; i < inner.size(); ++i) at[claims[c].block + i] += inner[i] * weights[c];
  }
  Ext value;
  const std::vector<Ext> point = prove_dot(out, table.table(), std::move(at), value);
  out.put(value);
  table.open(out, point);
}

Status check_evaluations(Reader& in, const Hash32& root, unsigned size_log2, std::span<const Evaluation> claims) {
  const std::vector<Ext> weights = in.draw(claims.size());
  Ext claim;
  for (std::size_t c = 0; c < claims.size(); ++c) claim += weights[c] * claims[c].value;
  const DotClaim reached = check_dot(in, claim, size_log2);
  Ext at;
  for (std::size_t c = 0; c < claims.size(); ++c) {
    Ext each = weights[c];
    const std::size_t outer = size_log2 - claims[c].inner.size();
    for (std::size_t v = 0; v < outer; ++v) {
      const bool one = (claims[c].block >> (size_log2 - 1 - v) & 1) != 0;
      each = each * (one ? reached.point[v] : kOne - reached.point[v]);
    }
    at += each * eq(claims[c].inner, std::span(reached.point).subspan(outer));
  }
  const Ext value = in.take();
  if (value * at != reached.value)
    return fail(Kind::kCorrupt, "proof.opening", "found another sum of evaluations, expected the claimed one");
  TRY(const Ext opened, check_opening(in, root, reached.point));
  if (opened != value)
    return fail(Kind::kCorrupt, "proof.opening", "found another value of the table, expected the claimed one");
  return {};
}

}  // namespace hanse::proof
