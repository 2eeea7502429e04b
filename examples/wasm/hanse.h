/* The host interface of a Hanse WebAssembly job (src/exchange/wasm/module.h), for C compiled with
 * clang --target=wasm32 -nostdlib. A job exports its memory and `run`, or `step`: it is then called until it gives 0.
 */
#ifndef HANSE_WASM_H
#define HANSE_WASM_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;

#define HANSE_IMPORT(name) __attribute__((import_module("hanse"), import_name(#name)))
#define HANSE_EXPORT(name) __attribute__((export_name(#name)))

HANSE_IMPORT(input_count) i32 hanse_input_count(void);
HANSE_IMPORT(input_size) i32 hanse_input_size(u32 ix);
HANSE_IMPORT(read_input) i32 hanse_read_input(u32 ix, u32 offset, void* to, u32 size);
HANSE_IMPORT(write_output) void hanse_write_output(u32 ix, const void* from, u32 size);
HANSE_IMPORT(abort) void hanse_abort(i32 code);
HANSE_IMPORT(step_commit) void hanse_step_commit(void);

#define HANSE_SEED_INPUT 0xFFFFu /* the 32-byte seed of the run */

extern u8 __heap_base;

/* `size` zeroed bytes after everything the linker placed; never given back. Traps when memory ends. */
static inline void* hanse_alloc(u32 size) {
  static u32 top = 0;
  if (top == 0) top = ((u32)&__heap_base + 15u) & ~15u;
  u32 at = top;
  top += (size + 15u) & ~15u;
  u32 have = (u32)__builtin_wasm_memory_size(0) << 16;
  if (top > have) {
    u32 pages = (top - have + 65535u) >> 16;
    if ((i32)__builtin_wasm_memory_grow(0, pages) < 0) __builtin_trap();
  }
  return (void*)at;
}

/* The whole of input ix; its size goes to *size. Aborts with 2 when there is none. */
static inline u8* hanse_load_input(u32 ix, u32* size) {
  i32 n = hanse_input_size(ix);
  if (n < 0) hanse_abort(2);
  u8* bytes = hanse_alloc((u32)n);
  hanse_read_input(ix, 0, bytes, (u32)n);
  *size = (u32)n;
  return bytes;
}

#endif
