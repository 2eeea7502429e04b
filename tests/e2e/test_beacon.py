"""The beacon of a real network, and the delay function against Python's own exponentiation."""
import hashlib
import os
import time
import unittest

from lab import Lab, run

# RSA-2048, and BLAKE3("hanse/vdf-modulus/1", N).
N = int(
    "2519590847565789349402718324004839857142928212620403202777713783604366202070759555626401852588078440"
    "6918290641249515082189298559149176184502808489120072844992687392807287776735971418347270261896375014"
    "9718246911650776133798590957000973304597488084284017974291006424586918171951187461215151726546322822"
    "1686998754918242243363725908514186546204357679842338718477444792073993423658482382428119816381501067"
    "4810451660377306056201619676256133844143603833904414952634432190114657544454178424020924616515723350"
    "7787077498171257724679629263863563732899121548314381678998850404453640235273819513786365643912120103"
    "97122822120720357")
N_ID = "1b15876ad1d40ad45af0ff44908205f9c72d4182fdbb01e4588bd70ed9774bf9"


def canon(a):
    return min(a, N - a)


def delay_input(seed):
    wide = hashlib.shake_256(b"hanse/vdf/x" + bytes.fromhex(N_ID) + seed).digest(288)
    return canon(int.from_bytes(wide, "big") % N)


class Beacon(Lab):
    def test_the_delay_is_what_python_computes(self):
        for number, steps in enumerate([1, 7, 8, 9, 263, 264, 265, 1000, 4099, 20000]):
            seed = hashlib.sha256(b"%d" % number).digest()
            made = self.ok("hanse", "vdf", "eval", seed.hex(), "--steps", steps)
            x = delay_input(seed)
            self.assertEqual(int(made["y"], 16), canon(pow(x, 1 << steps, N)), steps)
            proof = ["--steps", steps, "--y", made["y"], "--pi", made["pi"]]
            self.assertEqual(self.ok("hanse", "vdf", "verify", seed.hex(), *proof)["output"], made["output"])
            other = ["--steps", steps + 1, "--y", made["y"], "--pi", made["pi"]]
            wrong = run("hanse", "vdf", "verify", seed.hex(), *other)
            self.assertEqual(wrong.returncode, 1, wrong.stdout)
            self.assertIn("not proved", wrong.stdout)
        self.refused(2, "cli.usage", "hanse", "vdf", "eval", "abc", "--steps", 1)
        self.refused(2, "crypto.vdf_steps", "hanse", "vdf", "eval", "00" * 32, "--steps", 0)

    def test_four_validators_make_values_that_anybody_can_check(self):
        net = self.path("net")
        self.addCleanup(run, "hanse", "down", "--dir", net)
        self.refused(2, "cli.number", "hanse", "up", "--dir", net, "--beacon", 999, "--detach")
        self.ok("hanse", "up", "--dir", net, "--validators", 4, "--providers", 0, "--beacon", 1500, "--detach")
        end = time.monotonic() + 120
        while run("hanse", "beacon", "show", "--dir", net).returncode != 0:
            self.assertLess(time.monotonic(), end)
        shown = self.ok("hanse", "beacon", "show", "--dir", net)
        last = shown["last"]
        self.assertEqual(last["contributors"] + last["missing"], 4)
        self.assertGreater(last["contributors"], 0)
        again = self.ok("hanse", "beacon", "show", "--dir", net, "--round", last["round"])
        self.assertEqual(again, last)
        other = self.ok("hanse", "beacon", "show", "--node", f"unix:{os.path.join(net, 'validator-3', 'api.sock')}")
        self.assertGreaterEqual(other["last"]["round"], last["round"])
        made = self.ok("hanse", "vdf", "eval", last["seed"], "--steps", shown["steps"])
        x = delay_input(bytes.fromhex(last["seed"]))
        self.assertEqual(int(made["y"], 16), canon(pow(x, 1 << shown["steps"], N)))
        self.refused(1, "beacon.no_round", "hanse", "beacon", "show", "--dir", net, "--round", 1)


if __name__ == "__main__":
    unittest.main()
