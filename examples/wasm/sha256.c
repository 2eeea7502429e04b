/* Input 0: rounds as 4 bytes, little-endian, then the message. Output 0: the digest after that many rounds (1 round is
 * plain SHA-256 of the message). */
#include "hanse.h"
#include "sha256_kernel.h"

HANSE_EXPORT(run) void run(void) {
  u32 size = (u32)hanse_input_size(0);
  if ((i32)size < 4) hanse_abort(2);
  u32 rounds;
  hanse_read_input(0, 0, &rounds, 4);
  size -= 4;
  u8* buffer = hanse_alloc(32 + size + 72);
  hanse_read_input(0, 4, buffer + 32, size);
  u8 digest[32] = {0};
  sha_rounds(buffer, size, rounds, digest);
  hanse_write_output(0, digest, 32);
}
