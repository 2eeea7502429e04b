#!/usr/bin/env python3
"""The lab itself: every NAT maps and filters as its name says, wires delay and lose as asked, paths break and mend."""
import statistics
import sys
import time
import unittest

from lab import KINDS, SKIPPED, Lab, receive, what_is_missing


class Seen:
    """Sockets at public hosts: what they see of others. They answer only when the test says so."""

    def __init__(self, lab):
        self.one, self.two = lab.public(), lab.public()
        first, second = self.one.addresses[:2]
        self.sockets = [self.one.udp(3478, first), self.one.udp(3479, first), self.one.udp(3478, second),
                        self.two.udp(3478, self.two.address)]

    def of(self, s, where=0):
        """As whom the socket is seen when it sends there; None: nothing comes."""
        s.sendto(b"who am I", self.sockets[where].getsockname())
        got = receive(self.sockets[where])
        return got and got[1]


class Here(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.seen = Seen(self.lab)

    def reaches(self, sender, target, s):
        """Whether a datagram to `target` comes in at s. One after it, from where s may hear, says that it is over."""
        sender.sendto(b"hello", target)
        self.seen.sockets[0].sendto(b"end", target)
        first = receive(s)
        if first and first[0] == b"hello":
            self.assertEqual(receive(s)[0], b"end")
            return True
        self.assertEqual(first and first[0], b"end", "what was asked for does come")
        return receive(s, 0.05) is not None  # overtaken, on a busy machine


class Nats(Here):
    def check(self, kind, host):
        mapping, filtering, rule = KINDS[kind]
        s = host.udp(5000)
        seen = [self.seen.of(s, i) for i in range(4)]
        self.assertEqual({ip for ip, _ in seen}, {host.public_address})
        ports = [port for _, port in seen]
        self.assertEqual(len(set(ports)), 4 if mapping == "flow" else 1, ports)
        if rule == "kept":
            self.assertEqual(ports[0], 5000)
        elif rule == "counting":
            self.assertEqual(ports, list(range(ports[0], ports[0] + 4)))
        else:
            gaps = [abs(b - a) for a, b in zip(ports, ports[1:])]
            self.assertGreater(max(gaps), 16, ports)

        quiet = host.udp(6000)
        me = self.seen.of(quiet, 0)
        other_port, other_address = self.seen.sockets[1], self.seen.sockets[2]
        self.assertEqual(self.reaches(other_address, me, quiet), filtering == "any", "another address")
        self.assertEqual(self.reaches(other_port, me, quiet), filtering in ("any", "address"), "another port")
        if kind != "open":
            self.seen.sockets[0].sendto(b"stray", (host.public_address, 7777))
            self.assertFalse(self.hears(quiet, me, b"stray"), "a port that nobody opened")

    def hears(self, s, me, what):
        """Whether `what`, sent before, is there."""
        self.seen.sockets[0].sendto(b"end", me)
        return what in (receive(s)[0], (receive(s, 0.05) or [None])[0])

    def test_each_kind_is_what_its_name_says(self):
        for kind in KINDS:
            with self.subTest(kind):
                self.check(kind, self.lab.host(kind))

    def test_each_kind_behind_a_slow_wire(self):
        for kind in ("moderate", "counting"):
            with self.subTest(kind):
                self.check(kind, self.lab.host(kind, wire=["delay 10ms"]))

    def test_double_nat_is_as_its_stricter_half(self):
        for inner, carrier in (("full_cone", "strict"), ("moderate", "counting"), ("strict", "moderate")):
            with self.subTest(f"{inner} behind {carrier}"):
                host = self.lab.host(inner, carrier=carrier)
                s = host.udp(5000)
                seen = [self.seen.of(s, i) for i in range(4)]
                self.assertEqual({ip for ip, _ in seen}, {host.public_address})
                self.assertTrue(host.public_address.startswith("198.18."))
                self.assertTrue(host.site.outside.startswith("100.64."))
                self.assertEqual(len({port for _, port in seen}), 4)
                self.assertFalse(self.reaches(self.seen.sockets[1], seen[0], s))

    def test_hairpin_where_there_is_one(self):
        for kind in ("full_cone", "moderate", "strict", "counting"):
            for hairpin in ((True, False) if kind == "full_cone" else (False,)):
                with self.subTest(f"{kind} {hairpin}"):
                    host = self.lab.host(kind, hairpin=hairpin)
                    s, t = host.udp(5000), host.udp(6000)
                    of_s, of_t = self.seen.of(s), self.seen.of(t)
                    t.sendto(b"round", of_s)
                    self.assertEqual(self.hears(s, of_s, b"round"), hairpin)
                    if hairpin:
                        self.assertEqual(of_t[0], host.public_address)

    def test_strict_nats_choose_ports_at_random(self):
        host = self.lab.host("strict")
        ports = [self.seen.of(host.udp(), 0)[1] for _ in range(40)]
        self.assertEqual(len(set(ports)), 40)
        self.assertGreater(statistics.pstdev(ports), 8000, ports)

    def test_two_hosts_punch_where_they_can(self):
        """What mesh/nat does, in its simplest form: both send to where the other is seen, three times."""
        for a_kind, b_kind in (("moderate", "moderate"), ("full_cone", "strict"), ("addr_restr", "strict"),
                               ("open", "counting")):
            with self.subTest(f"{a_kind} x {b_kind}"):
                a, b = self.lab.host(a_kind), self.lab.host(b_kind)
                s, t = a.udp(5000), b.udp(6000)
                of_s, of_t = self.seen.of(s), self.seen.of(t)
                for _ in range(3):  # the first of each may find a closed door
                    s.sendto(b"ping", of_t)
                    t.sendto(b"ping", of_s)
                got = receive(s)
                self.assertEqual(got and got[0], b"ping")
                s.sendto(b"pong", got[1])
                while (answer := receive(t)) and answer[0] != b"pong":
                    pass
                self.assertEqual(answer and answer[0], b"pong")

    def test_ipv6_firewalls_let_in_what_was_asked_for(self):
        a, b = self.lab.host("firewall"), self.lab.host("firewall")
        s, t = a.udp(5000, a.address), b.udp(6000, b.address)
        out = self.seen.one.udp(3478, self.seen.one.addresses[2])
        s.sendto(b"hello", out.getsockname())
        got = receive(out)
        self.assertEqual(got[1], (a.address, 5000))
        t.sendto(b"hello", out.getsockname())  # and b's router is known to it
        self.assertEqual(receive(out)[0], b"hello")
        t.sendto(b"early", s.getsockname())  # a's firewall has seen nothing sent to b
        t.sendto(b"after it", out.getsockname())
        self.assertEqual(receive(out)[0], b"after it")
        out.sendto(b"end", got[1])
        self.assertEqual(receive(s)[0], b"end")
        s.sendto(b"hello", t.getsockname())  # b's has
        self.assertEqual(receive(t)[0], b"hello")
        t.sendto(b"late", s.getsockname())
        self.assertEqual(receive(s)[0], b"late")


class Changes(Here):
    def test_blocked_in_silence_and_only_the_two(self):
        for kind in ("open", "moderate"):
            with self.subTest(kind):
                a, b = self.lab.host(kind), self.lab.host(kind)
                s, t = a.udp(5000), b.udp(6000)
                of_s, of_t = self.seen.of(s), self.seen.of(t)
                s.sendto(b"open", of_t)
                t.sendto(b"one", of_s)
                self.assertTrue(self.hear(s, b"one"))
                self.lab.block(a, b)
                t.sendto(b"two", of_s)
                self.seen.sockets[0].sendto(b"end", of_s)
                self.assertTrue(self.hear(s, b"end"), "others get through")
                self.lab.unblock(a, b)
                t.sendto(b"three", of_s)
                self.assertTrue(self.hear(s, b"three"), "and nothing of the time between")

    def hear(self, s, what):
        got = receive(s)
        return got is not None and got[0] == what

    def test_a_host_in_another_home_has_other_addresses(self):
        for kind in KINDS:
            with self.subTest(kind):
                host = self.lab.host(kind)
                before = self.seen.of(host.udp(5000))[0]
                inside = host.address
                host.rehome()
                self.assertNotEqual(host.address, inside)
                self.assertNotEqual(host.public_address, before)
                self.assertEqual(self.seen.of(host.udp(6000))[0], host.public_address)

    def test_a_socket_survives_the_move(self):
        host = self.lab.host("moderate")
        s = host.udp(5000)
        before = self.seen.of(s)
        host.rehome("strict")
        after = self.seen.of(s)
        self.assertNotEqual(after[0], before[0])
        self.assertEqual(after[0], host.public_address)

    def test_a_site_with_another_address_tells_nobody(self):
        for kind in ("moderate", "counting"):
            with self.subTest(kind):
                host = self.lab.host(kind)
                s = host.udp(5000)
                before, inside = self.seen.of(s), host.address
                host.site.renumber()
                self.assertEqual(host.address, inside)
                self.assertEqual(self.seen.of(s)[0], host.public_address)
                self.assertNotEqual(host.public_address, before[0])

    def test_a_cable_out_and_in(self):
        host = self.lab.host("moderate")
        s = host.udp(5000)
        before = self.seen.of(s)
        host.unplug()
        with self.assertRaises(OSError):
            s.sendto(b"?", self.seen.sockets[0].getsockname())
        host.plug()
        self.assertEqual(self.seen.of(s), before)


class Wires(Here):
    def test_delay_is_as_asked(self):
        host = self.lab.host("open", wire=["a>b delay 20ms", "b>a delay 5ms"])
        s, there = host.udp(), self.seen.sockets[0]
        times = []
        for _ in range(20):
            began = time.monotonic()
            s.sendto(b"ping", there.getsockname())
            there.sendto(b"pong", receive(there)[1])
            self.assertEqual(receive(s)[0], b"pong")
            times.append((time.monotonic() - began) * 1e3)
        print(f"\ndelay 20 + 5 ms: {min(times):.2f} / {statistics.median(times):.2f} / {max(times):.2f} ms", end="")
        self.assertGreaterEqual(min(times), 25)
        self.assertLess(min(times), 26)  # a busy machine is late now and then
        host.wire.say("delay 0")
        times = []
        for _ in range(20):
            began = time.monotonic()
            self.seen.of(s)
            times.append((time.monotonic() - began) * 1e3)
        self.assertLess(min(times), 5)

    def test_loss_is_as_asked_and_counted(self):
        host = self.lab.host("open", wire=["a>b loss 10%", "a>b burst 3", "--seed", "5"])
        s, there = host.udp(), self.seen.sockets[0]
        arrived = 0
        for i in range(5000):
            s.sendto(b"%d" % i, there.getsockname())
            if i % 50 == 49:
                host.wire.say("up")  # nothing changes; the answer says that the wire is not behind
                while receive(there, 0):
                    arrived += 1
        host.wire.say("a>b loss 0")
        s.sendto(b"end", there.getsockname())
        while receive(there)[0] != b"end":
            arrived += 1
        counts = host.wire.say("counts")["a>b"]
        print(f"\nloss 10 % in runs of 3: {counts['lost']} of {counts['in']}, seed {host.wire.seed}", end="")
        self.assertLessEqual(abs(counts["lost"] - 500), 100)
        self.assertEqual(counts["out"] + counts["lost"], counts["in"])
        self.assertLessEqual(abs(counts["out"] - arrived - 2), 3)  # the ends, and what IPv6 says by itself

    def test_a_black_hole_by_schedule(self):
        host = self.lab.host("open", wire=["at 300ms down", "at 600ms up"])
        s, there = host.udp(), self.seen.sockets[0]
        gaps, last, end = [], time.monotonic(), time.monotonic() + 1.0
        while time.monotonic() < end:
            s.sendto(b"x", there.getsockname())
            if receive(there, 0.005):
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
        print(f"\nblack hole of 300 ms: silence of {max(gaps) * 1e3:.0f} ms", end="")
        self.assertGreater(max(gaps), 0.29)
        self.assertLess(max(gaps), 0.65)

    def test_mtu_and_rate(self):
        host = self.lab.host("open", wire=["mtu 1000", "rate 8mbit", "queue 1m"])
        s, there = host.udp(), self.seen.sockets[0]
        s.sendto(bytes(973), there.getsockname())
        s.sendto(bytes(972), there.getsockname())  # with 28 bytes of headers
        self.assertEqual(len(receive(there)[0]), 972)
        self.assertEqual(host.wire.say("counts")["a>b"]["too_big"], 1)
        began = time.monotonic()
        for _ in range(200):
            s.sendto(bytes(972), there.getsockname())
        for _ in range(200):
            self.assertTrue(receive(there))
        took_s = time.monotonic() - began
        print(f"\n200 packets of 1000 bytes at 8 Mbit/s: {took_s * 1e3:.0f} ms", end="")
        self.assertGreaterEqual(took_s, 0.2)
        self.assertLess(took_s, 0.4)

    def test_a_command_that_is_none(self):
        host = self.lab.host("open", wire=[])
        with self.assertRaisesRegex(ValueError, "wire.command"):
            host.wire.say("sideways")
        refused = self.lab.net.run("hanse-wire", "one-end")
        self.assertEqual((refused.returncode, "wire.usage" in refused.stderr), (2, True), refused.stderr)


if __name__ == "__main__":
    if missing := what_is_missing():
        print(f"natlab: skipped, {missing}")
        sys.exit(SKIPPED)
    unittest.main()
