// ONNX Runtime behind the port of onnx_kind.h. One environment a process, made where the kind is made; a session a
// call: one thread, the CPU provider alone, no arenas (memory is counted), spinning off. Debian's library writes about
// 570 lines to standard error when its first session is made; that happens here, and they are dropped. Threads: one
// call at a time; a second thread watches the control while a call runs.
#pragma once

#include "exchange/onnx/onnx_kind.h"

namespace hanse::onnx {

Result<std::unique_ptr<Engine>> make_runtime_engine();  // onnx.runtime (internal)

}  // namespace hanse::onnx
