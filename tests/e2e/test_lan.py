"""Multicast DNS in two namespaces joined by a cable: our nodes among themselves, and against Avahi with its D-Bus."""
import json
import os
import subprocess
import unittest

import netlab
from lab import BIN, Lab

ID = "a" * 52  # base32 of 32 zero bytes
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>"""
AVAHI = """[server]
host-name=foreign
use-ipv4=yes
use-ipv6=yes
ratelimit-interval-usec=0
[publish]
publish-workstation=no
publish-hinfo=no
"""


class Lan(Lab):
    PROGRAMS = []

    def setUp(self):
        why = netlab.reason(*self.PROGRAMS)
        if why:
            self.skipTest(why)
        super().setUp()
        self.ours, self.theirs = netlab.Namespace(self), netlab.Namespace(self)
        self.cable = netlab.join(self.ours, self.theirs, 9)

    def node(self, where=None, peer=1, seed=7):
        return (where or self.ours).start(os.path.join(BIN, "lan_probe"), peer, 2, 12000 + peer, seed,
                                          stdin=subprocess.PIPE)

    def held(self, node):
        return json.loads(node.until(lambda line: json.loads(line)["claim"] == "held"))["instance"]

    def addresses(self, node, wanted, seconds=30):
        node.until(lambda line: sorted(a for h in json.loads(line)["hints"] for a in h["addresses"]) == sorted(wanted),
                   seconds)


class Nodes(Lan):
    def test_nodes_on_two_machines_follow_addresses_and_cables(self):
        one, two = self.node(), self.node(self.theirs, peer=2, seed=8)
        self.addresses(one, ["10.9.0.2:12002", "[fe80:0:0:0:0:0:0:2]:12002"])
        self.addresses(two, ["10.9.0.1:12001", "[fe80:0:0:0:0:0:0:1]:12001"])
        self.theirs.run("ip", "addr", "add", "10.9.0.77/24", "dev", self.cable)
        self.addresses(one, ["10.9.0.2:12002", "10.9.0.77:12002", "[fe80:0:0:0:0:0:0:2]:12002"])
        self.theirs.run("ip", "addr", "del", "10.9.0.77/24", "dev", self.cable)
        self.addresses(one, ["10.9.0.2:12002", "[fe80:0:0:0:0:0:0:2]:12002"])
        self.ours.run("ip", "link", "set", self.cable, "down")
        self.addresses(one, [])
        self.ours.run("ip", "link", "set", self.cable, "up")
        self.ours.run("ip", "addr", "add", "fe80::1/64", "dev", self.cable, "nodad")  # went with the link
        self.addresses(one, ["10.9.0.2:12002", "[fe80:0:0:0:0:0:0:2]:12002"])

    def test_nodes_on_one_machine_share_the_port(self):
        one, two = self.node(), self.node(peer=2, seed=8)
        self.addresses(one, ["10.9.0.1:12002", "[fe80:0:0:0:0:0:0:1]:12002"])
        self.addresses(two, ["10.9.0.1:12001", "[fe80:0:0:0:0:0:0:1]:12001"])
        two.process.kill()  # no farewell
        three = self.node(peer=3, seed=8)  # its alias is that of the dead one: nobody defends it
        self.assertNotIn("-", self.held(three))
        self.addresses(one, ["10.9.0.1:12003", "[fe80:0:0:0:0:0:0:1]:12003"])

    def test_a_port_that_somebody_keeps_is_said(self):
        keeper = self.ours.start("python3", "-uc", "import socket, sys\nkept = []\n"
                                 "for family, any in ((socket.AF_INET, ''), (socket.AF_INET6, '::')):\n"
                                 "    kept.append(socket.socket(family, socket.SOCK_DGRAM))\n"
                                 "    if any: kept[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)\n"
                                 "    kept[-1].bind((any, 5353))\n"
                                 "print('bound')\nsys.stdin.read()", stdin=subprocess.PIPE)
        keeper.until(lambda line: line == "bound")
        node = self.node()
        line = node.until(lambda line: True)
        self.assertEqual(line.split(": ")[:2], ["lan.listen", "bind to port 5353"])
        self.assertEqual(node.process.wait(), 1)


class Avahi(Lan):
    PROGRAMS = ["avahi-daemon", "avahi-browse", "avahi-publish", "dbus-daemon"]

    def setUp(self):
        super().setUp()
        self.theirs.run("mkdir", "/run/dbus", "/run/avahi-daemon")
        bus = self.theirs.start("dbus-daemon", "--config-file=" + self.write("bus.conf", BUS), "--nofork",
                                "--print-address=1")
        bus.until(lambda line: line.startswith("unix:path=/run/dbus"))
        avahi = self.theirs.start("avahi-daemon", "--no-drop-root", "--no-rlimits", "--no-chroot", "--debug",
                                  "-f", self.write("avahi.conf", AVAHI))
        avahi.until(lambda line: "Server startup complete" in line)

    def browse(self):
        """Lines: event;interface;family;instance;type;domain[;host;address;port;txt]"""
        return self.theirs.start("avahi-browse", "-rp", "_hanse._udp")

    def publish(self, name, port=4321):
        made = self.theirs.start("avahi-publish", "-s", name, "_hanse._udp", port, "v=1", "id=" + ID, "net=0a0b0c0d")
        return made, made.until(lambda line: "Established under name" in line).split("'")[1]

    def test_avahi_resolves_our_service_and_sees_it_leave(self):
        browse, node = self.browse(), self.node()
        name = self.held(node)
        self.assertEqual(len(name), 16)
        lines = [browse.until(lambda line: line.startswith("=;")) for _ in range(2)]
        self.assertEqual({line.split(";")[2] for line in lines}, {"IPv4", "IPv6"})
        for line in lines:
            fields = line.split(";")
            self.assertEqual(fields[:2] + fields[3:7], ["=", self.cable, name, "_hanse._udp", "local", f"{name}.local"])
            # Avahi gives the first address of the host that it knows, of either family.
            self.assertIn(fields[7], ("10.9.0.1", "fe80::1"))
            self.assertEqual(fields[8], "12001")
            peer = "aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq"
            self.assertEqual(set(fields[9].split()), {'"v=1"', f'"id={peer}"', '"net=02020202"'})
        self.assertEqual(node.process.poll(), None)
        node.process.stdin.close()  # it leaves
        browse.until(lambda line: line.startswith(f"-;{self.cable};IPv4;{name};"), seconds=10)
        self.assertEqual(node.process.wait(), 0)

    def test_we_see_a_service_of_avahi_come_and_go(self):
        node = self.node()
        self.held(node)
        made, name = self.publish("A Peer")
        line = node.until(lambda line: json.loads(line)["hints"])
        hint = json.loads(line)["hints"][0]
        self.assertEqual((hint["peer"], hint["network"], hint["instance"]), ("00" * 32, "0a0b0c0d", name))
        both = {"10.9.0.2:4321", "[fe80:0:0:0:0:0:0:2]:4321"}
        if set(hint["addresses"]) != both:  # the second address came with a message of its own
            self.addresses(node, both)
        made.process.terminate()
        node.until(lambda line: not json.loads(line)["hints"], seconds=10)

    def test_we_take_another_name_when_avahi_holds_ours(self):
        first = self.node()
        alias = self.held(first)
        first.process.stdin.close()
        first.process.wait()
        _, name = self.publish(alias)
        self.assertEqual(name, alias)
        second = self.node()
        self.assertEqual(self.held(second), alias + "-2")
        browse = self.browse()
        browse.until(lambda line: line.startswith(f"=;{self.cable};IPv4;{alias}-2;"))

    def test_avahi_takes_another_name_when_we_hold_its(self):
        node = self.node()
        alias = self.held(node)
        _, name = self.publish(alias)
        self.assertEqual(name, f"{alias} #2")
        browse = self.browse()
        line = browse.until(lambda line: line.startswith(f"=;{self.cable};IPv4;{alias};"))
        self.assertEqual(line.split(";")[8], "12001")


if __name__ == "__main__":
    unittest.main()
