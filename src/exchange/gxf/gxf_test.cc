#include "exchange/gxf/gxf.h"

#include "exchange/gxf/bad_jobs.h"

#include "base/codec/cbor.h"
#include "base/core/fs.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

#include <gtest/gtest.h>

#include <set>

namespace hanse::gxf {
namespace {

constexpr Height kNow{1000};

const crypto::Identity& payer() {
  static const crypto::Identity identity = [] {
    SeededRandom random(1, "gxf_test");
    return crypto::Identity::generate(random);
  }();
  return identity;
}

NetworkId network() { return {.data = {7, 7, 7}}; }
Params params() { return {.network = network()}; }
Job good() { return good_job(payer(), network(), kNow); }

Job signed_again(Job job, JobSigAlg alg = JobSigAlg::kMlDsa65) {
  EXPECT_TRUE(sign(job, payer(), alg));
  return job;
}

std::string why(const Job& job, Params with = params(), Height at = kNow) {
  const auto r = validate(encode(job), at, with);
  return r ? "ok" : text("{} {}", code_name(static_cast<GxfCode>(r.error().code())), r.error().path());
}

constexpr GxfCode kAllCodes[] = {GxfCode::kCborNoncanonical,
                                 GxfCode::kCborTrailing,
                                 GxfCode::kCborDupkey,
                                 GxfCode::kCborType,
                                 GxfCode::kTooLarge,
                                 GxfCode::kDepth,
                                 GxfCode::kVersion,
                                 GxfCode::kNetwork,
                                 GxfCode::kJobidMismatch,
                                 GxfCode::kNonceReused,
                                 GxfCode::kSigBad,
                                 GxfCode::kSigAlg,
                                 GxfCode::kPriorityRange,
                                 GxfCode::kExpired,
                                 GxfCode::kNotYetValid,
                                 GxfCode::kSpan,
                                 GxfCode::kPrecisionUnknown,
                                 GxfCode::kPrecisionUnsupported,
                                 GxfCode::kSeqZero,
                                 GxfCode::kSeqLimit,
                                 GxfCode::kBatchLimit,
                                 GxfCode::kTokensGtSeq,
                                 GxfCode::kLevelBoundMissing,
                                 GxfCode::kKvOverflow,
                                 GxfCode::kRegionEmpty,
                                 GxfCode::kResidencyConflict,
                                 GxfCode::kDagCycle,
                                 GxfCode::kDagOrphan,
                                 GxfCode::kDagDupEdge,
                                 GxfCode::kDagBadPort,
                                 GxfCode::kDagTooBig,
                                 GxfCode::kLimitZero,
                                 GxfCode::kPriceZero,
                                 GxfCode::kLaneConflict,
                                 GxfCode::kKeyUnknownCritical};

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

TEST(Gxf, a_good_job_is_admitted_and_has_one_encoding) {
  const Job job = good();
  const Bytes bytes = encode(job);
  auto admitted = validate(bytes, kNow, params());
  ASSERT_TRUE(admitted) << admitted.error().str();
  EXPECT_EQ(*admitted, job);
  EXPECT_EQ(encode(*admitted), bytes);
  EXPECT_TRUE(codec::check_canonical(bytes));
}

TEST(Gxf, every_bad_job_gives_its_code_and_path_and_no_other) {
  std::set<GxfCode> provoked;
  for (const BadJob& bad : bad_jobs(payer(), network(), kNow)) {
    auto r = validate(bad.bytes, kNow, params());
    ASSERT_FALSE(r) << bad.what;
    EXPECT_EQ(code_name(static_cast<GxfCode>(r.error().code())), code_name(bad.code))
        << bad.what << ": " << r.error().str();
    EXPECT_EQ(r.error().path(), bad.path) << bad.what << ": " << r.error().str();
    EXPECT_EQ(r.error().id(), "gxf." + lower(code_name(bad.code)));
    EXPECT_FALSE(r.error().message().empty());
    provoked.insert(bad.code);
  }
  for (const GxfCode code : kAllCodes) {
    const bool elsewhere = code == GxfCode::kNonceReused || code == GxfCode::kPrecisionUnsupported;
    EXPECT_EQ(provoked.contains(code), !elsewhere) << code_name(code);
  }
}

TEST(Gxf, bad_jobs_stay_bad_while_the_ledger_moves) {
  for (const BadJob& bad : bad_jobs(payer(), network(), kNow)) {
    auto r = validate(bad.bytes, Height{kNow.value + 50'000}, params());
    ASSERT_FALSE(r) << bad.what;
    EXPECT_EQ(r.error().code(), static_cast<std::uint32_t>(bad.code)) << bad.what << ": " << r.error().str();
  }
}

TEST(Gxf, the_catalogue_has_35_stable_names_and_kinds) {
  EXPECT_EQ(std::size(kAllCodes), 35u);
  std::set<std::string_view> names;
  for (const GxfCode code : kAllCodes) {
    names.insert(code_name(code));
    const auto e = fail_gxf(code, "a.b", "found x, expected y").error().clone();
    EXPECT_EQ(e.code(), static_cast<std::uint32_t>(code));
    EXPECT_EQ(e.str(), "gxf." + lower(code_name(code)) + ": found x, expected y at a.b");
    const Kind kind = code == GxfCode::kSigBad                 ? Kind::kDenied
                      : code == GxfCode::kNonceReused          ? Kind::kConflict
                      : code == GxfCode::kPrecisionUnsupported ? Kind::kUnsupported
                                                               : Kind::kInvalid;
    EXPECT_EQ(e.kind(), kind) << code_name(code);
  }
  EXPECT_EQ(names.size(), 35u);
  EXPECT_FALSE(names.contains("UNKNOWN"));
  EXPECT_EQ(code_name(static_cast<GxfCode>(999)), "UNKNOWN");
}

TEST(Gxf, the_catalogue_is_on_its_page) {
  auto page = read_file(real_fs(), "proto/records/gxf.md", 1 << 20);
  ASSERT_TRUE(page) << page.error().str();
  for (const GxfCode code : kAllCodes) {
    const std::string row = text("| {} | {} |", static_cast<unsigned>(code), code_name(code));
    EXPECT_NE(as_text(*page).find(row), std::string_view::npos) << row;
  }
}

TEST(Gxf, the_window_is_not_before_to_expires_exclusive) {
  const Job job = good();  // 999 to 100999
  EXPECT_EQ(why(job, params(), Height{998}), "NOT_YET_VALID not_before");
  EXPECT_EQ(why(job, params(), Height{999}), "ok");
  EXPECT_EQ(why(job, params(), Height{100'998}), "ok");
  EXPECT_EQ(why(job, params(), Height{100'999}), "EXPIRED expires");
}

TEST(Gxf, limits_are_held_on_both_sides) {
  Job job = good();
  job.expires = Height{job.not_before.value + 1'000'000};
  EXPECT_EQ(why(signed_again(job)), "ok");
  job.nodes[0].shape.seq = kSeqMax;
  job.nodes[0].shape.tokens = kSeqMax;
  job.nodes[0].shape.batch = kBatchMax;
  job.nodes[0].shape.dims.assign(kDimsMax, 0xffff'ffff);
  job.nodes[0].limits.mem_pages = kMemPagesMax;
  job.nodes[0].params[2] = Bytes(1000, 1);
  EXPECT_EQ(why(signed_again(job)), "ok");
  job.residency = 64;
  job.region_mask = 1ull << 63;
  EXPECT_EQ(why(signed_again(job)), "ok");
  job.nodes[0].params[2] = Bytes(kParamBytesMax, 1);
  EXPECT_EQ(why(signed_again(job)), "ok");
  job.nodes[0].params[2] = Bytes(kParamBytesMax + 1, 1);
  EXPECT_EQ(why(signed_again(job)), "TOO_LARGE nodes[0].params.param");
  job.nodes[0].params.clear();
  for (std::uint64_t k = 0; k < kParamsMax; ++k) job.nodes[0].params[k] = std::int64_t{1};
  EXPECT_EQ(why(signed_again(job)), "ok");
  job.nodes[0].params[kParamsMax] = std::int64_t{1};
  EXPECT_EQ(why(signed_again(job)), "TOO_LARGE nodes[0].params");
}

TEST(Gxf, a_chain_of_256_nodes_is_the_largest) {
  Job job = good();
  for (std::uint16_t id = 2; id < kNodesMax; ++id) {
    Node more = job.nodes[1];
    more.id = id;
    more.limits.wall_ms = 1;
    job.nodes.push_back(std::move(more));
    job.edges.push_back({.from = static_cast<std::uint16_t>(id - 1), .to = id, .out_ix = 0, .in_ix = 0});
  }
  job.outputs = {{.node = 255, .out_ix = 0}};
  EXPECT_EQ(why(signed_again(job)), "ok");
  job.edges.push_back({.from = 255, .to = 1, .out_ix = 0, .in_ix = 1});
  EXPECT_EQ(why(signed_again(job)), "DAG_CYCLE edges[1]");
}

TEST(Gxf, the_cycle_check_names_an_edge_of_the_circle_not_of_its_tail) {
  Job job = good();
  for (std::uint16_t id = 2; id < 5; ++id) {
    job.nodes.push_back(job.nodes[1]);
    job.nodes.back().id = id;
  }
  // 0 -> 1 -> 2 <-> 3, 3 -> 4
  job.edges = {{0, 1, 0, 0}, {1, 2, 0, 0}, {2, 3, 0, 0}, {3, 2, 0, 1}, {3, 4, 0, 0}};
  job.outputs = {{.node = 4, .out_ix = 0}};
  EXPECT_EQ(why(signed_again(job)), "DAG_CYCLE edges[2]");
  job.edges.erase(job.edges.begin() + 3);
  EXPECT_EQ(why(signed_again(job)), "ok");
}

TEST(Gxf, levels_need_their_bounds) {
  Job job = good();
  Shape& shape = job.nodes[0].shape;
  shape.dims = {4};
  for (const std::uint8_t level : {1, 2}) {
    shape.level = level;
    EXPECT_EQ(why(signed_again(job)), "ok");
    shape.dims.clear();
    EXPECT_EQ(why(signed_again(job)), "LEVEL_BOUND_MISSING nodes[0].shape.dims");
    shape.dims = {4};
  }
  shape.level = 0;
  shape.dims.clear();
  EXPECT_EQ(why(signed_again(job)), "ok");
  shape = {.level = 3, .seq = 64, .batch = 2, .tokens = 1, .dims = {3, 5, 7}};
  EXPECT_EQ(why(signed_again(job)), "ok");
}

TEST(Gxf, the_key_value_cache_is_counted_in_128_bits) {
  Node node;
  node.precision = Precision::kBf16;
  node.shape = {.level = 3, .seq = 64, .batch = 2, .tokens = 1, .dims = {3, 5, 7, 11}};
  EXPECT_TRUE(kv_bytes(node) == 2u * 3 * 5 * 7 * 64 * 2 * 2);
  node.precision = Precision::kFp8;
  EXPECT_TRUE(kv_bytes(node) == 2u * 3 * 5 * 7 * 64 * 2);
  node.shape.level = 2;
  EXPECT_TRUE(kv_bytes(node) == 0);
  // 2 * 2^16 * 2^16 * 2^32 wraps to 0 in 64 bits.
  node.shape = {.level = 3, .seq = 1, .batch = 1, .tokens = 1, .dims = {1u << 16, 1u << 16, 1u << 31}};
  EXPECT_TRUE(kv_bytes(node) == Uint128{1} << 64);

  Job job = good();
  job.nodes[0].shape = {.level = 3, .seq = 1024, .batch = 1024, .tokens = 1, .dims = {1u << 10, 1u << 5, 1u << 4}};
  EXPECT_EQ(why(signed_again(job)), "ok");  // 2^40, the limit
  job.nodes[0].shape.dims[2] += 1;
  EXPECT_EQ(why(signed_again(job)), "KV_OVERFLOW nodes[0].shape");
}

TEST(Gxf, a_network_without_a_precision_refuses_it) {
  Params with = params();
  with.precisions = 0b1'1110 & ~(1u << static_cast<unsigned>(Precision::kBf16));
  EXPECT_EQ(why(good(), with), "PRECISION_UNSUPPORTED nodes[1].precision");
}

TEST(Gxf, flash_carries_ten_minutes) {
  Job job = good();
  job.lane = Lane::kFlash;
  job.nodes[0].limits.wall_ms = kFlashWallMsMax - job.nodes[1].limits.wall_ms;
  EXPECT_EQ(why(signed_again(job)), "ok");
  job.nodes[0].limits.wall_ms += 1;
  EXPECT_EQ(why(signed_again(job)), "LANE_CONFLICT lane");
  job.lane = Lane::kDeep;
  job.priority = 255;
  EXPECT_EQ(why(signed_again(job)), "ok");
  job.lane = Lane::kAuto;
  job.priority = 127;
  EXPECT_EQ(why(signed_again(job)), "ok");
}

TEST(Gxf, an_explicit_lane_wins_over_the_priority) {
  Job job;
  for (const auto& [priority, lane, effective] :
       {std::tuple{127, Lane::kAuto, Lane::kDeep}, std::tuple{128, Lane::kAuto, Lane::kFlash},
        std::tuple{0, Lane::kFlash, Lane::kFlash}, std::tuple{255, Lane::kDeep, Lane::kDeep}}) {
    job.priority = static_cast<std::uint8_t>(priority);
    job.lane = lane;
    EXPECT_EQ(job.effective_lane(), effective);
  }
}

TEST(Gxf, encoding_does_not_depend_on_the_order_in_the_struct) {
  Job job = good();
  job.inputs.push_back({.id = crypto::blob_id(as_bytes("second")), .size_bytes = 6, .node = 0, .in_ix = 1});
  job.edges.push_back({.from = 0, .to = 1, .out_ix = 1, .in_ix = 1});
  const Bytes once = encode(job);
  std::swap(job.nodes[0], job.nodes[1]);
  std::swap(job.edges[0], job.edges[1]);
  std::swap(job.inputs[0], job.inputs[1]);
  EXPECT_EQ(encode(job), once);
  EXPECT_EQ(why(signed_again(job)), "ok");
}

TEST(Gxf, extensions_are_kept_and_signed) {
  Job job = good();
  job.extensions[128] = {0x83, 0x01, 0x02, 0xa0};
  job.extensions[255] = {0x61, 'x'};
  job = signed_again(job);
  auto back = validate(encode(job), kNow, params());
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(back->extensions, job.extensions);
  EXPECT_NE(job.job_id, good().job_id);
  job.extensions[255] = {0x61, 'y'};
  EXPECT_EQ(why(job), "JOBID_MISMATCH job_id");
  job.job_id = derive_job_id(job);
  EXPECT_EQ(why(job), "SIG_BAD sig.bytes");
}

TEST(Gxf, the_id_does_not_depend_on_the_signature_and_covers_every_field) {
  const Job job = good();
  EXPECT_EQ(signed_again(job, JobSigAlg::kHybrid).job_id, job.job_id);
  std::set<JobId> ids = {job.job_id};
  const auto differs = [&](auto change) {
    Job other = job;
    change(other);
    EXPECT_TRUE(ids.insert(derive_job_id(other)).second);
  };
  differs([](Job& j) { j.network.data[0] ^= 1; });
  differs([](Job& j) { j.payer.data[0] ^= 1; });
  differs([](Job& j) { j.nonce += 1; });
  differs([](Job& j) { j.priority += 1; });
  differs([](Job& j) { j.not_before.value += 1; });
  differs([](Job& j) { j.expires.value += 1; });
  differs([](Job& j) { j.lane = Lane::kDeep; });
  differs([](Job& j) { j.region_mask = 1; });
  differs([](Job& j) { j.residency = 2; });
  differs([](Job& j) { j.residency = 0; });
  differs([](Job& j) { j.limit_total.value += 1; });
  differs([](Job& j) { j.isolation = 1; });
  differs([](Job& j) { j.audit = Audit::kSampled; });
  differs([](Job& j) { j.nodes[0].id = 9; });
  differs([](Job& j) { j.nodes[0].kind = NodeKind::kOnnx; });
  differs([](Job& j) { j.nodes[0].artifact.data[0] ^= 1; });
  differs([](Job& j) { j.nodes[0].precision = Precision::kFp8; });
  differs([](Job& j) { j.nodes[0].shape.level = 1; });
  differs([](Job& j) { j.nodes[0].shape.seq += 1; });
  differs([](Job& j) { j.nodes[0].shape.batch += 1; });
  differs([](Job& j) { j.nodes[0].shape.tokens += 1; });
  differs([](Job& j) { j.nodes[0].shape.dims[1] += 1; });
  differs([](Job& j) { j.nodes[0].limits.gas += 1; });
  differs([](Job& j) { j.nodes[0].limits.mem_pages += 1; });
  differs([](Job& j) { j.nodes[0].limits.wall_ms += 1; });
  differs([](Job& j) { j.nodes[0].limits.out_bytes += 1; });
  differs([](Job& j) { j.nodes[0].params[1] = std::int64_t{5}; });
  differs([](Job& j) { j.nodes[0].params[1] = Bytes{5}; });
  differs([](Job& j) { j.edges[0].out_ix += 1; });
  differs([](Job& j) { j.inputs[0].id.data[0] ^= 1; });
  differs([](Job& j) { j.inputs[0].size_bytes += 1; });
  differs([](Job& j) { j.outputs[0].out_ix += 1; });
}

TEST(Gxf, a_hybrid_signature_needs_both_halves_and_its_own_key) {
  const Job job = signed_again(good(), JobSigAlg::kHybrid);
  EXPECT_EQ(job.signature.bytes.size(), 64u + 3309u);
  EXPECT_EQ(why(job), "ok");
  for (const std::size_t at : {std::size_t{0}, std::size_t{40}, std::size_t{64}, std::size_t{3372}}) {
    Job bent = job;
    bent.signature.bytes[at] ^= 1;
    EXPECT_EQ(why(bent), "SIG_BAD sig.bytes") << at;
  }
  SeededRandom random(2, "gxf_test");
  const crypto::Identity other = crypto::Identity::generate(random);
  Job exchanged = job;  // another's Ed25519 key with a signature that holds under it
  exchanged.signature.ed25519 = other.ed25519().public_key().bytes;
  Bytes message = to_bytes(crypto::blake3("hanse/gxf/4", {encode_unsigned(job)}).view());
  append(message, exchanged.signature.ed25519);
  const Bytes half = other.ed25519().sign("hanse/gxf/4", message);
  std::copy(half.begin(), half.end(), exchanged.signature.bytes.begin());
  EXPECT_EQ(why(exchanged), "SIG_BAD sig.bytes");
  Job stripped = job;  // the ML-DSA half alone
  stripped.signature.alg = JobSigAlg::kMlDsa65;
  stripped.signature.ed25519.clear();
  stripped.signature.bytes.erase(stripped.signature.bytes.begin(), stripped.signature.bytes.begin() + 64);
  EXPECT_EQ(why(stripped), "SIG_BAD sig.bytes");
}

TEST(Gxf, signing_needs_an_mldsa65_key) {
  SeededRandom random(3, "gxf_test");
  const crypto::Identity strong = crypto::Identity::generate(random, crypto::SigAlg::kMlDsa87);
  Job job = good();
  auto s = sign(job, strong, JobSigAlg::kMlDsa65);
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().str(), "gxf.sig_alg: found an identity with a key of mldsa87, expected mldsa65 at sig.alg");
}

TEST(Gxf, a_flipped_bit_anywhere_is_refused) {
  Bytes bytes = encode(good());
  SeededRandom random(4, "gxf_test");
  for (std::size_t at = 0; at < bytes.size(); at += 1 + random.below(bytes.size() < 600 ? 1 : 7)) {
    const auto mask = static_cast<std::uint8_t>(1u << random.below(8));
    bytes[at] ^= mask;
    EXPECT_FALSE(validate(bytes, kNow, params())) << at;
    bytes[at] ^= mask;
  }
  for (std::size_t size = 0; size < bytes.size(); size += 17)
    EXPECT_FALSE(validate(ByteView(bytes).first(size), kNow, params())) << size;
}

}  // namespace
}  // namespace hanse::gxf
