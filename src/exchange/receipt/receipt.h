// A receipt: what a provider states, under two signatures, that it computed for a job (exchange.md 5.5).
// It travels as a SignedReceipt: the envelope and the two public keys. Its BlobId is what the provider records on the
// ledger, so the record binds every byte. Layout: proto/records/receipt.md.
// It claims integrity of the statement, not of the computation: that takes another run (deep check).
// Pure; any thread. Errors: receipt.claims (invalid), receipt.provider (denied: the key is not the provider's),
// receipt.subject (denied: subjects and claims differ), those of envelope.h and the codec's.
#pragma once

#include "base/core/random.h"
#include "exchange/gxf/gxf.h"
#include "exchange/market/records.h"
#include "exchange/receipt/envelope.h"

namespace hanse::receipt {

struct Receipt {
  JobId job_id;
  AccountId provider;
  BlobId gxf_hash;
  std::vector<BlobId> artifacts;           // of the job's nodes in order; zero where a node has none
  std::vector<market::OutputRef> inputs;   // of the job in order
  std::vector<market::OutputRef> outputs;  // of the job in order; empty unless status is ok
  market::RunStatus status = market::RunStatus::kOk;
  std::uint64_t gas = 0;
  std::string detail;        // one line of the run, at most kDetailMax bytes
  std::string kernel_class;  // what computed it, e.g. "wasm-aot/1"; several joined by ','
  std::string cpu_class;     // of the machine, e.g. "x86-64-v4"
  Height started, finished;  // as the provider saw the chain
  Amount price;
  std::optional<market::StepsRef> steps;  // of a job that ran in steps
  friend bool operator==(const Receipt&, const Receipt&) = default;
};
constexpr std::size_t kNodesMax = 256;
constexpr std::size_t kDetailMax = 1100;
constexpr std::size_t kKernelClassMax = 512;
constexpr std::size_t kCpuClassMax = 64;

Bytes encode_claims(const Receipt& receipt);
Result<Receipt> decode_claims(ByteView claims);

struct SignedReceipt {
  Bytes envelope;           // encoded
  crypto::PublicKey mldsa;  // account_id of it is the provider
  FixedBytes<32> ed25519;
};
constexpr std::size_t kSignedReceiptBytesMax = kEnvelopeBytesMax + 4096;
Bytes encode(const SignedReceipt& receipt);
Result<SignedReceipt> decode_signed_receipt(ByteView bytes);

struct Stamp {
  NetworkId network;
  std::int64_t wall_ms = 0;
};
SignedReceipt sign_receipt(const Receipt& receipt, const crypto::Identity& provider, const Stamp& stamp,
                           Random& random);

struct Opened {
  Receipt receipt;
  NetworkId network;
  std::int64_t issued_ms = 0;
};
// Both signatures, that they are the provider's, and that body and claims agree.
Result<Opened> open_receipt(const SignedReceipt& signed_receipt);

}  // namespace hanse::receipt
