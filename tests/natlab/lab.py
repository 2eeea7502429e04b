"""A small internet in network namespaces: public hosts, hosts behind NATs of six kinds, wires with delay and loss.

Nothing leaves the machine, and nothing stays: the process takes a network and a mount namespace of its own, and all
others hang on it. Needs root, `ip`, `nft` and /dev/net/tun.

    lab = Lab()
    seen = lab.public()                          # a public host with two addresses; the next one is in another /16
    a = lab.host("moderate")                     # behind a NAT; lab.host("open") is behind none
    b = lab.host("strict", wire=["delay 25ms", "loss 1%"], carrier="counting")
    a.run("hansed", "--config", "a.toml")        # a process there; a.udp() is a socket there
    lab.block(a, b); lab.unblock(a, b)           # in silence
    a.rehome(); a.site.renumber(); a.unplug(); a.plug()

Every node is a namespace with one uplink `up`; the router between them is the namespace `net`. Addresses are those of
documentation and benchmarks (RFC 5737, 3849, 2544), every home in a /24 of its own: nodes admit few of one. Links are
numbered by /32 routes, so a packet passes one hop a node. With fresh sites or fresh ports for every case no connection
tracking is left from the one before.
"""
import contextlib
import ctypes
import itertools
import json
import os
import selectors
import signal
import socket
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("HANSE_BIN_DIR", os.path.join(ROOT, "build/bin"))
SKIPPED = 77  # the exit code by which a test says that it did not run

# As in src/mesh/nat/punch_test.cc: mapping, filtering, rule of ports.
KINDS = {
    "open": ("none", "any", "kept"),
    "full_cone": ("endpoint", "any", "kept"),
    "addr_restr": ("endpoint", "address", "kept"),
    "moderate": ("endpoint", "port", "kept"),
    "counting": ("flow", "port", "counting"),
    "strict": ("flow", "port", "random"),
}

NEW_NET, NEW_MOUNT, PDEATHSIG = 0x40000000, 0x00020000, 1
PRIVATE = 1 << 18 | 1 << 14  # MS_PRIVATE | MS_REC
LIBC = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    if getattr(LIBC, name)(*args) != 0:
        raise OSError(ctypes.get_errno(), f"{name}{args}: {os.strerror(ctypes.get_errno())}")


def dies_with_us():
    LIBC.prctl(PDEATHSIG, signal.SIGKILL)


def what_is_missing():
    """Why no lab can be built here, or None."""
    if os.geteuid() != 0:
        return "not root"
    if subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True, check=False).returncode != 0:
        return "no network namespaces (unshare -n -m)"
    for program in ("nft", "ip"):
        if not any(os.access(os.path.join(p, program), os.X_OK) for p in (os.get_exec_path() + ["/usr/sbin"])):
            return f"no {program} (./dev setup lab)"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    if not os.path.exists(os.path.join(BIN, "hanse-wire")):
        return f"no hanse-wire in {BIN} (./dev build)"
    done = subprocess.run(["unshare", "-n", "nft", "add", "table", "inet", "probe"], capture_output=True, check=False)
    return None if done.returncode == 0 else "a kernel without nftables"


def sh(*words, stdin=None):
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}\n{stdin or ''}{done.stdout}{done.stderr}")
    return done.stdout


class Space:
    """One network namespace."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        sh("ip", "netns", "add", name)
        with self.inside():
            for key, value in (("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1), ("ipv4/conf/all/rp_filter", 0),
                               ("ipv4/conf/default/rp_filter", 0), ("ipv6/conf/default/accept_dad", 0),
                               ("ipv6/conf/default/addr_gen_mode", 1)):
                with open(f"/proc/sys/net/{key}", "w", encoding="ascii") as f:  # of the namespace of who opens it
                    f.write(str(value))
        self.ip("link set lo up")

    @contextlib.contextmanager
    def inside(self):
        """The calling thread visits the namespace: what it opens there belongs there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            call("setns", there, NEW_NET)
            yield
        finally:
            call("setns", home, NEW_NET)
            os.close(there)
            os.close(home)

    def ip(self, *lines):
        sh("ip", "-n", self.name, "-batch", "-", stdin="\n".join(lines) + "\n")

    def nft(self, rules):
        sh("nsenter", f"--net=/run/netns/{self.name}", "nft", "-f", "-", stdin=rules)

    def udp(self, port=0, address=""):
        with self.inside():
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.lab.sockets.append(s)
        s.bind((address, port))
        s.setblocking(False)
        return s

    def tcp(self, address, port, timeout_s=5):
        with self.inside():
            s = socket.socket()
        s.settimeout(timeout_s)
        s.connect((address, port))
        return s

    def command(self, program, *args):
        path = os.path.join(BIN, program)
        return ["nsenter", f"--net=/run/netns/{self.name}", path if os.path.exists(path) else program, *map(str, args)]

    def start(self, program, *args, **kwargs):
        """A process here that ends with the lab."""
        process = subprocess.Popen(self.command(program, *args), preexec_fn=dies_with_us, **kwargs)
        self.lab.processes.append(process)
        return process

    def run(self, program, *args, timeout=120):
        return subprocess.run(self.command(program, *args), capture_output=True, text=True, check=False,
                              timeout=timeout, stdin=subprocess.DEVNULL)


class Wire:
    """A running hanse-wire between the device `up` of a node and its twin above."""

    def __init__(self, lab, upper, device, lower, words):
        self.process = subprocess.Popen(
            [os.path.join(BIN, "hanse-wire"), f"{lower}:up", f"{upper}:{device}", *words], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, preexec_fn=dies_with_us)
        lab.processes.append(self.process)
        self.seed = self.line()["seed"]

    def line(self):
        return json.loads(self.process.stdout.readline())

    def say(self, command):
        """Upwards is a>b: `say("a>b loss 5%")`. Returns the answer."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.line()
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer


class Node(Space):
    """A namespace with an uplink."""

    def __init__(self, lab, name, addresses, prefix=None):
        super().__init__(lab, name)
        self.addresses, self.prefix = list(addresses), prefix
        self.above = self.wire = self.device = self.gateway = None

    def plug_into(self, above, wire=None):
        """One cable (a veth pair), or a wire of hanse-wire's that gets these words. Routes on both sides."""
        number = next(self.lab.numbers)
        self.above, self.device = above, f"d{number}"
        self.gateway = gateway = f"169.254.{number >> 8}.{number & 255}"
        if wire is None:
            sh("ip", "link", "add", self.device, "netns", above.name, "type", "veth", "peer", "name", "up", "netns",
               self.name)
        else:
            self.wire = Wire(self.lab, above.name, self.device, self.name, wire)
        above.ip(f"addr add {gateway}/32 dev {self.device}", f"link set dev {self.device} up txqueuelen 4096",
                 f"addr add fe80::1/64 dev {self.device} nodad", *self.routes_above("add"))
        self.ip(*self.own_addresses("add"), "addr add fe80::2/64 dev up nodad", "link set dev up up txqueuelen 4096",
                *self.default_routes(gateway))

    def own_addresses(self, verb):
        return [f"addr {verb} {a}/{128 if ':' in a else 32} dev up{' nodad' if ':' in a and verb == 'add' else ''}"
                for a in self.addresses]

    @staticmethod
    def default_routes(gateway):
        return [f"route replace default via {gateway} dev up onlink", "route replace default via fe80::1 dev up"]

    def routes_above(self, verb):
        out = [f"route {verb} {a}/32 dev {self.device}" for a in self.addresses if ":" not in a]
        if self.prefix:
            out.append(f"route {verb} {self.prefix}::/64 via fe80::2 dev {self.device}")
        return out

    def unplug_for_good(self):
        if self.wire:
            self.lab.end(self.wire.process)  # the devices go with it
        else:
            self.ip("link del dev up")
        self.wire = None


class Site(Node):
    """The router of somebody's home, with a NAT. `outside` is where it is seen; one host is inside."""

    def __init__(self, lab, kind, inside, carrier=None, wire=None, hairpin=False):
        outside = lab.next_carrier_address() if carrier else lab.next_address()
        self.kind, self.inside_address, self.carrier = kind, inside, carrier
        self.words, self.hairpin = wire, hairpin
        super().__init__(lab, f"s{next(lab.numbers)}", [] if kind == "counting" else [outside])
        self.outside = outside
        self.begin()

    def begin(self):
        above = self.carrier or self.lab.net
        words = self.words
        if self.kind == "counting":
            words = [*(self.words or []), "--nat", self.outside]
        self.plug_into(above, words)
        if self.kind == "counting":  # the address is the wire's
            above.ip(f"route add {self.outside}/32 dev {self.device}")
        else:
            self.nft(nat_rules(self.kind, self.inside_address, self.outside, self.hairpin))

    @property
    def public_address(self):
        return self.carrier.public_address if self.carrier else self.outside

    def renumber(self):
        """As after a night at the provider's: another address outside, an empty table, and nobody inside is told."""
        self.unplug_for_good()
        self.outside = self.lab.next_carrier_address() if self.carrier else self.lab.next_address()
        self.addresses = [] if self.kind == "counting" else [self.outside]
        if self.kind != "counting":
            self.nft("flush ruleset")
        self.begin()


class Firewall(Node):
    """A home with IPv6: no NAT, and nothing comes in that was not asked for."""

    def __init__(self, lab, prefix, wire=None):
        super().__init__(lab, f"s{next(lab.numbers)}", [], prefix)
        self.plug_into(lab.net, wire)
        self.nft("""table ip6 lab { chain forward { type filter hook forward priority 0;
                      iifname "up" ct state established,related accept
                      iifname "up" drop
                      }
                    }""")


def nat_rules(kind, inside, outside, hairpin):
    """`new drop` on the way in: else a peer's early probe is taken for the router itself, its entry holds the port, and
    no punch ever succeeds."""
    learn = accept = ""
    if kind == "full_cone":
        learn, accept = "update @ports { udp sport }", "udp dport @ports"
    elif kind == "addr_restr":
        learn, accept = "update @seen { ip daddr . udp sport }", "ip saddr . udp dport @seen"
    nat = {"moderate": "masquerade", "strict": "masquerade fully-random"}.get(
        kind, f"snat to {outside}")
    pre = f'iifname "up" {accept} dnat to {inside}' if accept else ""
    post = ""
    if hairpin:
        pre += f'\n iifname != "up" ip daddr {outside} {accept} dnat to {inside}'
        post = f'oifname != "up" ip saddr {inside} ip daddr {inside} snat to {outside}'
    return f"""table ip lab {{
      set ports {{ type inet_service; flags dynamic,timeout; timeout 2m; size 65535; }}
      set seen {{ type ipv4_addr . inet_service; flags dynamic,timeout; timeout 2m; size 65535; }}
      chain input {{ type filter hook input priority 0; iifname "up" ct state new drop; }}
      chain forward {{ type filter hook forward priority 0;
        oifname "up" {learn or 'accept'}
        iifname "up" ct state new ct status dnat accept
        iifname "up" ct state new drop; }}
      chain pre {{ type nat hook prerouting priority dstnat;
        {pre}
      }}
      chain post {{ type nat hook postrouting priority srcnat;
        {post}
        oifname "up" {nat}; }}
    }}"""


class Host(Node):
    """Somebody's machine: public, or behind `site`."""

    def __init__(self, lab, addresses, prefix=None, site=None):
        super().__init__(lab, f"h{next(lab.numbers)}", addresses, prefix)
        self.site = site

    @property
    def address(self):
        return self.addresses[0]

    @property
    def public_address(self):
        return self.site.public_address if isinstance(self.site, Site) else self.address

    def unplug(self):
        self.ip("link set dev up down")

    def plug(self):
        self.ip("link set dev up up", "addr replace fe80::2/64 dev up nodad",
                *(line.replace("addr add", "addr replace") for line in self.own_addresses("add")),
                *self.default_routes(self.gateway))

    def rehome(self, kind=None, wire=None):
        """The cable goes into another router: new address inside, and outside. The old router stays without host."""
        self.unplug_for_good()
        if self.site is None:
            self.addresses = [self.lab.next_address()]
            return self.plug_into(self.lab.net, wire)
        self.addresses = [self.lab.next_inside_address()]
        self.site = Site(self.lab, kind or self.site.kind, self.address, self.site.carrier, wire or self.site.words)
        return self.plug_into(self.site)


class Lab:
    _entered = False

    def __init__(self):
        if not Lab._entered:
            call("unshare", NEW_NET | NEW_MOUNT)
            call("mount", b"none", b"/", None, PRIVATE, None)
            os.makedirs("/run/netns", exist_ok=True)
            call("mount", b"none", b"/run/netns", b"tmpfs", 0, None)
            Lab._entered = True
        self.numbers = Lab._numbers
        self.processes, self.sockets, self.apart = [], [], set()
        self._outside = (f"198.{18 + i // 256}.{i % 256}.1" for i in range(1, 512))
        self._carrier = (f"100.64.0.{i}" for i in range(1, 255))
        self._public = (f"{net}.{i}" for i in range(1, 255, 2) for net in ("192.0.2", "198.51.100"))
        self._prefix = (f"2001:db8:{i:x}" for i in itertools.count(1))
        self.net = Space(self, f"net{next(self.numbers)}")
        self.net.nft("""table inet lab {
            set apart4 { type ipv4_addr . ipv4_addr; }
            set apart6 { type ipv6_addr . ipv6_addr; }
            chain forward { type filter hook forward priority 0;
              ip saddr . ip daddr @apart4 drop
              ip6 saddr . ip6 daddr @apart6 drop
            }
          }""")

    _numbers = itertools.count(1)

    def next_address(self):
        return next(self._outside)

    def next_carrier_address(self):
        return next(self._carrier)

    def next_inside_address(self):
        return f"10.{next(self.numbers) % 250}.0.2"

    def public(self, wire=None):
        """A host with two addresses of IPv4 and one of IPv6, as a reflector of RFC 5780 wants them."""
        first = next(self._public)
        second = first.rsplit(".", 1)[0] + "." + str(int(first.rsplit(".", 1)[1]) + 1)
        prefix = next(self._prefix)
        host = Host(self, [first, second, f"{prefix}::2"], prefix)
        host.plug_into(self.net, wire)
        return host

    def host(self, kind, wire=None, carrier=None, hairpin=False):
        """`carrier` is the kind of a second NAT above the first (CGNAT). "firewall" has IPv6 only."""
        if kind == "open":
            host = Host(self, [self.next_address()])
            host.plug_into(self.net, wire)
            return host
        if kind == "firewall":
            prefix = next(self._prefix)
            site = Firewall(self, prefix, wire)
            host = Host(self, [f"{prefix}::2"], prefix, site)
        else:
            if carrier and carrier not in ("moderate", "strict", "counting"):
                raise ValueError(f"found a carrier's NAT {carrier}, expected one without an inside address")
            inside = self.next_inside_address()
            above = Site(self, carrier, None) if carrier else None
            site = Site(self, kind, inside, above, wire, hairpin)
            host = Host(self, [inside], None, site)
        host.plug_into(site)
        return host

    def _apart(self, verb, a, b):
        x, y = a.public_address, b.public_address
        version = 6 if ":" in x else 4
        self.net.nft(f"{verb} element inet lab apart{version} {{ {x} . {y}, {y} . {x} }}")

    def block(self, a, b):
        """Packets between the two addresses vanish; both still reach everybody else."""
        self._apart("add", a, b)

    def unblock(self, a, b):
        self._apart("delete", a, b)

    @staticmethod
    def end(process, timeout_s=10):
        """SIGTERM, and SIGKILL for one that does not listen. Its exit code."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
        return process.wait()

    def close(self):
        for s in self.sockets:
            s.close()
        for process in reversed(self.processes):
            self.end(process)
        for name in os.listdir("/run/netns"):
            sh("ip", "netns", "del", name)


def receive(s, timeout_s=5.0):
    """(bytes, source) of the next datagram, or None."""
    with selectors.DefaultSelector() as selector:
        selector.register(s, selectors.EVENT_READ)
        if not selector.select(timeout_s):
            return None
    data, source = s.recvfrom(65536)
    return data, source[:2]
