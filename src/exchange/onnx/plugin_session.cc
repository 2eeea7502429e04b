#include "exchange/onnx/plugin_session.h"

#include <fcntl.h>
#include <onnxruntime/onnxruntime_cxx_api.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/core/text.h"

namespace hanse::onnx {

namespace {

std::unexpected<Error> failed(const Ort::Exception& e) {
  return fail(Kind::kInternal, "onnx.runtime", text("ONNX Runtime: {}", e.what()));
}

// Whether ONNX Runtime found fault with the model or its inputs, which it does on every machine.
bool is_refusal(const Ort::Exception& e) {
  switch (e.GetOrtErrorCode()) {
    case ORT_FAIL:
    case ORT_INVALID_ARGUMENT:
    case ORT_INVALID_PROTOBUF:
    case ORT_NOT_IMPLEMENTED:
    case ORT_INVALID_GRAPH: return true;
    default: return false;
  }
}

// Standard error is elsewhere while this lives.
class Muted {
 public:
  Muted() : kept_(dup(STDERR_FILENO)) {
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0) return;
    dup2(null, STDERR_FILENO);
    close(null);
  }
  ~Muted() {
    if (kept_ < 0) return;
    dup2(kept_, STDERR_FILENO);
    close(kept_);
  }
  Muted(const Muted&) = delete;
  Muted& operator=(const Muted&) = delete;

 private:
  int kept_;
};

// Ends a run when the control asks for it.
class Watch {
 public:
  Watch(Ort::RunOptions& options, const runtime::RunControl& control)
      : thread_([this, &options, &control](const std::stop_token& done) {
          std::unique_lock lock(mutex_);
          while (!control.stop())
            if (wake_.wait_for(lock, done, kPoll, [&] { return done.stop_requested(); })) return;
          options.SetTerminate();
        }) {}

 private:
  static constexpr std::chrono::milliseconds kPoll{2};
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

Ort::SessionOptions session_options() {
  Ort::SessionOptions out;
  out.SetIntraOpNumThreads(1);
  out.SetInterOpNumThreads(1);
  out.SetExecutionMode(ORT_SEQUENTIAL);
  out.SetGraphOptimizationLevel(ORT_ENABLE_BASIC);
  out.DisableCpuMemArena();
  out.DisableMemPattern();
  out.AddConfigEntry("session.intra_op.allow_spinning", "0");
  out.AddConfigEntry("session.x64quantprecision", "1");  // no saturation of pairs of products without VNNI
  out.SetLogSeverityLevel(ORT_LOGGING_LEVEL_FATAL);
  return out;
}

// y = Identity(x), one float. The first session of a process registers all operators, which is slow and loud: here,
// once.
constexpr std::uint8_t kSmallest[] = {0x08, 0x09, 0x3a, 0x37, 0x0a, 0x10, 0x0a, 0x01, 0x78, 0x12, 0x01, 0x79, 0x22,
                                      0x08, 0x49, 0x64, 0x65, 0x6e, 0x74, 0x69, 0x74, 0x79, 0x12, 0x01, 0x74, 0x5a,
                                      0x0f, 0x0a, 0x01, 0x78, 0x12, 0x0a, 0x0a, 0x08, 0x08, 0x01, 0x12, 0x04, 0x0a,
                                      0x02, 0x08, 0x01, 0x62, 0x0f, 0x0a, 0x01, 0x79, 0x12, 0x0a, 0x0a, 0x08, 0x08,
                                      0x01, 0x12, 0x04, 0x0a, 0x02, 0x08, 0x01, 0x42, 0x02, 0x10, 0x13};

class RuntimeEngine final : public Engine {
 public:
  RuntimeEngine() : env_(ORT_LOGGING_LEVEL_FATAL, "hanse") {
    Ort::Session(env_, kSmallest, sizeof kSmallest, session_options());
  }

  Result<std::vector<Bytes>> infer(ByteView model, const Graph& graph, const std::vector<ValueView>& inputs,
                                   const Plan& plan, runtime::RunControl& control) override {
    std::optional<Ort::Session> session;
    try {
      session.emplace(env_, model.data(), model.size(), session_options());
      return run(*session, graph, inputs, plan, control);
    } catch (const Ort::Exception& e) {
      if (control.stop()) return fail(Kind::kTimeout, "onnx.cancelled", "the run was cancelled");
      if (!is_refusal(e)) return failed(e);
      if (!session) return fail(Kind::kUnsupported, "onnx.refused", text("ONNX Runtime: {}", e.what()));
      return fail(Kind::kInvalid, "onnx.data", text("ONNX Runtime: {}", e.what()));
    }
  }

 private:
  Result<std::vector<Bytes>> run(Ort::Session& session, const Graph& graph, const std::vector<ValueView>& inputs,
                                 const Plan& plan, runtime::RunControl& control) {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
    std::vector<Ort::Value> values;
    std::vector<const char*> in_names, out_names;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const std::vector<std::int64_t> dims(inputs[i].type.dims.begin(), inputs[i].type.dims.end());
      values.push_back(Ort::Value::CreateTensor(memory, const_cast<std::uint8_t*>(inputs[i].data.data()),
                                                inputs[i].data.size(), dims.data(), dims.size(),
                                                static_cast<ONNXTensorElementDataType>(inputs[i].type.element)));
      in_names.push_back(graph.inputs[i].name.c_str());
    }
    for (const Port& port : graph.outputs) out_names.push_back(port.name.c_str());
    Ort::RunOptions options;
    std::vector<Ort::Value> outputs;
    {
      const Watch watch(options, control);
      outputs = session.Run(options, in_names.data(), values.data(), values.size(), out_names.data(), out_names.size());
    }
    if (control.stop()) return fail(Kind::kTimeout, "onnx.cancelled", "the run was cancelled");
    std::vector<Bytes> out;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      TRY(const ValueView value, view(outputs[i], plan.outputs[i]));
      out.push_back(encode_value(value));
    }
    return out;
  }

  // The plan's types are what gas and memory were counted from: another type is our mistake.
  static Result<ValueView> view(const Ort::Value& value, const Type& planned) {
    const auto info = value.GetTensorTypeAndShapeInfo();
    Type type{.element = static_cast<Element>(info.GetElementType()), .dims = {}};
    for (const std::int64_t d : info.GetShape()) type.dims.push_back(static_cast<std::uint32_t>(d));
    if (type != planned)
      return fail(Kind::kInternal, "onnx.runtime",
                  text("found an output of {} of {}, planned {} of {}", dims_text(type.dims),
                       element_name(type.element), dims_text(planned.dims), element_name(planned.element)));
    const auto* data = static_cast<const std::uint8_t*>(value.GetTensorRawData());
    return ValueView{.type = std::move(type), .data = {data, planned.bytes()}};
  }

  Ort::Env env_;
};

}  // namespace

Result<std::unique_ptr<Engine>> make_runtime_engine() {
  const Muted muted;
  try {
    return std::make_unique<RuntimeEngine>();
  } catch (const Ort::Exception& e) {
    return failed(e);
  }
}

}  // namespace hanse::onnx
