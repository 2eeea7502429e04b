// LIONESS: a block cipher over a whole message (Anderson and Biham, "Two Practical and Provably Secure Block Ciphers:
// BEAR and LION", FSE 1996). Changing any bit of one side makes all of the other side random; it hides, but it does not
// authenticate. The left part L has 32 bytes, R is the rest; the key is k1 32 | k2 64 | k3 32 | k4 64:
//   encrypt   R ^= S(L ^ k1);  L ^= H(k2, R);  R ^= S(L ^ k3);  L ^= H(k4, R)          decrypt: the same, backwards
//   S(k)      the ChaCha20 key stream (RFC 8439), nonce and counter zero
//   H(k, R)   SHA-256(k || R): k is one block of it, and every R under one key has one length
// A key serves one message. Blocks have more than 32 bytes (checked: sizes are ours).
// Threads: any. Takes the same time whatever the bytes are. Errors: none.
#pragma once

#include "base/crypto/secret.h"

namespace hanse::crypto {

using LionessKey = Secret<192>;

void lioness_encrypt(const LionessKey& key, ByteSpan block);
void lioness_decrypt(const LionessKey& key, ByteSpan block);

}  // namespace hanse::crypto
