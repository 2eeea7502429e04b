#include "exchange/payload/payload.h"

#include <functional>

#include <gtest/gtest.h>

#include "base/codec/hex.h"
#include "base/crypto/hash.h"

namespace hanse::payload {
namespace {

constexpr std::uint8_t kSeed[64] = {7};

AccountId account(std::uint8_t byte) {
  AccountId out;
  out.data.fill(byte);
  return out;
}

// A job with the inputs "one" and "" of secret s.
struct Sealed {
  JobSecret secret = job_secret(kSeed, {}, 5);
  std::vector<Bytes> plain = {to_bytes("one"), {}};
  gxf::Job job;
  AccountId provider = account(9);
  crypto::KemSecretKey key = provider_key(kSeed);
  Sealed() {
    job.job_id.data.fill(3);
    name_inputs();
  }
  void name_inputs() {
    job.inputs.clear();
    for (std::uint32_t i = 0; i < plain.size(); ++i) {
      const Bytes blob = input_blob(secret, i, plain[i]);
      job.inputs.push_back({.id = crypto::blob_id(blob), .size_bytes = blob.size(), .node = 0, .in_ix = 0});
    }
  }
  Result<Bytes> seal() const { return payload::seal(job, secret, plain, provider, key.public_key()); }
  std::string open_error(ByteView bytes) const {
    const auto opened = payload::open(job, bytes, provider, key);
    return opened ? "" : std::string(opened.error().id());
  }
};

TEST(Payload, opens_for_its_provider_and_for_its_payer) {
  const Sealed s;
  const Bytes bytes = *s.seal();
  const auto theirs = open(s.job, bytes, s.provider, s.key);
  const auto own = open_own(s.job, bytes, s.provider, s.secret, s.key.public_key());
  for (const auto* opened : {&theirs, &own}) {
    ASSERT_TRUE(*opened) << opened->error().str();
    EXPECT_EQ((*opened)->secret, s.secret);
    EXPECT_EQ(as_text((*opened)->plaintext(0)), "one");
    EXPECT_TRUE((*opened)->plaintext(1).empty());
    EXPECT_EQ(crypto::blob_id((*opened)->blobs[1]), s.job.inputs[1].id);
  }
  EXPECT_EQ(*s.seal(), bytes);
  EXPECT_EQ(std::ranges::search(bytes, std::string_view("one")).begin(), bytes.end());
}

TEST(Payload, with_any_byte_altered_is_refused) {
  const Sealed s;
  Bytes bytes = *s.seal();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= 1;
    EXPECT_EQ(s.open_error(bytes), "payload.sealed") << i;
    bytes[i] ^= 1;
  }
  bytes.push_back(0);
  EXPECT_EQ(s.open_error(bytes), "payload.size");
  EXPECT_EQ(s.open_error(ByteView(bytes).first(bytes.size() - 2)), "payload.size");
}

TEST(Payload, is_for_one_provider_job_and_network) {
  const Sealed s;
  const Bytes bytes = *s.seal();
  const std::function<void(Sealed&)> others[] = {
      [](Sealed& o) { o.provider = account(8); },
      [](Sealed& o) { o.job.job_id.data[0] ^= 1; },
      [](Sealed& o) { o.job.network.data[0] ^= 1; },
      [](Sealed& o) { o.key = provider_key(ByteView(kSeed).first(63)); },
  };
  for (const auto& change : others) {
    Sealed other;
    change(other);
    EXPECT_EQ(other.open_error(bytes), "payload.sealed");
    const auto own = open_own(other.job, bytes, other.provider, other.secret, other.key.public_key());
    EXPECT_EQ(own.error().id(), "payload.sealed");
  }
  const JobSecret other = job_secret(kSeed, {}, 6);
  EXPECT_EQ(open_own(s.job, bytes, s.provider, other, s.key.public_key()).error().id(), "payload.sealed");
}

TEST(Payload, whose_inputs_are_not_the_jobs_is_refused) {
  Sealed s;
  const Bytes bytes = *s.seal();
  s.job.inputs[1].id.data[0] ^= 1;
  EXPECT_EQ(s.open_error(bytes), "payload.other_input");
  EXPECT_EQ(s.seal().error().id(), "payload.other_input");
  s.plain.pop_back();
  EXPECT_EQ(s.seal().error().id(), "payload.inputs");
  s.job.inputs[0].size_bytes = kInputPrefixBytes - 1;
  EXPECT_EQ(s.open_error(bytes), "payload.inputs");
  s.job.inputs.clear();
  EXPECT_EQ(s.open_error(bytes), "payload.inputs");
}

TEST(Payload, has_a_greatest_size) {
  Sealed s;
  constexpr std::size_t kMost = kPayloadBytesMax - kKeyBytes - JobSecret::kSize - 16;
  s.plain = {Bytes(kMost, 1)};
  s.name_inputs();
  EXPECT_EQ(s.seal()->size(), kPayloadBytesMax);
  s.plain[0].push_back(1);
  s.name_inputs();
  EXPECT_EQ(s.seal().error().id(), "payload.too_large");
  s.job.inputs.assign(1024, {.id = {}, .size_bytes = ~std::uint64_t{0}, .node = 0, .in_ix = 0});
  EXPECT_EQ(s.open_error({}), "payload.too_large");
}

TEST(Payload, revealed_blobs_are_those_of_the_job) {
  const Sealed s;
  const std::vector<Bytes> blobs = open(s.job, *s.seal(), s.provider, s.key)->blobs;
  EXPECT_EQ(as_text(open_blobs(s.job, blobs)->plaintext(0)), "one");
  EXPECT_EQ(open_blobs(s.job, {blobs[0]}).error().id(), "payload.inputs");
  EXPECT_EQ(open_blobs(s.job, {blobs[1], blobs[0]}).error().id(), "payload.other_input");
  gxf::Job mixed = s.job;  // whose payer named blobs of two secrets
  const Bytes foreign = input_blob(job_secret(kSeed, {}, 6), 1, {});
  mixed.inputs[1].id = crypto::blob_id(foreign);
  EXPECT_EQ(open_blobs(mixed, {blobs[0], foreign}).error().id(), "payload.other_input");
  mixed = s.job;
  ++mixed.inputs[0].size_bytes;
  EXPECT_EQ(open_blobs(mixed, blobs).error().id(), "payload.size");
}

TEST(Payload, an_output_opens_with_its_secret_job_and_index_alone) {
  const Sealed s;
  const JobId& id = s.job.job_id;
  Bytes sealed = seal_output(s.secret, id, 1, as_bytes("result"));
  EXPECT_EQ(sealed.size(), 6 + kOutputOverheadBytes);
  EXPECT_EQ(seal_output(s.secret, id, 1, as_bytes("result")), sealed);
  EXPECT_EQ(as_text(*open_output(s.secret, id, 1, sealed)), "result");
  EXPECT_EQ(open_output(s.secret, id, 0, sealed).error().id(), "payload.output");
  EXPECT_EQ(open_output(s.secret, {}, 1, sealed).error().id(), "payload.output");
  EXPECT_EQ(open_output(job_secret(kSeed, {}, 6), id, 1, sealed).error().id(), "payload.output");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    sealed[i] ^= 1;
    EXPECT_FALSE(open_output(s.secret, id, 1, sealed)) << i;
    sealed[i] ^= 1;
  }
  EXPECT_EQ(open_output(s.secret, id, 1, ByteView(sealed).first(kOutputOverheadBytes - 1)).error().id(),
            "payload.output");
}

// The bytes that proto/records/payload.md states: nobody's secrets change by a change of this code.
TEST(Payload, derives_what_it_derived_before) {
  const JobSecret secret = job_secret(kSeed, {}, 5);
  EXPECT_NE(secret, job_secret(kSeed, {}, 6));
  EXPECT_EQ(codec::to_hex(secret.view()), "216b04da3443ba0d0410622c5103a7fcca311eecd6bcf62263cad881bf6eacf9");
}

}  // namespace
}  // namespace hanse::payload
