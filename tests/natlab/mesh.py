"""Real nodes in the lab: hansed with the role mesh in the namespace of a host, and `hanse mesh` beside it."""
import json
import os
import socket
import subprocess
import time

from lab import BIN, receive

NETWORK = "7" * 64
PORT = 12000


class MeshNode:
    """One hansed. `known` are other MeshNodes, by their public addresses; `settings` are further keys of [mesh]."""

    def __init__(self, lab, host, folder, known=(), **settings):
        self.lab, self.host, self.folder = lab, host, folder
        os.makedirs(folder, mode=0o700)
        made = subprocess.run([os.path.join(BIN, "hanse"), "node", "keygen", "--unencrypted", "--json", "--out",
                               os.path.join(folder, "key.json")], capture_output=True, text=True, check=True)
        self.id = json.loads(made.stdout)["account"]
        self.log = os.path.join(folder, "log")
        self.configure(known, **settings)
        self.process = None

    def configure(self, known=(), **settings):
        values = {"bind_address": f"0.0.0.0:{PORT},[::]:{PORT}", "health_address": "", "network": NETWORK,
                  "known_peers": [f"{k.id}@{self.address_of(k)}:{PORT}" for k in known], **settings}
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        with open(os.path.join(self.folder, "node.toml"), "w", encoding="utf-8") as f:
            f.write('[identity]\nallow_unencrypted = true\n[roles]\nenabled = ["mesh"]\n[logging]\nfile = "log"\n'
                    f"[mesh]\n{text}")

    def address_of(self, other):
        """Where this one reaches a public one."""
        if ":" not in self.host.address:
            return other.host.public_address
        return next(f"[{a}]" for a in other.host.addresses if ":" in a)

    def start(self):
        self.begin()
        return self.await_ready()

    def begin(self):
        self.process = self.host.start("hansed", "--config", os.path.join(self.folder, "node.toml"),
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       text=True)

    def await_ready(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"hansed did not start: {self.process.stderr.read()}")
        return self

    def stop(self):
        return self.lab.end(self.process, 20)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def mesh(self, verb, *args):
        """(exit code, what `hanse mesh VERB --json` printed)"""
        done = subprocess.run([os.path.join(BIN, "hanse"), "mesh", verb, *map(str, args), "--json", "--socket",
                               os.path.join(self.folder, "mesh.sock")], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
        return done.returncode, json.loads(done.stdout)

    def ask(self, what, **request):
        """The same through the socket, for what is asked often."""
        answers = list(self.follow(what, **request))
        if "error" in answers[-1]:
            raise RuntimeError(answers[-1]["error"])
        return answers[-1]["ok"]

    def follow(self, what, **request):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.folder, "mesh.sock"))
            s.sendall(json.dumps({"do": what, **request}).encode() + b"\n")
            with s.makefile() as lines:
                for line in lines:
                    yield json.loads(line)

    def path_to(self, peer):
        """The path to a peer, or None."""
        try:
            return self.ask("paths", peer=peer.id)["paths"][0]
        except RuntimeError:
            return None

    def settled(self):
        """Its NAT is known (with IPv6 there is none to ask for), and it has a place at a relay."""
        nat = self.ask("nat")
        return bool(nat["relays"] and (":" in self.host.address or nat["known"] and nat["udp"]))


def wait_for(what, seconds, why):
    """Seconds until what() is true; ends the test when it does not become so."""
    began = time.monotonic()
    pause = socket.socketpair()  # nobody writes to it
    try:
        while not what():
            if time.monotonic() - began > seconds:
                raise AssertionError(f"not within {seconds} s: {why}")
            receive(pause[0], 0.02)
    finally:
        for end in pause:
            end.close()
    return time.monotonic() - began
