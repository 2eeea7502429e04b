#include "cli/trade/bisect.h"

#include "exchange/runtime/pool.h"

namespace hanse::trade {
namespace {

// A node as the story sees it.
class Node final : public flow::JobMarket, public flow::BlobPort {
 public:
  explicit Node(client::Client& client) : client_(client) {}

  Result<std::optional<market::Job>> job(const JobId& id) override {
    TRY(const Bytes record, client_.query(market::kMarketApp, "job", id.view()));
    return market::decode_job(record).transform([](market::Job&& job) { return std::optional(std::move(job)); });
  }
  Result<Height> height() override {
    return client_.info().transform([](const client::NodeInfo& info) { return info.height; });
  }
  Result<Bytes> gxf(const JobId& id) override { return client_.query(market::kMarketApp, "gxf", id.view()); }
  Result<Bytes> get(const BlobId& id) override { return client_.get_blob(id); }
  Result<bool> has(const BlobId& id) override { return client_.has_blob(id); }
  Result<BlobId> put(ByteView bytes) override { return client_.put_blob(bytes); }

 private:
  client::Client& client_;
};

}  // namespace

Result<Doubt> look_into(client::Client& client, const JobId& id) {
  Node node(client);
  TRY(const std::optional<market::Job> job, node.job(id));
  TRY(const auto pool, runtime::Pool::start({.warm = 1, .running_max = 1}));
  runtime::RunControl control;
  Doubt out;
  TRY(out.finding, flow::find_fault(*job, {.market = node, .blobs = node, .runner = *pool}, control));
  if (out.finding.witness) {
    TRY(out.witness, node.put(flow::encode_witness(*out.finding.witness)));
  }
  return out;
}

}  // namespace hanse::trade
