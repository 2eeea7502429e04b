"""Stakes through the command line: who stands behind validators changes, and with it who votes."""
import json
import os
import select
import socket
import subprocess
import unittest

from lab import BIN, Lab, run


class Stake(Lab):
    def network(self, validators):
        net = self.path("net")
        self.addCleanup(run, "hanse", "down", "--dir", net)
        self.ok("hanse", "up", "--dir", net, "--validators", validators, "--providers", 0, "--stakes", "--detach")
        return net

    def stake(self, verb, net, *args):
        wallet = [] if verb == "show" else ["--wallet", os.path.join(net, "wallet.json")]
        return self.ok("hanse", "stake", verb, "--dir", net, *wallet, *args)

    def test_an_account_bonds_shows_and_leaves(self):
        net = self.network(4)
        members = self.stake("show", net)["members"]
        self.assertEqual([m["stake_ut"] for m in members], [1_000_000] * 4)
        self.assertEqual({m["owner"] for m in members}, {m["validator"] for m in members})
        refused = ["hanse", "stake", "bond", "--dir", net, "--wallet", os.path.join(net, "wallet.json")]
        self.refused(2, "stake.amount", *refused, "--amount", 999_999)
        self.refused(2, "cli.number", *refused, "--amount", 0)
        joined = self.stake("bond", net, "--amount", 1_000_000, "--address", "127.0.0.1:9")
        self.assertEqual((joined["stake_ut"], joined["address"], joined["leaving"]), (1_000_000, "127.0.0.1:9", False))
        self.assertGreaterEqual(joined["number"], 128)
        self.assertEqual(self.stake("bond", net, "--amount", 500_000)["stake_ut"], 1_500_000)
        less = self.stake("unbond", net, "--amount", 200_000)
        self.assertEqual(less["stake_ut"], 1_300_000)
        self.assertEqual([r["amount_ut"] for r in less["returns"]], [200_000])
        own = self.stake("show", net, "--account", joined["owner"])["members"]
        self.assertEqual(own, [{k: v for k, v in less.items() if k != "height"}])
        self.refused(2, "cli.usage", "hanse", "stake", "unbond", "--dir", net, "--all", "--amount", 1)
        self.refused(2, "stake.amount", "hanse", "stake", "unbond", "--dir", net, "--wallet",
                     os.path.join(net, "wallet.json"), "--amount", 2_000_000)
        left = self.stake("unbond", net, "--all")
        self.assertTrue(left["leaving"])
        self.assertEqual(sum(r["amount_ut"] for r in left["returns"]), 1_500_000)
        other = self.path("other.json")
        self.ok("hanse", "keygen", "--out", other, "--unencrypted")
        self.refused(1, "stake.no_member", "hanse", "stake", "unbond", "--dir", net, "--wallet", other, "--amount", 1)

    def test_a_node_joins_with_the_number_of_its_stake(self):
        net = self.network(4)
        with socket.socket(type=socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        joined = self.stake("bond", net, "--amount", 1_000_000, "--address", address)
        peers = [f"{m['owner']}@{m['address']}" for m in self.stake("show", net)["members"] if m["number"] < 128]
        self.assertEqual(len(peers), 4)
        os.mkdir(os.path.join(net, "joiner"), 0o700)
        config = self.write("net/joiner/node.toml", f"""
[identity]
key = "{net}/wallet.json"
allow_unencrypted = true
[network]
genesis = "{net}/genesis.cbor"
[consensus]
listen = "{address}"
number = {joined["number"]}
peers = {json.dumps(peers)}
""")
        with open(self.path("joiner.log"), "w", encoding="utf-8") as log:
            node = subprocess.Popen([os.path.join(BIN, "hansed"), "--config", config], stdout=log, stderr=log)
        self.addCleanup(node.wait)
        self.addCleanup(node.kill)
        health = {}
        for _ in range(600):
            done = run("hanse", "node", "health", "--node", f"unix:{net}/joiner/api.sock", "--json")
            health = json.loads(done.stdout)
            if health.get("validators") == 5 and health["ready"]:
                return
            select.select([], [], [], 0.1)
        with open(self.path("joiner.log"), encoding="utf-8") as log:
            self.fail(f"after a minute: {health}\n{log.read()}")


if __name__ == "__main__":
    unittest.main()
