#!/usr/bin/env python3
"""One stream goes on while its path changes: relay, direct, direct path silent, relay again, another home.

Both nodes are behind moderate NATs on lines of 60 Mbit/s and 10 ms. The bytes that arrive are counted every few
milliseconds at the receiver, so that every change has its own stall. $HANSE_NATLAB_MB: megabytes sent (default 200).
"""
import os
import shutil
import sys
import tempfile
import threading
import time
import unittest

from lab import SKIPPED, Lab, what_is_missing
from mesh import MeshNode, wait_for

LINE = ["rate 60mbit", "queue 256k", "delay 10ms"]
BYTES = int(os.environ.get("HANSE_NATLAB_MB", "200")) * 1_000_000


class Meter(threading.Thread):
    """Reads how much a node has got from a peer, all the time."""

    def __init__(self, node, peer):
        super().__init__(daemon=True)
        self.node, self.peer, self.samples, self.over = node, peer, [], False
        self.start()

    def run(self):
        while not self.over:
            path = self.node.path_to(self.peer)
            if path:
                self.samples.append((time.monotonic(), path["bytes_in"], path["path"]))

    def longest_stall_s(self, since, until):
        """The longest time without a data packet more in a stretch of time."""
        last_t, last_bytes, longest = since, None, 0.0
        for t, count, _ in [s for s in self.samples if since <= s[0] <= until]:
            if last_bytes is None or abs(count - last_bytes) > 3000:  # less is signs of life
                last_t, last_bytes = t, count
            longest = max(longest, t - last_t)
        return longest

    def flows_since(self, when):
        """Whether data has come after `when`, on any path."""
        later = [s for s in self.samples if s[0] > when]
        return len(later) > 1 and abs(later[-1][1] - later[0][1]) > 30_000


class Transfer(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="hanse-natlab-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        roles = {"coordinator": True, "reflector": True, "relay": True, "relay_bytes_per_s": 20_000_000}
        self.relay = self.node("relay", self.lab.public(), standalone=True, **roles).start()
        self.other = self.node("other", self.lab.public(), [self.relay], **roles).start()
        known = [self.relay, self.other]
        self.a = self.node("a", self.lab.host("moderate", wire=LINE), known).start()
        self.b = self.node("b", self.lab.host("moderate", wire=LINE), known, speed_test=True).start()
        for node in (self.a, self.b):
            wait_for(node.settled, 30, "the NAT is known and a relay has a place")

    def node(self, name, host, known=(), **settings):
        return MeshNode(self.lab, host, os.path.join(self.folder, name), known, **settings)

    def goes_over(self, path, seconds, why):
        return wait_for(lambda: (self.a.path_to(self.b) or {}).get("path") == path, seconds, why)

    def test_two_hundred_megabytes_on_one_stream(self):
        lab, a, b = self.lab, self.a, self.b
        lab.block(a.host, b.host)
        a.ask("dial", peer=b.id, relays=[self.relay.id], wait_ms=5000)
        self.assertEqual(a.path_to(b)["path"], "relay")
        answers, ended = [], threading.Event()

        def send():
            answers.extend(a.follow("speed", peer=b.id, bytes=BYTES, wait_ms=300_000))
            ended.set()

        began = time.monotonic()
        threading.Thread(target=send, daemon=True).start()
        meter = Meter(b, a)
        wait_for(lambda: meter.flows_since(began + 1.5), 20, "bytes come through the relay")
        marks = [("through the relay", began, time.monotonic(), None)]

        def change(name, what, path, path_s, data_s):
            """Does it; waits for the path and for bytes; notes how long both took."""
            when = time.monotonic()
            what()
            took_s = self.goes_over(path, path_s, f"{name}: the path is {path}; {a.path_to(b)}")
            wait_for(lambda: meter.flows_since(time.monotonic() - 0.2), data_s, f"{name}: bytes come")
            wait_for(lambda: meter.flows_since(when + took_s + 1), 20, f"{name}: bytes keep coming")
            marks.append((name, when, time.monotonic(), took_s))
            self.assertFalse(ended.is_set(), f"the transfer was over too soon: {answers}")

        change("a direct path is open", lambda: lab.unblock(a.host, b.host), "direct", 70, 5)
        change("the direct path falls silent", lambda: lab.block(a.host, b.host), "relay", 7, 5)
        change("it is open again", lambda: lab.unblock(a.host, b.host), "direct", 70, 5)
        home = time.monotonic()
        a.host.rehome()
        moved_s = time.monotonic() - home  # the lab's own work
        wait_for(lambda: meter.flows_since(home + moved_s), 10, "bytes come from the new home")
        marks.append(("the sender is in another home", home, time.monotonic(), None))
        change("direct from there", lambda: None, "direct", 70, 5)
        wait_for(ended.is_set, 300, "the transfer ends")
        meter.over = True

        print(f"\n{BYTES / 1e6:.0f} MB, seeds of the wires {a.host.site.wire.seed}, {b.host.site.wire.seed}")
        for name, since, until, took_s in marks:
            there = f", path after {took_s:.2f} s" if took_s is not None else ""
            print(f"  {name:32} longest stall {meter.longest_stall_s(since, until):.2f} s{there}")
        self.assertIn("ok", answers[-1], answers[-1])
        result = answers[-1]["ok"]
        print(f"  {result['ms'] / 1e3:.1f} s, {BYTES * 8 / result['ms'] / 1e3:.1f} Mbit/s, longest pause "
              f"{result['longest_pause_ms']} ms, {result['streams']} stream, {result['to_direct']} moves to direct, "
              f"{result['to_relay']} to a relay")
        self.assertEqual(result["bytes"], BYTES)
        self.assertEqual(result["streams"], 1, "no stream was reset or opened again")
        self.assertGreaterEqual(result["to_direct"], 2)
        self.assertGreaterEqual(result["to_relay"], 1)
        stalls = {name: meter.longest_stall_s(since, until) for name, since, until, _ in marks}
        self.assertLessEqual(stalls["a direct path is open"], 0.3, "3 round trips, and what a busy machine adds")
        self.assertLessEqual(stalls["the direct path falls silent"], 7)
        self.assertLessEqual(stalls["the sender is in another home"] - moved_s, 3)


if __name__ == "__main__":
    if missing := what_is_missing():
        print(f"natlab: skipped, {missing}")
        sys.exit(SKIPPED)
    unittest.main()
