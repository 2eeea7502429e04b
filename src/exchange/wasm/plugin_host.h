// The functions of module "hanse" (module.h tells what they do), for the engine to register. Plug-in only.
#pragma once

#include <span>

#include "exchange/wasm/plugin_engine.h"

namespace hanse::wasm {

// Memory of the calling instance.
struct GuestMemory {
  std::uint8_t* base = nullptr;
  std::uint64_t size = 0;
};

// Runs one host function on its i32 arguments. False: the run must stop, host.stop says why.
bool call_host(HostFn fn, HostState& host, GuestMemory memory, std::span<const std::uint32_t> args,
               std::uint32_t& result);

// Merkle root over pages of 64 KiB: leaves BLAKE3("hanse/wasm-page/1", page), nodes BLAKE3("hanse/wasm-node/1", l, r),
// a node without a partner rises unchanged. An empty memory has the zero root.
Hash32 memory_root(ByteView memory);

}  // namespace hanse::wasm
