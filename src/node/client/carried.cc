#include "node/client/carried.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <variant>

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::client {
namespace {

enum class Op : std::uint8_t { kInfo = 1, kSubmit, kQuery, kProve, kPutBlob, kGetBlob, kHasBlob, kEvents };
constexpr std::uint64_t kOpMax = static_cast<std::uint64_t>(Op::kEvents);
constexpr std::size_t kWordsMax = 2'048, kRolesMax = 16, kContextsMax = 16;
constexpr std::chrono::milliseconds kIdlePause{100};  // the far end waits as well
constexpr codec::CborLimits kLimits{.size_max = kCarriedMax + 4'096};

struct Question {
  Op op = Op::kInfo;
  std::uint64_t app = 0;
  std::string_view path{};
  ByteView data{};
};

Bytes encode_question(const Question& q) {
  codec::CborWriter w;
  w.array(4);
  w.u64(static_cast<std::uint64_t>(q.op));
  w.u64(q.app);
  w.text(q.path);
  w.bytes(q.data);
  return w.take();
}

Result<Question> decode_question(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Question out;
  TRY_OK(r.enter_array("question", 4));
  TRY(const auto op, r.u64("op", kOpMax));
  TRY(out.app, r.u64("app", 255));
  TRY(out.path, r.text("path", 64));
  TRY(out.data, r.bytes("data", kCarriedMax));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  if (op == 0) return r.fail_here("codec.type", text("found operation 0, expected 1 to {}", kOpMax));
  out.op = static_cast<Op>(op);
  return out;
}

Bytes encode_good(ByteView answer) {
  codec::CborWriter w;
  w.array(2);
  w.u64(0);
  w.bytes(answer);
  return w.take();
}

std::string_view cut(std::string_view words) {
  std::size_t end = std::min(words.size(), kWordsMax);
  while (end < words.size() && end > 0 && (static_cast<unsigned char>(words[end]) & 0xc0) == 0x80) --end;
  return words.substr(0, end);
}

std::unexpected<Error> bad_reply(std::string_view why) {
  return fail(Kind::kCorrupt, "client.bad_reply", text("an answer that was carried: {}", why));
}

template <class T>
Result<T> good_reply(Result<T> read) {
  if (!read) return bad_reply(read.error().str());
  return read;
}

Result<Error> decode_error(codec::CborReader& r) {
  TRY(const auto kind_words, r.text("kind", 32));
  TRY(const auto id, r.text("id", 128));
  TRY(const auto message, r.text("message", kWordsMax));
  TRY(const auto code, r.u64("code", 0xffff'ffff));
  TRY(const auto path, r.text("path", kWordsMax));
  Kind kind = Kind::kInternal;
  if (!parse_kind(kind_words, kind)) return r.fail_here("codec.type", "found an unknown kind of error");
  Error out(kind, id, message);
  if (code != 0) out = std::move(out).coded(static_cast<std::uint32_t>(code));
  if (!path.empty()) out = std::move(out).at(path);
  TRY_OK(r.enter_array("contexts", kContextsMax));
  while (r.more()) {
    TRY(const auto context, r.text("context", kWordsMax));
    out = std::move(out).with(context);
  }
  TRY_OK(r.leave());
  return out;
}

// The remote error inside, if it is one.
Result<std::variant<Bytes, Error>> decode_answer(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  TRY_OK(r.enter_array("answer", 7));
  TRY(const auto bad, r.u64("bad", 1));
  std::variant<Bytes, Error> out;
  if (bad == 0) {
    TRY(const ByteView good, r.bytes("answer", kCarriedMax));
    out = to_bytes(good);
  } else {
    TRY(Error error, decode_error(r));
    out = std::move(error);
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Bytes encode_info(const NodeInfo& info, const NetworkId& known) {
  codec::CborWriter w;
  w.array(6);
  w.text(cut(info.version));
  w.bytes(info.network.view());
  w.bytes(info.network == known ? ByteView() : ByteView(info.genesis));
  w.text(cut(info.node_id));
  const std::size_t roles = std::min(info.roles.size(), kRolesMax);
  w.array(roles);
  for (std::size_t i = 0; i < roles; ++i) w.text(cut(info.roles[i]));
  w.u64(info.height.value);
  return w.take();
}

Result<NodeInfo> decode_info(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  NodeInfo out;
  TRY_OK(r.enter_array("info", 6));
  TRY(out.version, r.text("version", kWordsMax));
  TRY_OK(r.fixed("network", out.network));
  TRY(const ByteView genesis, r.bytes("genesis", kCarriedMax));
  out.genesis = to_bytes(genesis);
  TRY(out.node_id, r.text("node_id", kWordsMax));
  TRY_OK(r.enter_array("roles", kRolesMax));
  while (r.more()) {
    TRY(out.roles.emplace_back(), r.text("role", kWordsMax));
  }
  TRY_OK(r.leave());
  TRY(out.height.value, r.u64("height"));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Bytes encode_applied(const Applied& applied) {
  codec::CborWriter w;
  w.array(3);
  w.bytes(applied.tx_id.view());
  w.u64(applied.height.value);
  w.bytes(ledger::encode_result(applied.result));
  return w.take();
}

Result<Applied> decode_applied(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Applied out;
  TRY_OK(r.enter_array("applied", 3));
  TRY_OK(r.fixed("tx_id", out.tx_id));
  TRY(out.height.value, r.u64("height"));
  TRY(const ByteView result, r.bytes("result", kCarriedMax));
  TRY(out.result, ledger::decode_result(result));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

// Where a page begins: after so many events of the height that were seen.
struct Cursor {
  Height from;
  std::uint64_t seen = 0;
};
Bytes encode_cursor(const Cursor& cursor) {
  codec::CborWriter w;
  w.array(2);
  w.u64(cursor.from.value);
  w.u64(cursor.seen);
  return w.take();
}
Result<Cursor> decode_cursor(ByteView bytes) {
  codec::CborReader r(bytes);
  Cursor out;
  TRY_OK(r.enter_array("cursor", 2));
  TRY(out.from.value, r.u64("from"));
  TRY(out.seen, r.u64("seen"));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Bytes encode_events(const std::vector<LedgerEvent>& events) {
  codec::CborWriter w;
  w.array(events.size());
  for (const LedgerEvent& one : events) {
    w.array(3);
    w.u64(one.height.value);
    w.text(one.event.topic);
    w.bytes(one.event.data);
  }
  return w.take();
}
Result<std::vector<LedgerEvent>> decode_events(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  std::vector<LedgerEvent> out;
  TRY_OK(r.enter_array("events", kCarriedEventsMax));
  while (r.more()) {
    LedgerEvent one;
    TRY_OK(r.enter_array("event", 3));
    TRY(one.height.value, r.u64("height"));
    TRY(one.event.topic, r.text("topic", ledger::kTopicMax));
    TRY(const ByteView data, r.bytes("data", kCarriedMax));
    one.event.data = to_bytes(data);
    TRY_OK(r.leave());
    out.push_back(std::move(one));
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

// ---- the far end ---------------------------------------------------------------------------------------------------

template <class T>
Result<T> fixed_of(ByteView data) {
  T out;
  if (T::from(data, out)) return out;
  return fail(Kind::kInvalid, "client.bad_question",
              text("found {} bytes of an id, expected {}", data.size(), T::kSize));
}

// What is there already, until a page is full.
Result<Bytes> page(Client& node, std::string_view prefix, const Cursor& cursor) {
  std::vector<LedgerEvent> out;
  std::uint64_t seen = 0;
  std::size_t bytes = 0;
  TRY_OK(node.watch(
      cursor.from, prefix,
      [&](const LedgerEvent& one) {
        if (one.height == cursor.from && seen < cursor.seen) {
          ++seen;
          return true;
        }
        out.push_back(one);
        bytes += one.event.data.size();
        return out.size() < kCarriedEventsMax && bytes < kCarriedEventBytesMax;
      },
      [] { return false; }));
  return encode_events(out);
}

Result<Bytes> ask(Client& node, const Question& q) {
  switch (q.op) {
    case Op::kInfo: {
      NetworkId known;
      (void)NetworkId::from(q.data, known);
      TRY(const NodeInfo info, node.info());
      return encode_info(info, known);
    }
    case Op::kSubmit: {
      TRY(const Applied applied, node.submit({.app = static_cast<std::uint8_t>(q.app), .body = to_bytes(q.data)}));
      return encode_applied(applied);
    }
    case Op::kQuery: return node.query(static_cast<std::uint8_t>(q.app), q.path, q.data);
    case Op::kProve: return node.prove(q.data);
    case Op::kPutBlob: {
      TRY(const BlobId id, node.put_blob(q.data));
      return to_bytes(id.view());
    }
    case Op::kGetBlob: {
      TRY(const BlobId id, fixed_of<BlobId>(q.data));
      return node.get_blob(id);
    }
    case Op::kHasBlob: {
      TRY(const BlobId id, fixed_of<BlobId>(q.data));
      TRY(const bool has, node.has_blob(id));
      return Bytes{static_cast<std::uint8_t>(has ? 1 : 0)};
    }
    case Op::kEvents: {
      const auto cursor = decode_cursor(q.data);
      if (!cursor) return fail(Kind::kInvalid, "client.bad_question", cursor.error().str());
      return page(node, q.path, *cursor);
    }
  }
  return Bytes{};
}

Result<Bytes> answer(Client& node, ByteView question) {
  const auto q = decode_question(question);
  if (!q) return fail(Kind::kInvalid, "client.bad_question", q.error().str());
  TRY(Bytes out, ask(node, *q));
  if (out.size() > kCarriedMax)
    return fail(Kind::kExhausted, "client.too_large",
                text("found an answer of {} bytes, expected at most {}: more is not carried", out.size(), kCarriedMax));
  return out;
}

// ---- the near end --------------------------------------------------------------------------------------------------

std::unexpected<Error> not_carried(std::string_view what) {
  return fail(Kind::kUnsupported, "client.not_carried",
              text("{} is not carried to a node, only asked of it directly", what));
}

class Carried final : public Client {
 public:
  explicit Carried(Carry carry) : carry_(std::move(carry)) {}

  Result<NodeInfo> info() override {
    Bytes known;
    {
      const std::lock_guard lock(mutex_);
      if (!genesis_.empty()) known = to_bytes(network_.view());
    }
    TRY(const Bytes answer, ask({.op = Op::kInfo, .data = known}));
    TRY(NodeInfo out, good_reply(decode_info(answer)));
    const std::lock_guard lock(mutex_);
    if (out.genesis.empty()) {
      if (known.empty() || out.network != network_) return bad_reply("found no genesis, expected one");
      out.genesis = genesis_;
    } else {
      network_ = out.network;
      genesis_ = out.genesis;
    }
    return out;
  }
  Result<Applied> submit(const ledger::Tx& tx) override {
    TRY(const Bytes answer, ask({.op = Op::kSubmit, .app = tx.app, .data = tx.body}));
    return good_reply(decode_applied(answer));
  }
  Result<Bytes> query(std::uint8_t app, std::string_view path, ByteView argument) override {
    return ask({.op = Op::kQuery, .app = app, .path = path, .data = argument});
  }
  Result<Bytes> prove(ByteView state_key) override { return ask({.op = Op::kProve, .data = state_key}); }
  Result<ConsensusInfo> consensus() override { return not_carried("the state of consensus"); }
  Result<CertifiedBlock> certified(Height) override { return not_carried("a certified block"); }
  Status watch(Height from, std::string_view topic_prefix, const std::function<bool(const LedgerEvent&)>& visit,
               const std::function<bool()>& idle) override {
    for (Cursor cursor{.from = from};;) {
      TRY(const Bytes answer, ask({.op = Op::kEvents, .path = topic_prefix, .data = encode_cursor(cursor)}));
      TRY(const auto events, good_reply(decode_events(answer)));
      for (const LedgerEvent& one : events) {
        if (one.height < cursor.from || !one.event.topic.starts_with(topic_prefix))
          return bad_reply("an event that was not asked for");
        if (one.height > cursor.from) cursor = {.from = one.height};
        ++cursor.seen;
        if (!visit(one)) return {};
      }
      if (!events.empty()) continue;
      if (idle && !idle()) return {};
      std::this_thread::sleep_for(kIdlePause);
    }
  }
  Result<BlobId> put_blob(ByteView data) override {
    if (data.size() > kCarriedBlobMax)
      return fail(
          Kind::kExhausted, "client.too_large",
          text("found a blob of {} bytes, expected at most {}: larger ones are not carried, and nothing is sent "
               "another way",
               data.size(), kCarriedBlobMax));
    const BlobId id = crypto::blob_id(data);
    TRY(const Bytes answer, ask({.op = Op::kPutBlob, .data = data}));
    if (!std::ranges::equal(answer, id.view())) return bad_reply("another id than the blob's");
    return id;
  }
  Result<Bytes> get_blob(const BlobId& id) override {
    TRY(Bytes out, ask({.op = Op::kGetBlob, .data = id.view()}));
    if (crypto::blob_id(out) != id) return bad_reply("another blob than the one asked for");
    return out;
  }
  Result<bool> has_blob(const BlobId& id) override {
    TRY(const Bytes answer, ask({.op = Op::kHasBlob, .data = id.view()}));
    if (answer.size() != 1 || answer[0] > 1) return bad_reply("found neither yes nor no");
    return answer[0] == 1;
  }

 private:
  Result<Bytes> ask(const Question& question) {
    TRY(const Bytes bytes, carry_(encode_question(question)));
    TRY(auto answer, good_reply(decode_answer(bytes)));
    if (auto* error = std::get_if<Error>(&answer)) return std::unexpected(std::move(*error));
    return std::move(std::get<Bytes>(answer));
  }

  const Carry carry_;
  std::mutex mutex_;
  NetworkId network_;
  Bytes genesis_;
};

}  // namespace

std::unique_ptr<Client> make_carried(Carry carry) { return std::make_unique<Carried>(std::move(carry)); }

Bytes refuse_carried(const Error& error) {
  codec::CborWriter w;
  w.array(7);
  w.u64(1);
  w.text(kind_name(error.kind()));
  w.text(error.id());
  w.text(cut(error.message()));
  w.u64(error.code());
  w.text(cut(error.path()));
  const std::size_t contexts = std::min(error.context().size(), kContextsMax);
  w.array(contexts);
  for (std::size_t i = 0; i < contexts; ++i) w.text(cut(error.context()[i]));
  return w.take();
}

Bytes answer_carried(Client& node, ByteView question) {
  const auto out = answer(node, question);
  return out ? encode_good(*out) : refuse_carried(out.error());
}

}  // namespace hanse::client
