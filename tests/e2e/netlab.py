"""Networks of namespaces for tests with foreign daemons: nothing of the machine's own network is seen or touched.

A Namespace has a network, a mount table and a /run of its own and ends with the process that holds it. reason() says in
one line why a machine cannot do it, or nothing. Root only: Avahi gives its folder to a user of its own.
"""
import os
import shutil
import subprocess
import threading
import time

UNSHARE = ["unshare", "-n", "-m", "--propagation", "private"]


def program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin")


def reason(*programs):
    lacking = [name for name in ("unshare", "nsenter", "ip", *programs) if program(name) is None]
    if lacking:
        return f"found no {', '.join(lacking)}, expected it: ./dev setup lab"
    tried = subprocess.run([*UNSHARE, "ip", "link", "add", "h0", "type", "veth", "peer", "name", "h1"],
                           capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"namespaces cannot be had here: {tried.stderr.strip()}"


class Lines:
    """A program whose lines are waited for. They are read all the time, so that it never waits for its reader."""

    def __init__(self, test, name, command, **kwargs):
        self.test, self.name, self.seen, self.at, self.ended = test, name, [], 0, False
        self.more = threading.Condition()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        test.addCleanup(self.end)

    def read(self):
        for line in self.process.stdout:
            with self.more:
                self.seen.append(line.decode(errors="replace").rstrip("\n"))
                self.more.notify()
        with self.more:
            self.ended = True
            self.more.notify()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def until(self, wanted, seconds=30):
        """The first line from now on for which wanted(line) is true."""
        limit = time.monotonic() + seconds
        with self.more:
            while True:
                while self.at < len(self.seen):
                    self.at += 1
                    if wanted(self.seen[self.at - 1]):
                        return self.seen[self.at - 1]
                if self.ended or not self.more.wait(limit - time.monotonic()):
                    what = "it ended" if self.ended else f"found nothing of it in {seconds} s"
                    self.test.fail(f"{self.name}: {what}; it said:\n" + "\n".join(self.seen[-40:]))


class Namespace:
    def __init__(self, test):
        self.test = test
        self.holder = subprocess.Popen(
            [*UNSHARE, "sh", "-c", "mount -t tmpfs none /run && ip link set lo up && echo ready && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        test.addCleanup(self.end)
        test.assertEqual(self.holder.stdout.readline(), b"ready\n")

    def end(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()

    def command(self, *args):
        path = program(args[0]) or args[0]
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m", f"-w{os.getcwd()}", path, *map(str, args[1:])]

    def run(self, *args):
        done = subprocess.run(self.command(*args), capture_output=True, text=True, check=False, timeout=60)
        self.test.assertEqual(done.returncode, 0, f"{args}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, *args, **kwargs):
        return Lines(self.test, args[0], self.command(*args), **kwargs)


def join(left, right, number):
    """A cable between two namespaces, h<number> at both ends: 10.<number>.0.1/24 and .2, and fe80::1 and ::2."""
    name = f"h{number}"
    left.run("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", right.holder.pid)
    for last, one in ((1, left), (2, right)):
        one.run("ip", "link", "set", name, "addrgenmode", "none")
        one.run("ip", "addr", "add", f"10.{number}.0.{last}/24", "dev", name)
        one.run("ip", "addr", "add", f"fe80::{last}/64", "dev", name, "nodad")
        one.run("ip", "link", "set", name, "up")
    return name
