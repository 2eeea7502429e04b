/* SHA-256 (FIPS 180-4) of one block chain: digest = SHA-256(digest || input), `rounds` times. Plain C that compiles
 * natively too, so that a benchmark can compare the same source. */
#ifndef HANSE_SHA256_KERNEL_H
#define HANSE_SHA256_KERNEL_H

typedef unsigned char sha_u8;
typedef unsigned int sha_u32;

static const sha_u32 sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline sha_u32 sha_rot(sha_u32 x, int n) { return x >> n | x << (32 - n); }

static void sha_block(sha_u32* state, const sha_u8* p) {
  sha_u32 w[64], s[8];
  for (int i = 0; i < 16; ++i)
    w[i] = (sha_u32)p[4 * i] << 24 | (sha_u32)p[4 * i + 1] << 16 | (sha_u32)p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; ++i) {
    sha_u32 a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + (sha_rot(a, 7) ^ sha_rot(a, 18) ^ a >> 3) + w[i - 7] +
           (sha_rot(b, 17) ^ sha_rot(b, 19) ^ b >> 10);
  }
  for (int i = 0; i < 8; ++i) s[i] = state[i];
  for (int i = 0; i < 64; ++i) {
    sha_u32 e = s[4], a = s[0];
    sha_u32 t1 = s[7] + (sha_rot(e, 6) ^ sha_rot(e, 11) ^ sha_rot(e, 25)) + ((e & s[5]) ^ (~e & s[6])) +
                 sha_k[i] + w[i];
    sha_u32 t2 = (sha_rot(a, 2) ^ sha_rot(a, 13) ^ sha_rot(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
    for (int k = 7; k > 0; --k) s[k] = s[k - 1];
    s[4] += t1;
    s[0] = t1 + t2;
  }
  for (int i = 0; i < 8; ++i) state[i] += s[i];
}

/* `buffer` holds the message with room for 72 more bytes; its first `size` bytes are hashed into digest. */
static void sha_once(sha_u8* buffer, sha_u32 size, sha_u8* digest) {
  sha_u32 state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  sha_u32 padded = (size + 72u) & ~63u;
  for (sha_u32 i = size; i < padded; ++i) buffer[i] = 0;
  buffer[size] = 0x80;
  for (int i = 0; i < 5; ++i) buffer[padded - 1 - (sha_u32)i] = (sha_u8)((unsigned long long)size * 8 >> (8 * i));
  for (sha_u32 at = 0; at < padded; at += 64) sha_block(state, buffer + at);
  for (int i = 0; i < 32; ++i) digest[i] = (sha_u8)(state[i / 4] >> (24 - 8 * (i % 4)));
}

/* Round 0 hashes the input; each further round hashes the digest followed by the input. `buffer` begins with 32 bytes
 * for the digest, then `size` input bytes, then room for 72 more. */
static void sha_rounds(sha_u8* buffer, sha_u32 size, sha_u32 rounds, sha_u8* digest) {
  for (sha_u32 r = 0; r < rounds; ++r) {
    sha_once(r == 0 ? buffer + 32 : buffer, r == 0 ? size : size + 32, digest);
    for (int i = 0; i < 32; ++i) buffer[i] = digest[i];
  }
}

#endif
