/* C = A * B over 32-bit integers modulo 2^32, n x n, row-major. Plain C that compiles natively too. */
#ifndef HANSE_MATMUL_KERNEL_H
#define HANSE_MATMUL_KERNEL_H

static void matmul(const unsigned* a, const unsigned* b, unsigned* c, unsigned n) {
  for (unsigned i = 0; i < n; ++i)
    for (unsigned j = 0; j < n; ++j) {
      unsigned sum = 0;
      for (unsigned k = 0; k < n; ++k) sum += a[i * n + k] * b[k * n + j];
      c[i * n + j] = sum;
    }
}

#endif
