#include "node/api/exchange_server.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <list>
#include <thread>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/keyfile.h"
#include "base/telemetry/metrics.h"
#include "mesh/gate/gate.h"
#include "node/api/grpc_server.h"
#include "node/client/exchange.h"
#include "node/client/rpc_error.h"
#include "node/services/market_client_test.h"

#include "hanse/services/v1/services.grpc.pb.h"
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

namespace hanse::api {
namespace {

namespace wire = hanse::services::v1;
using services::Scope;

constexpr std::size_t kProvider = 0, kPayer = 1, kStranger = 2;

services::Token token(std::string_view secret, services::Scopes scopes,
                      governor::Rate rate = {.per_s = 1, .burst = 500}) {
  return {.name = std::string(secret), .hash = services::token_hash(secret), .scopes = scopes, .rate = rate};
}

// The services over a market in memory.
struct House {
  explicit House(ExchangeOptions options = {}) : identity(*crypto::Identity::from_seed(Bytes(32, 77))) {
    EXPECT_EQ(node.world.add_provider(kProvider).code, 0u);
    EXPECT_EQ(node.world.add_ask(kProvider).code, 0u);
    folder = testing::TempDir() + "hanse_exchange_XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    EXPECT_TRUE(services::write_tokens(
        folder + "/tokens.json",
        {token("all", services::kScopesAll), token("reads", static_cast<services::Scopes>(Scope::kRead)),
         token("slow", services::kScopesAll, {.per_s = 1, .burst = 1})}));
    access.emplace(services::AccessOptions{.token_file = folder + "/tokens.json",
                                           .identities = {{node.world.who[kPayer].id(), services::kScopesAll}},
                                           .rate = {.per_s = 100, .burst = 100}},
                   system_clock());
    desk.emplace(services::Desk::Ways{.direct = [this]() -> Result<client::Client*> { return &node; }, .mix = {}});
    options.gate.addresses = {"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"};
    auto started = ExchangeServer::start(*desk, *access, identity, std::move(options));
    EXPECT_TRUE(started) << started.error().str();
    server = std::move(*started);
    node.wait_watches(1);
  }
  client::DoorFile door(std::string_view secret) const {
    client::DoorFile out{.server = identity.id(), .addresses = {}, .token = std::string(secret)};
    for (std::size_t i = 0; i < 3; ++i) out.addresses[i] = text("127.0.0.1:{}", server->ports()[i]);
    return out;
  }
  std::unique_ptr<client::Exchange> open(std::string_view secret) const {
    auto made = client::Exchange::open(door(secret), folder, {.deadline_ms = 5'000});
    EXPECT_TRUE(made) << made.error().str();
    return std::move(*made);
  }
  // With the certificate of an account of the market.
  Result<std::unique_ptr<client::Exchange>> open_as(std::size_t who) {
    client::DoorFile made = door("");
    made.key_file = text("key-{}.json", who);
    crypto::KeySeeds seeds;
    std::ranges::fill(seeds.signing.span(), static_cast<std::uint8_t>(who + 1));
    TRY_OK(crypto_file(folder + "/" + made.key_file, seeds));
    return client::Exchange::open(made, folder, {.deadline_ms = 5'000});
  }
  static Status crypto_file(const std::string& path, const crypto::KeySeeds& seeds) {
    return crypto::write_key_file(path, seeds, {}, system_random(), {.allow_unencrypted = true, .replace = true});
  }
  Bytes job(gxf::Lane lane = gxf::Lane::kAuto) {
    return node.with([&] {
      gxf::Job out = node.world.plain_job(kPayer);
      out.lane = lane;
      gxf::sign(out, node.world.who[kPayer], gxf::JobSigAlg::kMlDsa65);
      return gxf::encode(out);
    });
  }
  template <class Args>
  ledger::Tx call(std::size_t who, market::Method method, const Args& args) {
    return node.with([&] { return node.world.call_tx(who, method, args); });
  }

  services::MarketClient node;
  crypto::Identity identity;
  std::string folder;
  std::optional<services::Access> access;
  std::optional<services::Desk> desk;
  std::unique_ptr<ExchangeServer> server;  // first to go
};

// The wire itself, for what our client would never send.
struct Wire {
  explicit Wire(const House& house, std::size_t service) {
    client::keep_rpc_library();
    line = std::move(*gate::Line::dial({.address = house.door("").addresses[service], .server = house.identity.id()}));
    channel = grpc::CreateInsecureChannelFromFd("test", line->take().release());
  }
  static void say(grpc::ClientContext& context, const std::string& authorization) {
    context.AddMetadata("authorization", authorization);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  }
  std::unique_ptr<gate::Line> line;
  std::shared_ptr<grpc::Channel> channel;
};

template <class T>
std::string id_of(const Result<T>& result) {
  return result ? "" : std::string(result.error().id());
}

TEST(Exchange, orders_by_the_auction_and_by_the_router_and_counts_both) {
  House house;
  const auto at = house.open("all");
  const auto offered = at->run_auction(house.job(), 0);
  ASSERT_TRUE(offered) << offered.error().str();
  EXPECT_TRUE(offered->ordered);
  EXPECT_GT(offered->price_ut, 0u);
  EXPECT_EQ(offered->route.size(), 2u);
  client::DoorFile by_router = house.door("all");
  by_router.by_router = true;
  const auto routes = std::move(*client::Exchange::open(by_router, house.folder));
  const Bytes job = house.job();
  const auto routed =
      routes->submit({.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kJob, job)});
  ASSERT_TRUE(routed) << routed.error().str();
  EXPECT_EQ(routed->result.code, 0u);
  const auto stats = at->router_stats();
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->routed, 1u);
  EXPECT_EQ(stats->lanes[0], 1u);
  EXPECT_EQ(stats->active[0], 1u);
  const auto market_stats = at->auction_stats();
  ASSERT_TRUE(market_stats);
  EXPECT_EQ(market_stats->matches, 2u);
  EXPECT_EQ(market_stats->live, 2u);
  EXPECT_EQ(market_stats->auctions, 1u);
  const auto deep = routes->submit(
      {.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kJob, house.job(gxf::Lane::kDeep))});
  EXPECT_EQ(id_of(deep), "services.no_mix");
  house.server->refresh_metrics();
  const std::string shown = telemetry::registry().exposition();
  EXPECT_NE(shown.find("hanse_router_active_jobs{lane=\"flash\"} 1\n"), std::string::npos) << shown;
}

TEST(Exchange, a_provider_registers_and_a_job_is_cancelled_by_signed_calls) {
  House house;
  const auto at = house.open("all");
  const auto registered = at->submit(
      house.call(kStranger, market::Method::kProviderRegister,
                 market::ProviderRegister{.region = 1,
                                          .precisions = market::kPrecisionsAll,
                                          .isolation = 3,
                                          .capacity = 2,
                                          .bond = Amount{5'000'000},
                                          .ed25519 = house.node.world.who[kStranger].ed25519().public_key().bytes}));
  ASSERT_TRUE(registered) << registered.error().str();
  EXPECT_EQ(registered->result.code, 0u) << registered->result.message;
  const auto provider = at->query(market::kMarketApp, "provider", house.node.world.who[kStranger].id().view());
  ASSERT_TRUE(provider) << provider.error().str();
  EXPECT_EQ(market::decode_provider(*provider)->capacity, 2u);
  const auto offered = at->run_auction(house.job(), 200);
  ASSERT_TRUE(offered) << offered.error().str();
  const auto cancelled = at->submit(house.call(kPayer, market::Method::kJobCancel, market::JobCancel{offered->job_id}));
  ASSERT_TRUE(cancelled) << cancelled.error().str();
  const auto job = at->job(offered->job_id);
  ASSERT_TRUE(job) << job.error().str();
  EXPECT_EQ(job->state, "closed");
  EXPECT_EQ(job->reason, "cancelled");
  EXPECT_TRUE(job->ended);
}

TEST(Exchange, streams_the_steps_of_a_job) {
  House house;
  const auto at = house.open("all");
  const auto offered = at->run_auction(house.job(), 0);
  ASSERT_TRUE(offered);
  std::thread ends([&] {
    house.node.wait_watches(2);
    EXPECT_TRUE(at->submit(house.call(kProvider, market::Method::kJobStart, market::JobStart{offered->job_id})));
    EXPECT_TRUE(at->submit(house.call(kProvider, market::Method::kJobCancel, market::JobCancel{offered->job_id})));
  });
  std::vector<std::string> steps;
  const Status watched = at->watch_job(offered->job_id, [&](const client::JobUpdate& update) {
    steps.push_back(update.state);
    return true;
  });
  ends.join();
  ASSERT_TRUE(watched) << watched.error().str();
  EXPECT_EQ(steps, (std::vector<std::string>{"matched", "started", "closed"}));
}

TEST(Exchange, execute_says_how_a_job_ended_and_that_one_goes_on_when_the_time_is_over) {
  House house({.gate = {}, .execute_ms_max = 100});
  const auto at = house.open("all");
  const Bytes job = house.job();
  EXPECT_EQ(id_of(at->execute_job(job, 60'000)), "services.still_running");
  const JobId id = gxf::decode(job)->job_id;
  ASSERT_TRUE(at->submit(house.call(kPayer, market::Method::kJobCancel, market::JobCancel{id})));
  const auto ended = at->execute_job(job, 60'000);  // it is there already
  ASSERT_TRUE(ended) << ended.error().str();
  EXPECT_EQ(ended->reason, "cancelled");
}

TEST(Exchange, each_call_needs_its_scope) {
  House house;
  const auto reads = house.open("reads");
  EXPECT_TRUE(reads->info());
  EXPECT_TRUE(reads->router_stats());
  EXPECT_EQ(id_of(reads->run_auction(house.job(), 0)), "services.scope");
  EXPECT_EQ(id_of(reads->put_blob(Bytes(10))), "services.scope");
  EXPECT_EQ(id_of(reads->execute_job(house.job(), 1'000)), "services.scope");
  EXPECT_EQ(id_of(reads->submit(house.call(kPayer, market::Method::kJobCancel, market::JobCancel{}))),
            "services.scope");
  EXPECT_EQ(id_of(reads->submit(house.call(kProvider, market::Method::kAskPost, auction::MarketWorld::ask()))),
            "services.scope");
  EXPECT_EQ(id_of(reads->submit(house.call(kProvider, market::Method::kJobStart, market::JobStart{}))),
            "services.scope");
  client::DoorFile router = house.door("reads");
  router.by_router = true;
  const auto routes = std::move(*client::Exchange::open(router, house.folder));
  EXPECT_EQ(id_of(routes->submit(
                {.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kJob, house.job())})),
            "services.scope");
}

TEST(Exchange, nobody_enters_without_token_or_certificate) {
  House house;
  EXPECT_EQ(id_of(house.open("")->info()), "services.no_credentials");
  EXPECT_EQ(id_of(house.open("guess")->info()), "services.unknown_token");
  const auto known = house.open_as(kPayer);
  ASSERT_TRUE(known) << known.error().str();
  EXPECT_TRUE((*known)->info());
  EXPECT_TRUE((*known)->run_auction(house.job(), 0));
  const auto unknown = house.open_as(kStranger);
  ASSERT_TRUE(unknown) << unknown.error().str();
  EXPECT_EQ(id_of((*unknown)->info()), "services.unknown_identity");
  const Wire wire(house, 0);
  grpc::ClientContext context;
  Wire::say(context, "Basic YWxs");
  wire::GetRouterStatsReply reply;
  const auto status = wire::RouterService::NewStub(wire.channel)->GetRouterStats(&context, {}, &reply);
  EXPECT_EQ(client::from_rpc(status, "test").id(), "services.no_credentials");
}

TEST(Exchange, a_token_that_comes_too_often_hears_when_to_come_again) {
  House house;
  const Wire wire(house, 0);
  const auto stub = wire::RouterService::NewStub(wire.channel);
  wire::GetRouterStatsReply reply;
  grpc::ClientContext first, second;
  Wire::say(first, "Bearer slow");
  ASSERT_TRUE(stub->GetRouterStats(&first, {}, &reply).ok());
  Wire::say(second, "Bearer slow");
  const auto status = stub->GetRouterStats(&second, {}, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(client::from_rpc(status, "test").id(), "services.rate_limited");
  const auto& trailing = second.GetServerTrailingMetadata();
  const auto retry = trailing.find("retry-after-ms");
  ASSERT_NE(retry, trailing.end());
  const int retry_ms = std::atoi(std::string(retry->second.data(), retry->second.size()).c_str());
  EXPECT_GT(retry_ms, 0);
  EXPECT_LE(retry_ms, 1'000);
}

TEST(Exchange, bad_input_of_every_kind_is_told_with_its_details) {
  House house;
  const auto at = house.open("all");
  EXPECT_EQ(id_of(at->run_auction(to_bytes("no job"), 0)).substr(0, 4), "gxf.");
  EXPECT_EQ(id_of(at->run_auction(Bytes(gxf::kGxfSizeMax + 1), 0)), "gxf.too_large");
  EXPECT_EQ(id_of(at->run_auction(house.job(), 256)), "services.priority");
  EXPECT_EQ(id_of(at->execute_job({}, 1'000)).substr(0, 4), "gxf.");
  EXPECT_EQ(id_of(at->job(JobId{})), "market.no_job");
  EXPECT_EQ(id_of(at->query(market::kMarketApp, "nothing", {})), "market.no_query");
  EXPECT_EQ(id_of(at->query(market::kMarketApp, std::string(kQueryPathBytesMax + 1, 'a'), {})), "api.bad_request");
  EXPECT_EQ(id_of(at->query(1, "account", {})), "client.not_carried");
  EXPECT_EQ(id_of(at->consensus()), "client.not_carried");
  EXPECT_EQ(id_of(at->get_blob(BlobId{})), "blob.absent");
  const Wire execution(house, 2);
  const auto stub = wire::ExecutionService::NewStub(execution.channel);
  {
    grpc::ClientContext context;
    Wire::say(context, "Bearer all");
    wire::JobRequest request;
    request.set_job_id("short");
    wire::JobStatus reply;
    EXPECT_EQ(client::from_rpc(stub->GetJob(&context, request, &reply), "test").id(), "api.bad_request");
  }
  {
    grpc::ClientContext context;
    Wire::say(context, "Bearer all");
    wire::SignedCall request;
    request.set_call("no call");
    wire::CallReply reply;
    const auto error = client::from_rpc(stub->CancelJob(&context, request, &reply), "test");
    EXPECT_EQ(error.kind(), Kind::kInvalid) << error.str();
    EXPECT_NE(error.id(), "client.rpc");
  }
  {  // a piece of a blob past its size
    grpc::ClientContext context;
    Wire::say(context, "Bearer all");
    hanse::node::v1::PutBlobReply reply;
    const auto writer = stub->PutBlob(&context, &reply);
    hanse::node::v1::BlobPiece piece;
    piece.set_data(std::string(256 * 1024 + 1, 'x'));
    writer->Write(piece);
    writer->WritesDone();
    EXPECT_EQ(client::from_rpc(writer->Finish(), "test").id(), "api.bad_request");
  }
  const Wire router(house, 0);
  grpc::ClientContext context;
  Wire::say(context, "Bearer all");
  wire::RouteEnvelopeRequest request;
  request.set_envelope(std::string(kMessageBytesMax, 'x'));  // and a few bytes around it
  wire::RouteEnvelopeReply reply;
  const auto status = wire::RouterService::NewStub(router.channel)->RouteEnvelope(&context, request, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
}

TEST(Exchange, each_service_is_on_its_own_port_only) {
  House house;
  const Wire router(house, 0);
  grpc::ClientContext context;
  Wire::say(context, "Bearer all");
  wire::GetAuctionStatsReply reply;
  const auto status = wire::AuctionService::NewStub(router.channel)->GetAuctionStats(&context, {}, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST(Exchange, a_connection_whose_calls_are_all_refused_is_closed_and_one_that_was_let_in_stays) {
  ExchangeOptions options;
  options.gate.first_call_ms = 300;
  House house(std::move(options));
  const Wire good(house, 0), bad(house, 0);
  const auto ask = [](const Wire& wire, const std::string& token) {
    grpc::ClientContext context;
    Wire::say(context, token);
    wire::GetRouterStatsReply reply;
    return wire::RouterService::NewStub(wire.channel)->GetRouterStats(&context, {}, &reply).error_code();
  };
  EXPECT_EQ(ask(good, "Bearer all"), grpc::StatusCode::OK);
  int refused = 0;
  grpc::StatusCode code = ask(bad, "Bearer guess");
  for (; code == grpc::StatusCode::PERMISSION_DENIED; code = ask(bad, "Bearer guess")) ++refused;
  EXPECT_EQ(code, grpc::StatusCode::UNAVAILABLE);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(ask(good, "Bearer all"), grpc::StatusCode::OK);
}

TEST(Exchange, nobody_there_is_told_at_once_and_a_lost_connection_is_made_anew) {
  client::DoorFile gone;
  ExchangeOptions options;
  options.gate.idle_ms = 1;
  {
    House house(std::move(options));
    gone = house.door("all");
    const auto at = house.open("all");
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(at->info()) << i;
      house.server->refresh_metrics();
      while (telemetry::registry().gauge(telemetry::Metric::kServicesConnections).value() != 0)
        house.server->refresh_metrics();
    }
  }
  const auto late = std::move(*client::Exchange::open(gone, "", {.deadline_ms = 60'000}));
  EXPECT_EQ(id_of(late->info()), "gate.unreachable");
}

TEST(Exchange, a_watch_finds_a_new_connection_after_its_own_was_lost) {
  ExchangeOptions options;
  options.gate.idle_ms = 1;
  House house(std::move(options));
  const auto at = house.open("all");
  const auto watch = [&] {
    return at->watch(Height{1}, "market.", [](const auto&) { return true; }, [] { return false; });
  };
  EXPECT_TRUE(watch());
  house.server->refresh_metrics();
  while (telemetry::registry().gauge(telemetry::Metric::kServicesConnections).value() != 0)
    house.server->refresh_metrics();
  (void)watch();  // may hear of it only now
  const Status again = watch();
  EXPECT_TRUE(again) << again.error().str();
}

TEST(Exchange, one_watch_more_than_the_most_is_refused) {
  House house({.gate = {}, .watches_max = 1});
  const auto at = house.open("all");
  const auto offered = at->run_auction(house.job(), 0);
  ASSERT_TRUE(offered);
  std::string second;
  const Status first = at->watch_job(offered->job_id, [&](const client::JobUpdate&) {
    second = id_of(at->execute_job(house.job(), 5'000));
    return false;
  });
  EXPECT_TRUE(first);
  EXPECT_EQ(second, "api.busy");
}

// Uploads that are begun and not ended: each keeps its place.
struct Uploads {
  explicit Uploads(const Wire& wire) : stub(wire::ExecutionService::NewStub(wire.channel)) {}
  ~Uploads() {
    while (!all.empty()) end();
  }
  void begin(const std::string& token) {
    One& one = all.emplace_back();
    Wire::say(one.context, "Bearer " + token);
    one.writer = stub->PutBlob(&one.context, &one.reply);
  }
  void end() {
    all.front().context.TryCancel();
    (void)all.front().writer->Finish();
    all.pop_front();
  }
  struct One {
    grpc::ClientContext context;
    hanse::node::v1::PutBlobReply reply;
    std::unique_ptr<grpc::ClientWriter<hanse::node::v1::BlobPiece>> writer;
  };
  std::unique_ptr<wire::ExecutionService::Stub> stub;
  std::list<One> all;
};

TEST(Exchange, one_visitor_takes_no_more_than_three_quarters_of_the_places_and_all_no_more_than_there_are) {
  House house({.gate = {}, .calls_max = 4});
  const auto greedy = house.open("all"), other = house.open("reads");
  const Wire wire(house, 2);
  Uploads uploads(wire);
  for (int i = 0; i < 3; ++i) uploads.begin("all");
  std::string id;
  while (id.empty()) id = id_of(greedy->info());  // until all of them have begun
  EXPECT_EQ(id, "api.busy");
  EXPECT_TRUE(other->info());
  uploads.begin("slow");
  id.clear();
  while (id.empty()) id = id_of(other->info());
  EXPECT_EQ(id, "api.busy");
  uploads.end();
  uploads.end();
  while (!greedy->info()) {  // until the server has heard of it
  }
}

TEST(Exchange, one_call_of_a_connection_more_than_the_most_waits_for_another_to_end) {
  House house;
  const Wire wire(house, 2);
  Uploads uploads(wire);
  const auto ask = [&](std::int64_t ms) {
    grpc::ClientContext context;
    Wire::say(context, "Bearer reads");
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(ms));
    wire::JobRequest request;
    request.set_job_id(std::string(JobId::kSize, 'x'));
    wire::JobStatus reply;
    return uploads.stub->GetJob(&context, request, &reply).error_code();
  };
  for (int i = 0; i < kStreamsMax - 1; ++i) uploads.begin("all");
  EXPECT_EQ(ask(20'000), grpc::StatusCode::NOT_FOUND);
  uploads.begin("all");
  EXPECT_EQ(ask(500), grpc::StatusCode::DEADLINE_EXCEEDED);
  uploads.end();
  EXPECT_EQ(ask(20'000), grpc::StatusCode::NOT_FOUND);
}

TEST(Exchange, a_watch_ends_when_its_token_is_revoked) {
  House house;
  const auto at = house.open("all");
  const auto offered = at->run_auction(house.job(), 0);
  ASSERT_TRUE(offered);
  bool ended = false;
  std::thread revokes([&] {
    house.node.wait_watches(2);
    services::Token gone = token("all", services::kScopesAll);
    gone.revoked = true;
    EXPECT_TRUE(services::write_tokens(house.folder + "/tokens.json", {gone}));
    std::unique_lock lock(house.node.mutex);  // a server that lets it go on is stopped, late
    house.node.changed.wait_for(lock, std::chrono::seconds(10), [&] { return ended; });
    if (!ended) house.node.down = true;
  });
  const Status watched = at->watch_job(offered->job_id, [](const client::JobUpdate&) { return true; });
  {
    const std::lock_guard lock(house.node.mutex);
    ended = true;
  }
  house.node.changed.notify_all();
  revokes.join();
  ASSERT_FALSE(watched);
  EXPECT_EQ(watched.error().id(), "services.token_revoked");
}

// What ties a call to its visitor: the number of its descriptor is nobody else's while the call lives.
TEST(Exchange, a_call_whose_visitor_has_gone_is_not_taken_for_the_next_visitors) {
  House house;
  const auto offered = house.open("all")->run_auction(house.job(), 0);
  ASSERT_TRUE(offered);
  const auto known = house.open_as(kPayer);
  ASSERT_TRUE(known);
  for (int i = 0; i < 20; ++i) {
    {
      const Wire stranger(house, 0);  // no certificate, and it hangs up with a call under way
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
      wire::GetRouterStatsReply reply;
      grpc::CompletionQueue queue;
      const auto call = wire::RouterService::NewStub(stranger.channel)->AsyncGetRouterStats(&context, {}, &queue);
      grpc::Status status;
      call->Finish(&reply, &status, nullptr);
      if (i % 2 == 0) context.TryCancel();
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
      EXPECT_FALSE(status.ok());
    }
    const auto next = house.open_as(kPayer);
    EXPECT_TRUE((*next)->router_stats());
  }
}

TEST(Exchange, stops_while_a_watch_runs_and_says_why) {
  House house;
  const auto at = house.open("all");
  const auto offered = at->run_auction(house.job(), 0);
  ASSERT_TRUE(offered);
  std::thread stops([&] {
    house.node.wait_watches(2);
    house.server->stop(2'000);
  });
  const Status watched = at->watch_job(offered->job_id, [](const client::JobUpdate&) { return true; });
  stops.join();
  ASSERT_FALSE(watched);
  EXPECT_EQ(watched.error().id(), "api.closing");
}

TEST(Door, is_read_as_it_was_written_and_refused_when_open_to_others) {
  const std::string path = testing::TempDir() + "hanse_door.json";
  client::DoorFile door{.server = {}, .addresses = {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}, .token = "t"};
  door.server.data.fill(3);
  door.by_router = true;
  ASSERT_TRUE(replace_file(real_fs(), path, as_bytes(client::encode_door(door))));
  const auto back = client::read_door(path);
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(back->server, door.server);
  EXPECT_EQ(back->addresses, door.addresses);
  EXPECT_EQ(back->token, "t");
  EXPECT_TRUE(back->by_router);
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  EXPECT_EQ(client::read_door(path).error().kind(), Kind::kDenied);
  for (const std::string& bad : {std::string("{}"), std::string("no"), std::string("{\"format\": 1, \"more\": 2}")})
    EXPECT_EQ(client::decode_door(bad).error().id(), "client.door") << bad;
}

}  // namespace
}  // namespace hanse::api
