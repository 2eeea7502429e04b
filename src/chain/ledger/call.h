// SignedCall: one method of one application, called by an account. Most transactions are one; a job is not (a GXF
// carries its own payer, nonce and signature).
// Signed bytes: the canonical CBOR of fields 0-7 under ML-DSA with context "hanse/call/1".
// The application's number is signed too, so that nobody can hand a call to another application.
// A signature found good is remembered (bounded, by hash), so a call checked before the pool costs a hash when applied.
// Layout: proto/records/call.md. Threads: free functions, any.
// Errors: ledger.call_network (invalid), ledger.call_app (invalid), ledger.call_expired (invalid), ledger.call_key
// (denied), ledger.call_signature (denied), plus the codec's.
#pragma once

#include "base/core/ids.h"
#include "base/core/units.h"
#include "base/crypto/sign.h"
#include "chain/ledger/app.h"

namespace hanse::ledger {

struct SignedCall {
  NetworkId network;
  std::uint8_t app = 0;  // number of the application it is for
  AccountId sender;
  std::uint64_t nonce = 0;   // strictly increasing per account, shared with the jobs the account pays
  Height expires;            // last height at which it may be applied
  std::uint16_t method = 0;  // meaning belongs to the application
  Bytes args;                // canonical CBOR, layout belongs to the method
  crypto::PublicKey key;     // must hash to sender
  Bytes signature;
};

Bytes encode_call(const SignedCall& call);
Result<SignedCall> decode_call(ByteView bytes);
void sign_call(SignedCall& call, const crypto::SecretKey& key);  // fills sender, key and signature
// Everything but the nonce: network, application `app`, expiry, that the key is the sender's, signature.
Status check_call(const SignedCall& call, std::uint8_t app, const BlockContext& context);
Tx call_tx(const SignedCall& call);  // the transaction that carries it to its application

}  // namespace hanse::ledger
