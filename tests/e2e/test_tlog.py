"""The transparency log from the command line: appended, proved, cosigned, followed, forked.

It is read by a reader written here from the specifications, by OpenSSL, and by Go's sumdb where Go and golang.org/x/mod
are installed (a peer for both directions; HANSE_GOPATH names another GOPATH than Debian's).
"""
import base64
import hashlib
import json
import os
import shutil
import struct
import subprocess
import unittest

from lab import Lab, run

HERE = os.path.dirname(os.path.abspath(__file__))
GOPATH = os.environ.get("HANSE_GOPATH", "/usr/share/gocode")
SPKI = {1: bytes.fromhex("302a300506032b6570032100"), 4: bytes.fromhex("302a300506032b6570032100"),
        6: bytes.fromhex("30820532300b06096086480165030403110382052100")}


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root_of(leaves):
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return sha()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha(b"\1", root_of(leaves[:k]), root_of(leaves[k:]))


def index_path(n):
    parts = [f"{n % 1000:03}"]
    while n >= 1000:
        n //= 1000
        parts.insert(0, f"x{n % 1000:03}")
    return "/".join(parts)


class Reader:
    """A log of somebody else's, by its files and the text of the specifications."""

    def __init__(self, case, www, vkeys):
        self.case, self.www = case, www
        self.keys = {}
        for line in vkeys:
            name, key_id, key = line.split("+", 2)
            key = base64.b64decode(key)
            case.assertEqual(key_id, sha(name.encode(), b"\n", key)[:4].hex())
            self.keys[name, key_id] = (key[0], key[1:])

    def file(self, name):
        with open(os.path.join(self.www, name), "rb") as f:
            return f.read()

    def message(self, kind, name, text, time):
        if kind == 1:
            return text
        if kind == 4:
            return b"cosignature/v1\ntime %d\n" % time + text
        origin, size, root = text.split(b"\n")[:3]
        name = name.encode()
        return (b"subtree/v1\n\0" + bytes([len(name)]) + name + struct.pack(">Q", time) + bytes([len(origin)]) +
                origin + struct.pack(">QQ", 0, int(size)) + base64.b64decode(root))

    def verified(self, note):
        """The kinds of signatures that OpenSSL finds good, of keys known."""
        text, lines = note[:note.rindex(b"\n\n") + 1], note[note.rindex(b"\n\n") + 2:]
        good = []
        for line in lines.decode().splitlines():
            dash, name, data = line.split(" ")
            self.case.assertEqual(dash, "\u2014")
            data = base64.b64decode(data)
            if (name, data[:4].hex()) not in self.keys:
                continue
            kind, key = self.keys[name, data[:4].hex()]
            signature = data[4:] if kind == 1 else data[12:]
            time = 0 if kind == 1 else struct.unpack(">Q", data[4:12])[0]
            self.case.write("k.der", SPKI[kind] + key)
            self.case.write("m", self.message(kind, name, text, time))
            self.case.write("s", signature)
            done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin", "-inkey",
                                   self.case.path("k.der"), "-in", self.case.path("m"), "-sigfile",
                                   self.case.path("s")], capture_output=True, text=True, check=False)
            self.case.assertEqual(done.returncode, 0, f"kind {kind}: {done.stdout}{done.stderr}")
            good.append(kind)
        return good

    def entries(self, size):
        out = []
        for n in range((size + 255) // 256):
            width = min(256, size - 256 * n)
            suffix = "" if width == 256 else f".p/{width}"
            data, leaves, at = self.file(f"tile/entries/{index_path(n)}{suffix}"), b"", 0
            for _ in range(width):
                length = struct.unpack_from(">H", data, at)[0]
                out.append(data[at + 2:at + 2 + length])
                leaves += sha(b"\0", out[-1])
                at += 2 + length
            self.case.assertEqual(at, len(data))
            self.case.assertEqual(self.file(f"tile/0/{index_path(n)}{suffix}"), leaves)
        return out

    def check(self):
        note = self.file("checkpoint")
        kinds = self.verified(note)
        _, size, root = note.decode().split("\n")[:3]
        leaves = [sha(b"\0", e) for e in self.entries(int(size))]
        self.case.assertEqual(base64.b64decode(root), root_of(leaves))
        for level in range(1, 3):
            full = len(leaves) // 256**level
            hashes = [root_of(leaves[i * 256**level:(i + 1) * 256**level]) for i in range(full)]
            for n in range((full + 255) // 256):
                tile = hashes[256 * n:256 * n + 256]
                suffix = "" if len(tile) == 256 else f".p/{len(tile)}"
                self.case.assertEqual(self.file(f"tile/{level}/{index_path(n)}{suffix}"), b"".join(tile))
        return int(size), kinds


class LogLab(Lab):
    def log(self, name="log", origin="log.example/e2e", *more):
        made = self.ok("hanse", "attest", "log", "init", "--dir", self.path(name), "--origin", origin, *more)
        return self.path(name), made["vkeys"]

    def append(self, folder, lines):
        return self.ok("hanse", "attest", "log", "append", "--dir", folder, "--lines",
                       self.write("lines", "".join(f"{line}\n" for line in lines)))


class Tlog(LogLab):
    def test_what_is_appended_reads_by_the_specifications(self):
        folder, vkeys = self.log()
        reader = Reader(self, os.path.join(folder, "www"), vkeys)
        self.assertEqual(reader.check(), (0, [1, 6]))
        for first, last in ((0, 1), (1, 200), (200, 256), (256, 700)):
            added = self.append(folder, [f"entry {n}" for n in range(first, last)])
            self.assertEqual([e["index"] for e in added["entries"]], list(range(first, last)))
            self.assertEqual(reader.check(), (last, [1, 6]))
        again = self.append(folder, ["entry 3", "entry 700"])
        self.assertEqual([(e["index"], e["known"]) for e in again["entries"]], [(3, True), (700, False)])
        self.assertEqual(os.stat(os.path.join(folder, "www/tile/0/000")).st_mode & 0o777, 0o644)
        self.assertEqual(os.stat(os.path.join(folder, "key")).st_mode & 0o777, 0o600)

    def test_a_proof_holds_offline_for_its_entry_and_enough_witnesses(self):
        folder, vkeys = self.log()
        entry = self.write("release.json", '{"version": 1}')
        self.append(folder, [f"entry {n}" for n in range(300)])
        index = self.ok("hanse", "attest", "log", "append", "--dir", folder, entry)["entries"][0]["index"]
        witnesses, sigs = [], []
        for name in ("w1.example", "w2.example"):
            done = self.ok("hanse", "attest", "log", "witness", "--state", self.path(name), "--name", name, "--dir",
                           folder, "--out", self.path(name + ".sig"))
            self.assertEqual((done["status"], done["size"]), (200, 301))
            with open(self.path(name, "vkeys"), encoding="utf-8") as f:
                witnesses.append(f.read().split())
            sigs += ["--cosignatures", self.path(name + ".sig")]
        proof = self.path("release.tlog-proof")
        self.ok("hanse", "attest", "log", "proof", "--dir", folder, "--index", index, "--out", proof, *sigs)
        both = ["--witness", witnesses[0][0], "--witness", witnesses[1][1]]  # Ed25519 of one, ML-DSA-44 of the other
        verify = ["hanse", "attest", "log", "verify", proof, "--vkey", vkeys[1]]
        shown = self.ok(*verify, "--entry", entry, *both, "--witnesses-min", 2)
        self.assertEqual((shown["index"], shown["size"], shown["witnesses"]), (300, 301, ["w1.example", "w2.example"]))
        self.refused(4, "tlog.witnesses", *verify, "--entry", entry, *both[:2], "--witnesses-min", 2)
        self.refused(5, "tlog.proof", *verify, "--entry", self.write("other", "{}"))
        stranger = self.log("stranger", "log.example/e2e")[1][0]  # the same name under another key
        self.refused(4, "tlog.unsigned", *verify[:5], "--entry", entry, "--vkey", stranger)
        self.refused(4, "tlog.wrong_origin", *verify, "--entry", entry, "--origin", "log.example/other")
        with open(proof, "rb") as f:
            note = f.read().split(b"\n\n", 1)[1]
        kinds = Reader(self, "", vkeys + witnesses[0] + witnesses[1]).verified(note)
        self.assertEqual(sorted(kinds), [1, 4, 4, 6, 6, 6])

    def test_a_witness_refuses_what_does_not_continue_and_says_its_size(self):
        folder, _ = self.log()
        self.append(folder, ["a", "b", "c"])
        witness = ["hanse", "attest", "log", "witness", "--state", self.path("w"), "--dir", folder]
        self.refused(2, "tlog.no_source", *witness)
        self.ok(*witness, "--name", "w.example")
        self.append(folder, ["d"])
        self.assertEqual(self.ok(*witness)["size"], 4)
        with open(os.path.join(folder, "www/checkpoint"), encoding="utf-8") as f:
            note = f.read()
        for old, status, body in ((0, 409, "4\n"), (3, 409, "4\n"), (5, 400, None)):
            request = self.write("request", f"old {old}\n\n{note}")
            done = run(*witness, "--request", request, "--json")
            self.assertEqual(done.returncode, 1)
            answer = json.loads(done.stdout)
            self.assertEqual((answer["status"], answer["size"]), (status, 4))
            if body:
                self.assertEqual((answer["body"], answer["content_type"]), (body, "text/x.tlog.size"))
        self.assertEqual(self.ok(*witness, "--request", self.write("request", f"old 4\n\n{note}"))["status"], 200)

    def test_a_store_put_back_is_not_signed_again(self):
        folder, _ = self.log()
        self.append(folder, ["a"])
        shutil.copytree(os.path.join(folder, "store"), self.path("old"))
        self.append(folder, ["b"])
        shutil.rmtree(os.path.join(folder, "store"))
        shutil.copytree(self.path("old"), os.path.join(folder, "store"))
        self.refused(5, "tlog.rollback", "hanse", "attest", "log", "append", "--dir", folder, self.write("c", "c"))

    def test_a_fork_is_seen_and_its_evidence_convinces_others(self):
        folder, vkeys = self.log()
        self.append(folder, ["a", "b", "c"])
        shutil.copytree(folder, self.path("fork"))  # the same keys, two futures
        watch = ["hanse", "attest", "log", "watch", "--state", self.path("seen"), "--entries", "--vkey", vkeys[0]]
        self.append(folder, ["d", "e"])
        self.assertEqual(self.ok(*watch, "--www", os.path.join(folder, "www"))["seen"], "first")
        self.append(folder, ["f"])
        seen = self.ok(*watch, "--www", os.path.join(folder, "www"))
        self.assertEqual((seen["seen"], seen["entries"]), ("grown", 1))
        self.append(self.path("fork"), [f"other {n}" for n in range(9)])
        done = run(*watch, "--www", self.path("fork/www"), "--evidence", self.path("fork.json"), "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["seen"]), (1, "fork"), done.stdout + done.stderr)
        verify = ["hanse", "attest", "log", "verify", "--evidence", self.path("fork.json")]
        self.assertTrue(self.ok(*verify, "--vkey", vkeys[0])["fork"])
        with open(self.path("fork.json"), encoding="utf-8") as f:
            evidence = json.load(f)
        evidence["smaller"] = evidence["larger"]
        self.write("fork.json", json.dumps(evidence))
        self.refused(5, "tlog.evidence", *verify, "--vkey", vkeys[0])

    def test_refusals_and_helps(self):
        folder, _ = self.log("log", "log.example/small", "--ed25519-only")
        self.refused(1, "tlog.exists", "hanse", "attest", "log", "init", "--dir", folder, "--origin", "x")
        self.refused(2, "tlog.key", "hanse", "attest", "log", "init", "--dir", self.path("n"), "--origin", "a b")
        append = ["hanse", "attest", "log", "append", "--dir", folder]
        self.refused(2, "tlog.entry_size", *append, self.write("big", "x" * 65_536))
        self.assertEqual(self.ok(*append, self.write("fits", "x" * 65_535))["size"], 1)
        self.refused(2, "cli.usage", *append)
        self.refused(2, "tlog.no_source", "hanse", "attest", "log", "checkpoint")
        self.refused(2, "tlog.key", "hanse", "attest", "log", "verify", "--vkey", "x")
        self.refused(2, "crypto.merkle_range", "hanse", "attest", "log", "proof", "--dir", folder, "--index", 1,
                     "--out", self.path("p"))
        shown = self.ok("hanse", "attest", "log", "checkpoint", "--dir", folder)
        self.assertEqual(shown["note"].count("\u2014"), 1)
        for verb in ("init", "append", "checkpoint", "proof", "verify", "witness", "watch"):
            done = run("hanse", "attest", "log", verb, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"hanse attest log {verb}", done.stdout)
            self.assertIn("--json", done.stdout)

    def test_a_key_with_a_passphrase_is_needed_to_append(self):
        phrase = ("--passphrase-file", self.write("phrase", "correct horse\n"))
        folder, _ = self.log("log", "log.example/locked", *phrase)
        append = ["hanse", "attest", "log", "append", "--dir", folder, self.write("e", "entry")]
        self.assertEqual(run(*append).returncode, 4)
        self.assertEqual(self.ok(*append, *phrase)["size"], 1)


@unittest.skipUnless(shutil.which("go") and os.path.isdir(os.path.join(GOPATH, "src/golang.org/x/mod/sumdb/tlog")),
                     "no Go compiler, or no golang-golang-x-mod-dev: Go's sumdb was not asked")
class GoPeer(LogLab):
    def setUp(self):
        super().setUp()
        self.peer = self.path("tlog_peer")
        env = dict(os.environ, GO111MODULE="off", GOPATH=GOPATH, GOFLAGS="")
        subprocess.run(["go", "build", "-o", self.peer, os.path.join(HERE, "tlog_peer.go")], check=True, env=env)

    def go(self, *args):
        done = subprocess.run([self.peer, *map(str, args)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_go_reads_our_logs_and_proofs(self):
        folder, vkeys = self.log()
        www = os.path.join(folder, "www")
        for first, last in ((0, 5), (5, 256), (256, 777)):
            self.append(folder, [f"entry {n}" for n in range(first, last)])
            self.assertEqual(self.go("read", www, vkeys[0]), str(last))
        for index in (0, 255, 256, 776):
            proof = self.path("p")
            self.ok("hanse", "attest", "log", "proof", "--dir", folder, "--index", index, "--out", proof)
            self.go("read", www, vkeys[0], proof, self.write("e", f"entry {index}"))

    def test_we_read_and_follow_logs_of_go_and_see_them_fork(self):
        www, state, name = self.path("www"), self.path("seen"), "log.example/go"
        watch = ["hanse", "attest", "log", "watch", "--state", state, "--entries"]
        for size, seen in ((1, "first"), (256, "grown"), (70_000, "grown")):
            vkey = self.go("write", www, name, size, "")
            shown = self.ok(*watch, "--www", www, "--vkey", vkey)
            self.assertEqual((shown["seen"], shown["size"]), (seen, size))
        source = ["--www", www, "--vkey", vkey]
        witness = ["hanse", "attest", "log", "witness", "--state", self.path("w"), "--name", "w.example"]
        self.assertEqual(self.ok(*witness, *source)["status"], 200)
        self.go("write", www, name, 70_500, "salt")  # in an entry of the middle
        done = run(*watch, *source, "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["seen"]), (1, "fork"), done.stdout + done.stderr)
        evidence = ["--evidence", state + ".fork.json", *source[2:]]
        self.assertTrue(self.ok("hanse", "attest", "log", "verify", *evidence)["fork"])
        refused = run(*witness, *source, "--json")
        self.assertEqual((refused.returncode, json.loads(refused.stdout)["status"]), (1, 422))


if __name__ == "__main__":
    unittest.main()
