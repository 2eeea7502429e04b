// A chain for the tests of backups: transfers, an application that hands the validators over, certificates of some
// blocks only, and the headers and cuts it came through. Not for programs.
#pragma once

#include <csignal>

#include "base/core/check.h"
#include "base/core/text.h"
#include "chain/ledger/test_net.h"

namespace hanse::backup {

constexpr std::uint8_t kRotateApp = 9;

// Names another single validator at the end of every second epoch.
class RotateApp final : public ledger::App {
 public:
  std::uint8_t number() const override { return kRotateApp; }
  std::string_view name() const override { return "rotate"; }
  Status genesis(ByteView, const NetworkId&, ledger::State&) override { return {}; }
  Status check(const ledger::Tx&, const ledger::BlockContext&, const ledger::StateReader&) const override { return {}; }
  Status begin(const ledger::BlockContext& context, ledger::State& state) override {
    Bytes value;
    append_be(value, context.epoch);
    value.push_back(context.epoch_end ? 1 : 0);
    append(value, context.beacon.view());
    state.put(as_bytes("rotate/seen"), value);
    return {};
  }
  ledger::TxResult apply(const ledger::Tx&, const ledger::BlockContext&, ledger::State&) override { return {}; }
  Result<ledger::EndResult> end(const ledger::BlockContext& context, ledger::State&) override {
    ledger::EndResult out;
    if (context.epoch_end && context.epoch % 2 == 1) out.next_set = set_of(context.epoch + 1);
    return out;
  }
  Result<Bytes> query(std::string_view, ByteView, const ledger::StateReader&) const override { return Bytes{}; }

  static crypto::SecretKey key_of(std::uint64_t epoch) {
    return ledger::TestNet::key(static_cast<std::uint8_t>(200 + epoch / 2));
  }
  static light::ValidatorSet set_of(std::uint64_t epoch) {
    return light::ValidatorSet{{{.key = key_of(epoch).public_key(), .power_bp = 10'000}}};
  }
};

struct Apps {
  std::unique_ptr<ledger::App> accounts = ledger::make_accounts_app();
  RotateApp rotate;
  std::vector<ledger::App*> list{accounts.get(), &rotate};
};

struct World {
  ledger::TempDir dir;
  ledger::TestNet net;
  light::Genesis genesis;
  Apps apps;
  std::unique_ptr<ledger::Ledger> ledger;
  std::vector<light::BlockHeader> headers;
  std::vector<ledger::Cut> cuts{{}};  // by height; that of genesis is empty
  std::int64_t time_ms = 1'000;
  std::uint64_t nonce = 0;

  explicit World(const std::string& base, const std::string& name = "test") : dir(base), genesis(net.genesis) {
    genesis.name = name;
    genesis.apps[kRotateApp] = {};
    net.genesis = genesis;
    auto opened = ledger::Ledger::open(dir.path() + "/store", genesis, apps.list, {});
    check(opened.has_value(), "the ledger opens");
    ledger = std::move(*opened);
    headers.push_back(ledger->tip().header);
  }

  ledger::Tx transfer() { return net.transfer(0, net.user(1), 1 + nonce, nonce); }

  // Every fourth block ends an epoch; handovers are certified, and so is every second block.
  void blocks(int count, bool with_txs = true) {
    for (int i = 0; i < count; ++i) {
      const Height height = ledger->tip().header.height.plus(1);
      ledger::Cut cut{.height = height, .time_ms = time_ms += 1'000, .leader = net.user(0), .txs = {}};
      cut.epoch = ledger->epoch();
      store_be(cut.id.span().data(), height.value);
      cut.epoch_end = height.value % 4 == 0;
      if (with_txs && height.value % 3 != 0) {
        cut.txs.push_back(transfer());
        ++nonce;
        cut.txs.push_back(cut.txs.front());  // the second one is left out by the ledger
      }
      const auto executed = ledger->execute(cut);
      check(executed.has_value(), "the cut is executed");
      check(ledger->commit(*executed).has_value(), "the block is written");
      headers.push_back(executed->header);
      cuts.push_back(cut);
      if (with_txs) certify(executed->header);
    }
  }
  void empty_blocks(std::size_t count) { blocks(static_cast<int>(count), false); }

  void certify(const light::BlockHeader& header) {
    light::Certificate certificate;
    certificate.attests.push_back(
        {.validator = 0, .signature = light::sign_header(header, RotateApp::key_of(header.epoch))});
    check(ledger->certify(header.height, std::move(certificate)).has_value(), "the certificate is kept");
  }
};

// The real file system, fuller than it is.
class FullFs : public Fs {
 public:
  std::uint64_t free = 100;
  int writes_left = 1'000'000;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    if (mode == OpenMode::kCreate && --writes_left < 0)
      return fail(Kind::kExhausted, "core.fs_full", text("create {}: no space left", path));
    return real_fs().open(path, mode);
  }
  Status mkdir(const std::string& path) override { return real_fs().mkdir(path); }
  Status sync_dir(const std::string& path) override { return real_fs().sync_dir(path); }
  Status rename(const std::string& from, const std::string& to) override { return real_fs().rename(from, to); }
  Status unlink(const std::string& path) override { return real_fs().unlink(path); }
  Result<bool> exists(const std::string& path) override { return real_fs().exists(path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return real_fs().list(path); }
  Result<std::uint64_t> free_bytes(const std::string&) override { return free; }
};

// Kills the process before the n-th change of a folder, or where the owner counts.
class KillFs final : public FullFs {
 public:
  int left = 0;
  void count() {
    if (--left == 0) (void)::kill(::getpid(), SIGKILL);
  }
  Status mkdir(const std::string& path) override { return count(), FullFs::mkdir(path); }
  Status sync_dir(const std::string& path) override { return count(), FullFs::sync_dir(path); }
  Status rename(const std::string& from, const std::string& to) override { return count(), FullFs::rename(from, to); }
  Result<std::uint64_t> free_bytes(const std::string&) override { return ~std::uint64_t{0}; }
};

}  // namespace hanse::backup
