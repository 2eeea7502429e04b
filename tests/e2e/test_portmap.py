"""Port mapping against miniupnpd: a machine at home, its router and somebody outside, each in its own namespace."""
import json
import os
import subprocess
import unittest

import netlab
from lab import BIN, Lab

# An address that a router may take for a public one: no other machine can be reached from these namespaces.
OUTSIDE, SOMEBODY = "11.0.0.1", "11.0.0.2"
RULES = """table inet home {
  chain forward { type filter hook forward priority 0; policy drop; ct state established accept; jump mapped; }
  chain mapped { }
  chain prerouting { type nat hook prerouting priority -100; jump redirected; }
  chain redirected { }
  chain postrouting { type nat hook postrouting priority 100; jump renamed; }
  chain renamed { }
}"""
ROUTER = """ext_ifname=h7
{ip}
listening_ip=h8
http_port=5000
enable_natpmp={pmp}
enable_upnp=yes
secure_mode=yes
uuid=00000000-0000-0000-0000-000000000001
min_lifetime=2
max_lifetime=86400
upnp_table_name=home
upnp_nat_table_name=home
upnp_forward_chain=mapped
upnp_nat_chain=redirected
upnp_nat_postrouting_chain=renamed
{rule} 1024-65535 10.8.0.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""
LISTEN = """import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", {port}))
print("bound", flush=True)
while True:
    data, sender = s.recvfrom(100)
    print(data.decode(), *sender, flush=True)
"""
SEND = """import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto({data!r}.encode(), ({ip!r}, {port}))
"""


class PortMap(Lab):
    def setUp(self):
        why = netlab.reason("miniupnpd", "nft")
        if why:
            self.skipTest(why)
        super().setUp()
        self.home, self.router, self.outside = (netlab.Namespace(self) for _ in range(3))
        netlab.join(self.router, self.home, 8)
        netlab.join(self.router, self.outside, 7)
        self.router.run("ip", "addr", "add", f"{OUTSIDE}/24", "dev", "h7")
        self.outside.run("ip", "addr", "add", f"{SOMEBODY}/24", "dev", "h7")
        self.home.run("ip", "route", "add", "default", "via", "10.8.0.1")
        self.router.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        self.router.run("nft", RULES)

    def start_router(self, pmp="yes", rule="allow", ip="ext_ip=" + OUTSIDE):
        conf = self.write("router.conf", ROUTER.format(ip=ip, pmp=pmp, rule=rule))
        daemon = self.router.start("miniupnpd", "-d", "-f", conf, "-P", self.path("router.pid"))
        daemon.until(lambda line: "Listening for NAT-PMP" in line if pmp == "yes" else "HTTP listening" in line)
        return daemon

    def mapper(self, *protocols, port=12000, lifetime_s=7200):
        return self.home.start(os.path.join(BIN, "portmap_probe"), port, lifetime_s, *protocols, stdin=subprocess.PIPE)

    def until(self, mapper, wanted, seconds=30):
        return json.loads(mapper.until(lambda line: wanted(json.loads(line)), seconds))

    def redirections(self):
        return [line for line in self.router.run("nft", "list", "chain", "inet", "home", "redirected").splitlines()
                if "dnat" in line]

    def stop(self, mapper):
        mapper.process.stdin.close()
        self.assertEqual(self.until(mapper, lambda f: "stopped" in f), {"stopped": ""})
        self.assertEqual(mapper.process.wait(), 0)

    def check_a_life(self, protocol):
        self.start_router()
        listener = self.home.start("python3", "-c", LISTEN.format(port=12000))
        listener.until(lambda line: line == "bound")
        self.outside.run("python3", "-c", SEND.format(data="too early", ip=OUTSIDE, port=12000))
        mapper = self.mapper(protocol)
        got = self.until(mapper, lambda f: f["port"])
        self.assertEqual(got, {"protocol": protocol, "ip": OUTSIDE, "port": 12000, "lifetime_s": 7200, "renewals": 0,
                               "failure": ""})
        self.assertEqual(len(self.redirections()), 1)
        self.assertIn("10.8.0.2:12000", self.redirections()[0])
        self.outside.run("python3", "-c", SEND.format(data="hello", ip=OUTSIDE, port=12000))
        line = listener.until(lambda line: True)
        self.assertEqual(line.split()[:2], ["hello", SOMEBODY])
        self.stop(mapper)
        self.assertEqual(self.redirections(), [])

    def test_pcp_opens_the_port_and_closes_it(self):
        self.check_a_life("pcp")

    def test_nat_pmp_opens_the_port_and_closes_it(self):
        self.check_a_life("nat-pmp")

    def test_upnp_opens_the_port_and_closes_it(self):
        self.check_a_life("upnp")

    def test_a_mapping_is_renewed_while_it_is_wanted(self):
        self.start_router()
        for protocol in ("nat-pmp", "upnp"):  # by PCP newer routers grant two minutes at least
            mapper = self.mapper(protocol, lifetime_s=2)
            self.until(mapper, lambda f: f["renewals"] == 3)
            self.assertEqual(len(self.redirections()), 1)
            self.stop(mapper)
            self.assertEqual(self.redirections(), [])

    def test_what_the_router_speaks_is_found(self):
        self.start_router(pmp="no")
        mapper = self.mapper("pcp", "nat-pmp", "upnp")
        self.assertEqual(self.until(mapper, lambda f: f["port"])["protocol"], "upnp")
        self.stop(mapper)

    def test_a_port_that_is_taken_is_another_one_outside(self):
        self.start_router()
        self.home.run("ip", "addr", "add", "10.8.0.3/24", "dev", "h8")
        other = self.home.start("python3", "-c", "import socket, struct\n"
                                "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                                "s.bind(('10.8.0.3', 0))\ns.connect(('10.8.0.1', 5351))\n"
                                "s.send(struct.pack('>BBHHHI', 0, 1, 0, 12000, 12000, 600))\n"
                                "print(struct.unpack('>BBHIHHI', s.recv(100)), flush=True)")
        other.until(lambda line: "12000, 12000, 600" in line)
        for protocol in ("pcp", "nat-pmp", "upnp"):
            mapper = self.mapper(protocol)
            got = self.until(mapper, lambda f: f["port"])
            self.assertNotEqual(got["port"], 12000, protocol)
            self.assertEqual(len(self.redirections()), 2)
            self.stop(mapper)
            self.assertEqual(len(self.redirections()), 1)

    def check_refused(self, protocol):
        mapper = self.mapper(protocol)
        got = self.until(mapper, lambda f: f["failure"])
        self.assertEqual((got["protocol"], got["failure"].split(":")[0]), ("none", "portmap.refused"), got)
        self.stop(mapper)

    def test_a_router_that_may_not_says_so(self):
        self.start_router(rule="deny")
        self.check_refused("upnp")

    def test_a_router_behind_another_says_that_it_cannot(self):
        self.router.run("ip", "addr", "del", f"{OUTSIDE}/24", "dev", "h7")
        self.start_router(ip="")
        self.check_refused("pcp")
        self.check_refused("nat-pmp")


if __name__ == "__main__":
    unittest.main()
