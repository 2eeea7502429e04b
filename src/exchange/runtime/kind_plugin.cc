#include "exchange/runtime/kind_plugin.h"

#include <exception>
#include <new>

#include "base/core/text.h"
#include "base/plugin/error_wire.h"
#include "exchange/runtime/call.h"

namespace hanse::runtime {

namespace {

std::string_view trim(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

int send_error(const Error& error, hanse_sink out, int answer) {
  const Bytes bytes = plugin::encode_error(error);
  if (out.write(out.ctx, bytes.data(), bytes.size()) != HANSE_OK) return HANSE_PANIC;
  return answer;
}

}  // namespace

Result<KindConfig> parse_kind_config(std::string_view source) {
  KindConfig config;
  while (!source.empty()) {
    const auto end = source.find('\n');
    const auto line = trim(source.substr(0, end));
    source.remove_prefix(end == std::string_view::npos ? source.size() : end + 1);
    if (line.empty()) continue;
    const auto equals = line.find('=');
    const auto key = trim(line.substr(0, equals));
    const auto value = equals == std::string_view::npos ? std::string_view{} : trim(line.substr(equals + 1));
    if (key != "scratch" || value.size() < 3 || value.front() != '"' || value.back() != '"')
      return fail(Kind::kInvalid, "runtime.bad_config", text("found '{}', expected scratch = \"DIR\"", line));
    config.scratch = value.substr(1, value.size() - 2);
  }
  return config;
}

Result<Bytes> KindServer::answer(ByteView call_bytes) {
  TRY(const auto call, decode_call(call_bytes));
  TRY(auto request, decode_request(call.request));
  request.prepared = to_bytes(call.prepared);
  RunControl control(host_->stop, host_->host);
  TRY_OK(kind_->check(request));
  switch (call.op) {
    case CallOp::kCheck: return Bytes{};
    case CallOp::kPrepare: return kind_->prepare(request, control);
    case CallOp::kVerify: {
      TRY(const auto claimed, decode_outcome(call.claimed));
      TRY_OK(kind_->verify(request, claimed));
      return Bytes{};
    }
    case CallOp::kRun: break;
  }
  TRY(const auto outcome, kind_->run(request, control));
  return encode_outcome(outcome);
}

int KindServer::execute(hanse_blob in, hanse_sink out) {
  try {
    auto answered = answer({in.data, in.size});
    if (!answered) return send_error(answered.error(), out, HANSE_ERROR);
    return out.write(out.ctx, answered->data(), answered->size()) == HANSE_OK ? HANSE_OK : HANSE_ERROR;
  } catch (const std::bad_alloc&) {
    return send_error(Error(Kind::kExhausted, "runtime.out_of_memory", "the kind ran out of memory"), out, HANSE_ERROR);
  } catch (const std::exception& e) {
    return send_error(Error(Kind::kInternal, "runtime.kind_threw", e.what()), out, HANSE_PANIC);
  } catch (...) {
    return send_error(Error(Kind::kInternal, "runtime.kind_threw", "an exception of unknown type"), out, HANSE_PANIC);
  }
}

int kind_init(Result<std::unique_ptr<JobKind>> (*make)(const KindConfig&), const hanse_host_api* host,
              hanse_blob config, void** self) {
  if (host == nullptr || host->abi != HANSE_PLUGIN_ABI_VERSION || host->size < sizeof(hanse_host_api))
    return HANSE_ERROR;
  const auto refuse = [&](std::string_view why) {
    host->log(host->host, HANSE_LOG_ERROR, why.data(), why.size());
    return static_cast<int>(HANSE_ERROR);
  };
  try {
    auto parsed = parse_kind_config(as_text({config.data, config.size}));
    if (!parsed) return refuse(parsed.error().str());
    auto kind = make(*parsed);
    if (!kind) return refuse(kind.error().str());
    *self = new KindServer(std::move(*kind), host);
    return HANSE_OK;
  } catch (const std::exception& e) {
    return refuse(e.what());
  } catch (...) {
    return HANSE_PANIC;
  }
}

}  // namespace hanse::runtime
