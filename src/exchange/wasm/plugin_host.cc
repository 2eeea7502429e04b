#include "exchange/wasm/plugin_host.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::wasm {
namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;  // -1
constexpr std::size_t kPageBytes = 65'536;

bool halt(HostState& host, HostState::Stop why, std::string detail) {
  host.stop = why;
  host.stop_detail = std::move(detail);
  return false;
}

bool inside(GuestMemory m, std::uint32_t ptr, std::uint64_t len) { return ptr + len <= m.size; }

const ByteView* find_input(const HostState& host, std::uint32_t ix, ByteView& slot) {
  if (ix == kSeedInput) {
    slot = host.seed;
    return &slot;
  }
  if (ix >= host.inputs->size()) return nullptr;
  slot = (*host.inputs)[ix];
  return &slot;
}

bool read_input(HostState& host, GuestMemory m, std::span<const std::uint32_t> args, std::uint32_t& result) {
  ByteView slot;
  const ByteView* input = find_input(host, args[0], slot);
  result = kNone;
  if (input == nullptr) return true;
  const std::size_t begin = std::min<std::size_t>(args[1], input->size());
  const std::size_t n = std::min<std::size_t>(args[3], input->size() - begin);
  if (!inside(m, args[2], args[3])) return halt(host, HostState::Stop::kTrap, "read_input outside memory");
  if (n > 0) std::memcpy(m.base + args[2], input->data() + begin, n);
  result = static_cast<std::uint32_t>(n);
  return true;
}

bool write_output(HostState& host, GuestMemory m, std::span<const std::uint32_t> args) {
  if (args[0] >= kOutputsMax) return halt(host, HostState::Stop::kTrap, "write_output to an output beyond the last");
  if (!inside(m, args[1], args[2])) return halt(host, HostState::Stop::kTrap, "write_output outside memory");
  std::uint64_t out_bytes = args[2];
  for (const Bytes& output : host.outputs) out_bytes += output.size();
  if (out_bytes > host.out_bytes_max)
    return halt(host, HostState::Stop::kOutputTooLarge, text("outputs exceed {} bytes", host.out_bytes_max));
  if (host.outputs.size() <= args[0]) host.outputs.resize(args[0] + 1);
  append(host.outputs[args[0]], {m.base + args[1], args[2]});
  return true;
}

bool step_commit(HostState& host, GuestMemory m) {
  const Hash32 memory = memory_root({m.base, static_cast<std::size_t>(m.size)});
  host.steps_root = crypto::blake3("hanse/wasm-steps/1", {host.steps_root.view(), memory.view()});
  ++host.steps;
  return true;
}

}  // namespace

Hash32 memory_root(ByteView memory) {
  std::vector<Hash32> row;
  for (std::size_t at = 0; at < memory.size(); at += kPageBytes)
    row.push_back(crypto::blake3("hanse/wasm-page/1", {memory.subspan(at, std::min(kPageBytes, memory.size() - at))}));
  while (row.size() > 1) {
    std::size_t kept = 0;
    for (std::size_t k = 0; k < row.size(); k += 2, ++kept)
      row[kept] = k + 1 < row.size() ? crypto::blake3("hanse/wasm-node/1", {row[k].view(), row[k + 1].view()}) : row[k];
    row.resize(kept);
  }
  return row.empty() ? Hash32{} : row[0];
}

bool call_host(HostFn fn, HostState& host, GuestMemory memory, std::span<const std::uint32_t> args,
               std::uint32_t& result) {
  switch (fn) {
    case HostFn::kInputCount: result = static_cast<std::uint32_t>(host.inputs->size()); return true;
    case HostFn::kInputSize: {
      ByteView slot;
      const ByteView* input = find_input(host, args[0], slot);
      result = input == nullptr ? kNone : static_cast<std::uint32_t>(input->size());
      return true;
    }
    case HostFn::kReadInput: return read_input(host, memory, args, result);
    case HostFn::kWriteOutput: return write_output(host, memory, args);
    case HostFn::kAbort: return halt(host, HostState::Stop::kAborted, text("abort {}", args[0]));
    case HostFn::kStepCommit: return step_commit(host, memory);
    case HostFn::kCount: break;
  }
  return halt(host, HostState::Stop::kTrap, "unknown host function");
}

}  // namespace hanse::wasm
