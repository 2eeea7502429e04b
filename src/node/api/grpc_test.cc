#include <cstdlib>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "node/api/hand_backend.h"
#include "node/api/grpc_server.h"
#include "node/client/submit_stream.h"

#include "hanse/node/v1/node.grpc.pb.h"
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

namespace hanse::api {
namespace {

std::string temp_dir() {
  std::string pattern = testing::TempDir() + "hanse_api_XXXXXX";
  EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
  return pattern;
}

struct Served {
  explicit Served(GrpcOptions options = {}) {
    dir = temp_dir();
    options.socket = dir + "/api.sock";
    auto started = GrpcServer::start(backend, options);
    EXPECT_TRUE(started) << started.error().str();
    if (started) server = std::move(*started);
  }
  std::string address() const { return "unix:" + dir + "/api.sock"; }
  std::unique_ptr<client::Client> connect(client::Options options = {}) {
    auto c = client::Client::connect(address(), options);
    EXPECT_TRUE(c) << c.error().str();
    return std::move(*c);
  }

  HandBackend backend;
  std::string dir;
  std::unique_ptr<GrpcServer> server;
};

TEST(Grpc, carries_where_consensus_is) {
  Served s;
  const auto c = s.connect();
  const auto good = c->consensus();
  ASSERT_TRUE(good) << good.error().str();
  EXPECT_EQ(good->height.value, 9u);
  EXPECT_EQ(good->finalized.value, 8u);
  EXPECT_EQ(good->economic.value, 7u);
  EXPECT_EQ(good->view, 6u);
  EXPECT_EQ(good->leader, "hanse1abc");
  EXPECT_EQ(good->stable, 5u);
  EXPECT_EQ(good->lag, 4u);
  EXPECT_EQ(good->validators, 3u);
  EXPECT_EQ(good->quorum_bp, 6'700u);
  ASSERT_TRUE(good->backup);
  EXPECT_EQ(good->backup->target, "dir:/kept");
  EXPECT_TRUE(good->backup->running);
  EXPECT_EQ(good->backup->last_id, "backup-7-1");
  EXPECT_EQ(good->backup->last_success_ms, 1);
  EXPECT_EQ(good->backup->duration_ms, 2);
  EXPECT_EQ(good->backup->bytes, 3u);
  EXPECT_EQ(good->backup->height, Height{7});
  EXPECT_EQ(good->backup->failures, 4u);
  ASSERT_TRUE(good->backup->failure);
  EXPECT_EQ(good->backup->failure->id(), "archive.timeout");
  EXPECT_EQ(good->economic_bp, 8'000u);
  EXPECT_FALSE(good->abstaining || good->not_live || good->not_ready);
  s.backend.is_live = s.backend.is_ready = false;
  const auto bad = c->consensus();
  ASSERT_TRUE(bad && bad->not_live && bad->not_ready);
  EXPECT_TRUE(bad->abstaining);
  EXPECT_EQ(bad->not_live->id(), "ledger.halted");
  EXPECT_EQ(bad->not_live->kind(), Kind::kInternal);
  EXPECT_EQ(bad->not_ready->id(), "ledger.starting");
  EXPECT_EQ(bad->not_ready->message(), "found no block yet");
  const auto block = c->certified(Height{8});
  ASSERT_TRUE(block) << block.error().str();
  EXPECT_EQ(block->header, (Bytes{1, 2}));
  EXPECT_EQ(block->certificate, (Bytes{3}));
  EXPECT_EQ(c->certified(Height{9}).error().id(), "roles.no_certificate");
}

TEST(Grpc, carries_every_field_both_ways) {
  Served s;
  const auto c = s.connect();
  const auto info = c->info();
  ASSERT_TRUE(info) << info.error().str();
  EXPECT_EQ(info->version, "1.2.3");
  EXPECT_EQ(info->network.data[31], 7);
  EXPECT_EQ(as_text(info->genesis), "genesis bytes");
  EXPECT_EQ(info->node_id, "hanse1abc");
  EXPECT_EQ(info->roles, (std::vector<std::string>{"validator", "gateway"}));

  const auto applied = c->submit({.app = 2, .body = {9, 8, 7}});
  ASSERT_TRUE(applied) << applied.error().str();
  EXPECT_EQ(applied->tx_id, crypto::blake3(Bytes{9, 8, 7}));
  EXPECT_EQ(applied->height.value, 41u);
  EXPECT_EQ(applied->result.code, 3u);
  EXPECT_EQ(applied->result.error_id, "market.full");
  EXPECT_EQ(applied->result.message, "m");
  EXPECT_EQ(applied->result.path, "p");
  EXPECT_EQ(applied->result.data, (Bytes{9, 8, 7}));
  ASSERT_EQ(applied->result.events.size(), 1u);
  EXPECT_EQ(applied->result.events[0].topic, "market.placed");
  EXPECT_EQ(applied->result.events[0].data, (Bytes{1, 2}));
  EXPECT_GT(s.backend.waited_ms, 0);
  EXPECT_LE(s.backend.waited_ms, 11'000);  // the client's ten seconds as gRPC rounds them on the wire

  const auto answer = c->query(255, "a/b", Bytes{0, 1});
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, (Bytes{255, 'a', '/', 'b', 0, 1}));
  const auto proof = c->prove(Bytes{4, 0, 4});
  ASSERT_TRUE(proof);
  EXPECT_EQ(*proof, (Bytes{4, 0, 4}));
}

// What a SubmitStream said, to be waited for.
struct Heard {
  client::SubmitStream::Callbacks callbacks() {
    return {.answered =
                [this](std::uint64_t number, Result<client::Applied> outcome) {
                  const std::lock_guard lock(mutex);
                  order.push_back(number);
                  outcomes.emplace(number, std::move(outcome));
                  changed.notify_all();
                },
            .ended =
                [this](const Error& why) {
                  const std::lock_guard lock(mutex);
                  ended.emplace(why.clone());
                  changed.notify_all();
                }};
  }
  template <class Until>
  void wait(Until until) {
    std::unique_lock lock(mutex);
    changed.wait(lock, until);
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::uint64_t> order;
  std::map<std::uint64_t, Result<client::Applied>> outcomes;
  std::optional<Error> ended;
};

TEST(Grpc, a_stream_answers_each_transaction_with_its_own_outcome) {
  Served s;
  Heard heard;
  const auto stream = client::SubmitStream::open(s.address(), heard.callbacks());
  ASSERT_TRUE(stream) << stream.error().str();
  const std::map<std::uint64_t, ledger::Tx> txs = {
      {7, {.app = 2, .body = {1}}}, {5, {.app = 9, .body = {2}}}, {6, {.app = 2, .body = {3}}}};
  for (const auto& [number, tx] : txs) ASSERT_TRUE((*stream)->send(number, tx));
  heard.wait([&] { return heard.outcomes.size() == 3; });
  for (const std::uint64_t n : {6u, 7u}) {
    const auto& outcome = heard.outcomes.at(n);
    ASSERT_TRUE(outcome) << outcome.error().str();
    EXPECT_EQ(outcome->tx_id, crypto::blake3(txs.at(n).body));
    EXPECT_EQ(outcome->height.value, 41u);
    EXPECT_EQ(outcome->result.data, txs.at(n).body);
    EXPECT_EQ(outcome->result.events.size(), 1u);
  }
  const Error& error = heard.outcomes.at(5).error();
  EXPECT_EQ(error.kind(), Kind::kConflict);
  EXPECT_EQ(error.id(), "gxf.nonce_reused");
  EXPECT_EQ(error.code(), 13u);
  EXPECT_EQ(error.path(), "nonce");
  EXPECT_EQ(error.context().size(), 2u);
  EXPECT_FALSE(heard.ended);
}

TEST(Grpc, a_stream_gives_outcomes_as_they_come_and_leaves_what_came_too_late) {
  Served s;
  s.backend.hold_answers = true;
  Heard heard;
  auto stream = client::SubmitStream::open(s.address(), heard.callbacks());
  ASSERT_TRUE(stream);
  for (std::uint64_t n = 0; n < 4; ++n) ASSERT_TRUE((*stream)->send(n, {.app = 2, .body = {std::uint8_t(n)}}));
  s.backend.give_newest(4);
  heard.wait([&] { return heard.order.size() == 1; });
  s.backend.give_newest(3);
  heard.wait([&] { return heard.order.size() == 2; });
  EXPECT_EQ(heard.order, (std::vector<std::uint64_t>{3, 2}));
  stream->reset();
  EXPECT_TRUE(heard.ended);
  s.backend.give_newest(2);  // nobody is there for it
  s.backend.give_newest(1);
  EXPECT_EQ(heard.order.size(), 2u);
}

TEST(Grpc, a_stream_holds_as_many_open_as_its_limit_and_refuses_one_more) {
  Served s;
  s.backend.hold_answers = true;
  Heard heard;
  const auto stream = client::SubmitStream::open(s.address(), heard.callbacks());
  ASSERT_TRUE(stream);
  for (std::uint64_t n = 0; n < client::kStreamOpenMax; ++n)
    ASSERT_TRUE((*stream)->send(n, {.app = 2, .body = {1}})) << n;
  const Status more = (*stream)->send(client::kStreamOpenMax, {.app = 2, .body = {1}});
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().id(), "client.stream_full");
  s.backend.give_newest(client::kStreamOpenMax);
  heard.wait([&] { return heard.order.size() == 1; });
  EXPECT_TRUE((*stream)->send(client::kStreamOpenMax, {.app = 2, .body = {1}}));
}

TEST(Grpc, a_stream_takes_many_at_once_all_or_none) {
  Served s;
  Heard heard;
  const auto stream = client::SubmitStream::open(s.address(), heard.callbacks());
  ASSERT_TRUE(stream);
  std::vector<client::SubmitStream::Numbered> txs;
  for (std::uint64_t n = 0; n <= client::kStreamOpenMax; ++n)
    txs.push_back({.number = n, .tx = {.app = 2, .body = {std::uint8_t(n), std::uint8_t(n >> 8)}}});
  const Status more = (*stream)->send(txs);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().id(), "client.stream_full");
  txs.resize(2 * client::kSubmitBatchMax + 1);  // more than two messages
  ASSERT_TRUE((*stream)->send(txs));
  heard.wait([&] { return heard.order.size() == txs.size(); });
  EXPECT_EQ(heard.outcomes.size(), txs.size());
  EXPECT_TRUE((*stream)->send(std::span<const client::SubmitStream::Numbered>()));
}

TEST(Grpc, a_stream_ends_with_the_servers_reason) {
  Served s({.watches_max = 1});
  Heard first, second, third;
  auto taken = client::SubmitStream::open(s.address(), first.callbacks());
  ASSERT_TRUE(taken);
  ASSERT_TRUE((*taken)->send(1, {.app = 2, .body = {1}}));
  first.wait([&] { return first.order.size() == 1; });
  const auto refused = client::SubmitStream::open(s.address(), second.callbacks());
  second.wait([&] { return second.ended.has_value(); });
  EXPECT_EQ(second.ended->id(), "api.busy");
  EXPECT_EQ((*refused)->send(1, {.app = 2, .body = {1}}).error().id(), "client.unreachable");
  s.server->stop(0);
  first.wait([&] { return first.ended.has_value(); });
  EXPECT_EQ(first.ended->kind(), Kind::kUnavailable) << first.ended->str();
  EXPECT_EQ(client::SubmitStream::open(s.address(), third.callbacks()).error().id(), "client.unreachable");
}

TEST(Grpc, a_stream_refuses_bad_transactions_alone_and_messages_beyond_a_limit_whole) {
  Served s;
  const auto raw = hanse::node::v1::Node::NewStub(grpc::CreateChannel(s.address(), grpc::InsecureChannelCredentials()));
  namespace wire = hanse::node::v1;
  {
    grpc::ClientContext context;
    const auto call = raw->SubmitStream(&context);
    wire::SubmitStreamRequest request;
    auto* const bad = request.add_txs();
    bad->set_number(1);
    bad->mutable_tx()->set_app(256);
    auto* const large = request.add_txs();
    large->set_number(2);
    large->mutable_tx()->set_body(std::string(ledger::kTxBytesMax + 1, 'x'));
    auto* const good = request.add_txs();
    good->set_number(3);
    good->mutable_tx()->set_body("x");
    ASSERT_TRUE(call->Write(request));
    call->WritesDone();
    std::map<std::uint64_t, std::string> ids;
    for (wire::SubmitStreamReply reply; call->Read(&reply);)
      for (const auto& outcome : reply.outcomes()) ids[outcome.number()] = outcome.error().id();
    EXPECT_EQ(ids, (std::map<std::uint64_t, std::string>{{1, "api.bad_request"}, {2, "api.bad_request"}, {3, ""}}));
    EXPECT_TRUE(call->Finish().ok());
  }
  for (const std::size_t count : {std::size_t{0}, client::kSubmitBatchMax + 1}) {
    grpc::ClientContext context;
    const auto call = raw->SubmitStream(&context);
    wire::SubmitStreamRequest request;
    for (std::size_t i = 0; i < count; ++i) request.add_txs();
    call->Write(request);
    wire::SubmitStreamReply reply;
    EXPECT_FALSE(call->Read(&reply));
    EXPECT_EQ(call->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT) << count;
  }
}

TEST(Grpc, keeps_kind_id_message_code_path_and_context_of_an_error) {
  Served s;
  const auto r = s.connect()->submit({.app = 9, .body = {1}});
  ASSERT_FALSE(r);
  const Error& e = r.error();
  EXPECT_EQ(e.kind(), Kind::kConflict);
  EXPECT_EQ(e.id(), "gxf.nonce_reused");
  EXPECT_EQ(e.message(), "found nonce 4, expected more than 4");
  EXPECT_EQ(e.code(), 13u);
  EXPECT_EQ(e.path(), "nonce");
  EXPECT_EQ(e.context(), (std::vector<std::string>{"check job", "submit"}));
}

TEST(Grpc, moves_blobs_in_pieces) {
  Served s;
  const auto c = s.connect();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{256 * 1024}, std::size_t{3'000'001}}) {
    Bytes data(size);
    for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::uint8_t>(i * 31);
    const auto id = c->put_blob(data);
    ASSERT_TRUE(id) << id.error().str();
    EXPECT_TRUE(c->has_blob(*id).value());
    const auto back = c->get_blob(*id);
    ASSERT_TRUE(back) << back.error().str();
    EXPECT_EQ(*back, data);
  }
  EXPECT_FALSE(c->has_blob(BlobId{}).value());
  const auto absent = c->get_blob(BlobId{});
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().id(), "blob.absent");
}

TEST(Grpc, client_checks_a_blob_against_its_id) {
  Served s;
  const BlobId id = crypto::blob_id(as_bytes("true"));
  s.backend.blobs[id] = to_bytes("false");
  const auto r = s.connect()->get_blob(id);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().id(), "client.bad_reply");
  EXPECT_EQ(r.error().kind(), Kind::kCorrupt);
}

TEST(Grpc, refuses_one_byte_past_each_size_limit) {
  Served s;
  const auto c = s.connect({.deadline_ms = 60'000});
  Bytes blob(client::kBlobBytesMax);
  EXPECT_TRUE(c->put_blob(blob));
  blob.push_back(0);
  const auto over = c->put_blob(blob);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().id(), "client.too_large");
  s.backend.blobs[BlobId{}] = blob;
  const auto got = c->get_blob(BlobId{});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().id(), "client.too_large");

  EXPECT_TRUE(c->submit({.app = 2, .body = Bytes(ledger::kTxBytesMax)}));
  const auto tx = c->submit({.app = 2, .body = Bytes(ledger::kTxBytesMax + 1)});
  ASSERT_FALSE(tx);
  EXPECT_EQ(tx.error().id(), "api.bad_request");
  EXPECT_TRUE(c->query(1, std::string(kQueryPathBytesMax, 'p'), {}));
  EXPECT_FALSE(c->query(1, std::string(kQueryPathBytesMax + 1, 'p'), {}));
  const auto message = c->query(1, "p", Bytes(kMessageBytesMax));
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().id(), "client.rpc");
  EXPECT_EQ(message.error().kind(), Kind::kExhausted);
  const auto topic = c->watch({}, std::string(kTopicBytesMax + 1, 't'), [](const auto&) { return true; }, {});
  ASSERT_FALSE(topic);
  EXPECT_EQ(topic.error().id(), "api.bad_request");
}

TEST(Grpc, server_refuses_what_a_careful_client_would_not_send) {
  namespace wire = hanse::node::v1;
  Served s;
  const auto stub =
      wire::Node::NewStub(grpc::CreateChannel("unix:" + s.dir + "/api.sock", grpc::InsecureChannelCredentials()));
  grpc::ClientContext put;
  wire::PutBlobReply reply;
  const auto writer = stub->PutBlob(&put, &reply);
  wire::BlobPiece piece;
  piece.set_data(std::string(512 * 1024, 'x'));
  bool open = true;
  for (std::size_t sent = 0; open && sent <= client::kBlobBytesMax; sent += piece.data().size())
    open = writer->Write(piece);
  writer->WritesDone();
  EXPECT_EQ(writer->Finish().error_message(), "api.too_large");

  grpc::ClientContext has;
  wire::HasBlobRequest request;
  request.set_id("short");
  wire::HasBlobReply has_reply;
  EXPECT_EQ(stub->HasBlob(&has, request, &has_reply).error_message(), "api.bad_request");
  grpc::ClientContext submit;
  wire::SubmitRequest tx;
  tx.set_app(256);
  wire::SubmitReply submit_reply;
  EXPECT_EQ(stub->Submit(&submit, tx, &submit_reply).error_message(), "api.bad_request");
}

TEST(Grpc, watch_gives_past_and_coming_events_once_and_in_order) {
  Served s;
  s.backend.add_height({{.topic = "a.old", .data = {}}});
  s.backend.add_height({{.topic = "a.x", .data = {1}}, {.topic = "b.y", .data = {2}}, {.topic = "a.z", .data = {3}}});
  const auto c = s.connect();
  std::vector<int> seen;
  std::thread later;
  const Status ended = c->watch(Height{1}, "a.",
                                [&](const client::LedgerEvent& e) {
                                  seen.push_back(e.event.data.at(0));
                                  if (seen.size() == 2)
                                    later = std::thread([&] {
                                      s.backend.add_height({{.topic = "b.q", .data = {9}}});
                                      s.backend.add_height({{.topic = "a.w", .data = {4}}});
                                    });
                                  if (e.event.data[0] == 4) {
                                    EXPECT_EQ(e.height.value, 3u);
                                  }
                                  return seen.size() < 3;
                                },
                                {});
  later.join();
  EXPECT_TRUE(ended) << ended.error().str();
  EXPECT_EQ(seen, (std::vector<int>{1, 3, 4}));
}

TEST(Grpc, watch_ends_when_idle_says_so_and_when_the_node_stops) {
  Served s;
  const auto c = s.connect();
  int asked = 0;
  EXPECT_TRUE(c->watch({}, "", [](const auto&) { return true; }, [&] { return ++asked < 2; }));
  EXPECT_EQ(asked, 2);
  std::thread stopper;
  const Status lost = c->watch(
      {}, "", [](const auto&) { return true; },
      [&] {
        if (!stopper.joinable()) stopper = std::thread([&] { s.server->stop(2000); });
        return true;
      });
  stopper.join();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind(), Kind::kUnavailable) << lost.error().str();
  EXPECT_EQ(lost.error().id(), "api.closing");
}

TEST(Grpc, refuses_one_call_past_its_limit) {
  Served s({.socket = {}, .tcp = {}, .calls_max = 2});
  s.backend.block_info = true;
  const auto c = s.connect();
  std::thread first([&] { EXPECT_TRUE(c->info()); });
  std::thread second([&] { EXPECT_TRUE(c->info()); });
  s.backend.wait_for_waiting(2);
  const auto third = c->query(1, "p", {});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().id(), "api.busy");
  s.backend.release();
  first.join();
  second.join();
  EXPECT_TRUE(c->query(1, "p", {}));
}

TEST(Grpc, refuses_one_watch_past_its_limit_while_calls_go_on) {
  Served s({.socket = {}, .tcp = {}, .watches_max = 1});
  const auto c = s.connect();
  std::string refused;
  EXPECT_TRUE(c->watch(
      {}, "", [](const auto&) { return true; },
      [&] {
        const Status second = c->watch({}, "", [](const auto&) { return true; }, {});
        refused = second ? "accepted" : std::string(second.error().id());
        EXPECT_TRUE(c->info());
        return false;
      }));
  EXPECT_EQ(refused, "api.busy");
}

TEST(Grpc, client_repeats_a_call_while_the_node_is_not_ready) {
  Served s;
  s.backend.unavailable_first = 3;
  SeededRandom random(5, "retries");
  EXPECT_TRUE(s.connect({.random = &random})->submit({.app = 2, .body = {1}}));
  s.backend.unavailable_first = 1'000'000;
  const auto never = s.connect({.deadline_ms = 150})->submit({.app = 2, .body = {1}});
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().id(), "ledger.starting");
}

TEST(Grpc, client_outlives_a_restart_of_the_node) {
  Served s;
  const auto c = s.connect();
  ASSERT_TRUE(c->info());
  s.server->stop(0);
  std::thread restart([&] {
    auto again = GrpcServer::start(s.backend, {.socket = s.dir + "/api.sock", .tcp = {}});
    ASSERT_TRUE(again) << again.error().str();
    s.server = std::move(*again);
  });
  const auto info = c->info();
  restart.join();
  EXPECT_TRUE(info) << info.error().str();
}

TEST(Grpc, client_says_timeout_when_the_answer_does_not_come) {
  Served s;
  s.backend.block_info = true;
  const auto r = s.connect({.deadline_ms = 100})->info();
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().id(), "client.timeout");
  EXPECT_EQ(r.error().kind(), Kind::kTimeout);
  s.backend.release();
}

TEST(Grpc, client_says_at_once_that_nobody_listens) {
  const auto r = client::Client::connect("unix:" + temp_dir() + "/none.sock", {});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().id(), "client.unreachable");
  EXPECT_EQ(r.error().kind(), Kind::kUnavailable);
  for (const char* bad : {"10.0.0.1:5", "unix:", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:x", "example.org:1", ""}) {
    const auto c = client::Client::connect(bad, {});
    ASSERT_FALSE(c) << bad;
    EXPECT_EQ(c.error().id(), "client.bad_address") << bad;
  }
  EXPECT_FALSE(client::Client::connect("unix:/" + std::string(107, 'a'), {}));
}

TEST(Grpc, keeps_its_socket_private) {
  Served s;
  struct stat st{};
  ASSERT_EQ(::stat((s.dir + "/api.sock").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  const std::string open_dir = temp_dir();
  ASSERT_EQ(::chmod(open_dir.c_str(), 0755), 0);
  const auto r = GrpcServer::start(s.backend, {.socket = open_dir + "/api.sock", .tcp = {}});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().id(), "api.bad_socket_dir");
  const auto made = GrpcServer::start(s.backend, {.socket = s.dir + "/run/api.sock", .tcp = {}});
  ASSERT_TRUE(made) << made.error().str();
  ASSERT_EQ(::stat((s.dir + "/run").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0700u);
}

TEST(Grpc, never_takes_the_socket_or_port_of_another) {
  Served s({.socket = {}, .tcp = "127.0.0.1:0"});
  ASSERT_NE(s.server->tcp_port(), 0);
  const auto same = GrpcServer::start(s.backend, {.socket = s.dir + "/api.sock", .tcp = {}});
  ASSERT_FALSE(same);
  EXPECT_EQ(same.error().id(), "api.port_in_use");
  const auto port = GrpcServer::start(
      s.backend, {.socket = s.dir + "/other.sock", .tcp = text("127.0.0.1:{}", s.server->tcp_port())});
  ASSERT_FALSE(port);
  EXPECT_EQ(port.error().id(), "api.port_in_use");
  EXPECT_EQ(port.error().kind(), Kind::kConflict);
  std::ofstream(s.dir + "/file.sock") << "mine";
  const auto file = GrpcServer::start(s.backend, {.socket = s.dir + "/file.sock", .tcp = {}});
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().id(), "api.port_in_use");
  const auto tcp = client::Client::connect(text("127.0.0.1:{}", s.server->tcp_port()), {});
  ASSERT_TRUE(tcp);
  EXPECT_TRUE((*tcp)->info());
}

TEST(Grpc, removes_a_socket_that_a_killed_node_left) {
  const std::string dir = temp_dir();
  const std::string path = dir + "/api.sock";
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  path.copy(un.sun_path, sizeof un.sun_path - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&un), sizeof un), 0);
  ::close(fd);
  HandBackend backend;
  const auto server = GrpcServer::start(backend, {.socket = path, .tcp = {}});
  ASSERT_TRUE(server) << server.error().str();
  (*server)->stop(0);
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace hanse::api
