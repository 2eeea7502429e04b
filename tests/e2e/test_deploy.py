"""The scripts under deploy/: what they say, what they would do, and what they do on machines that are played.

`ssh` is played by a script that runs the command here; programs that change a machine get paths below a folder instead.
"""
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import unittest

from lab import BIN, ROOT, Lab, run

DEPLOY = os.path.join(ROOT, "deploy")
SCRIPTS = ("install.sh", "deploy.sh", "health-check.sh", "logs.sh", "cleanup.sh")
UNIT = "hanse-bootstrap.service"
SITES = ("ams", "fra", "nyc", "sfo", "sgp", "syd")

STANDINS = {
    "ssh": 'echo "ssh $*" >>"$FAKE_ROOT/calls"\n'
           '[[ $5 != *"$FAKE_DOWN"* ]] || { echo "connect: no route" >&2; exit 255; }\n'
           'exec bash -c "${@: -1}"\n',
    "systemctl": 'echo "systemctl $*" >>"$FAKE_ROOT/calls"\n',
    "journalctl": 'echo "journalctl $*"\n',
    "id": 'if [ "$1" = -u ]; then echo 0; else echo root; fi\n',
}
MOVED = ('args=(); for a in "$@"; do case $a in /etc/* | /usr/local/* | /var/lib/*) a=$FAKE_ROOT$a ;; esac; '
         'args+=("$a"); done\nexec "/usr/bin/${0##*/}" "${args[@]}"\n')


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = self.server.answer
        self.send_response(status if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


class Deploy(Lab):
    def setUp(self):
        super().setUp()
        os.makedirs(self.path("stand-ins"))
        for name in ("install", "mv", "rm"):
            self.stand_in(name, MOVED)
        for name, body in STANDINS.items():
            self.stand_in(name, body)
        self.sites = self.path("sites")
        shutil.copytree(os.path.join(DEPLOY, "sites"), self.sites)

    def stand_in(self, name, body):
        os.chmod(self.write(f"stand-ins/{name}", "#!/bin/bash\n" + body), 0o755)

    def script(self, name, *args, answer="", down="(none)"):
        env = dict(os.environ, PATH=self.path("stand-ins") + ":" + os.environ["PATH"], FAKE_ROOT=self.folder,
                   FAKE_DOWN=down, HANSE_SITES=self.sites, HANSE_BIN_DIR=os.path.abspath(BIN))
        return subprocess.run([os.path.join(DEPLOY, name), *args], input=answer, capture_output=True, text=True,
                              check=False, timeout=120, env=env)

    def good(self, name, *args, **kwargs):
        done = self.script(name, *args, **kwargs)
        self.assertEqual(done.returncode, 0, f"{name} {args}\n{done.stdout}{done.stderr}")
        return done.stdout

    def refused(self, code, word, name, *args, **kwargs):
        done = self.script(name, *args, **kwargs)
        self.assertEqual(done.returncode, code, f"{name} {args}\n{done.stdout}{done.stderr}")
        self.assertIn(word, done.stderr)
        return done.stdout

    def calls(self):
        try:
            with open(self.path("calls"), encoding="utf-8") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def installed(self, path):
        return os.path.exists(self.path(path.lstrip("/")))

    def test_every_script_says_how_it_is_used(self):
        for name in SCRIPTS:
            self.assertTrue(self.good(name, "--help").startswith(f"usage: {name} "))
            self.refused(2, "found '--frobnicate'", name, "--frobnicate")
        for name in ("deploy.sh", "logs.sh", "cleanup.sh", "health-check.sh"):
            self.refused(2, "found node 'atlantis', expected all or one of: ams", name, "atlantis")

    def test_a_dry_run_says_all_and_does_nothing(self):
        said = self.good("deploy.sh", "--dry-run", "all")
        self.assertEqual(said.count("would run: ssh"), 6, said)
        for address in ("192.0.2.10", "203.0.113.74"):
            self.assertIn(address, said)
        said = self.good("install.sh", "--dry-run", os.path.join(self.sites, "ams.toml"))
        for part in ("/usr/local/bin/hansed", f"/etc/systemd/system/{UNIT}", "/etc/hanse/node.toml", "daemon-reload",
                     f"restart {UNIT}"):
            self.assertIn(part, said)
        self.assertIn("disable --now", self.good("cleanup.sh", "--dry-run", "ams").replace("\\", ""))
        self.assertIn("127.0.0.1:12600/health", self.good("health-check.sh", "--dry-run", "all"))
        self.assertIn("--lines 7 ", self.good("logs.sh", "--dry-run", "syd", "7").replace("\\", ""))
        self.assertEqual(self.calls(), "")
        self.assertFalse(self.installed("/etc") or self.installed("/usr"))

    def test_deploy_installs_and_cleanup_removes(self):
        self.good("deploy.sh", "nyc")
        for program in ("hansed", "hanse"):
            self.assertTrue(os.access(self.path("usr/local/bin", program), os.X_OK))
            self.assertFalse(self.installed(f"/usr/local/bin/{program}.new"))
        with open(self.path("etc/hanse/node.toml"), encoding="utf-8") as have, \
                open(os.path.join(self.sites, "nyc.toml"), encoding="utf-8") as want:
            self.assertEqual(have.read(), want.read())
        calls = self.calls().splitlines()
        self.assertIn("root@203.0.113.10", calls[0])
        self.assertEqual(calls[1:], [f"systemctl {word}" for word in ("daemon-reload", f"enable {UNIT}",
                                                                      f"restart {UNIT}")])

        os.makedirs(self.path("var/lib/private/hanse"))
        self.refused(1, "nothing was removed", "cleanup.sh", "nyc", answer="yes\n")
        self.refused(1, "nothing was removed", "cleanup.sh", "nyc")
        self.assertTrue(self.installed(f"/etc/systemd/system/{UNIT}"))
        self.good("cleanup.sh", "nyc", answer="nyc\n")
        for path in (f"/etc/systemd/system/{UNIT}", "/usr/local/bin/hansed", "/usr/local/bin/hanse",
                     "/etc/hanse/node.toml"):
            self.assertFalse(self.installed(path), path)
        self.assertTrue(self.installed("/var/lib/private/hanse"), "the key stays")
        self.good("cleanup.sh", "--purge", "nyc", answer="nyc\n")
        self.assertFalse(self.installed("/var/lib/private/hanse"))

    def test_deploy_stops_at_the_first_machine_that_fails(self):
        self.refused(3, "nyc failed", "deploy.sh", "all", down="203.0.113.10")
        self.assertEqual(self.calls().count("ssh "), 3, self.calls())

    def test_a_wrong_configuration_touches_no_machine(self):
        with open(os.path.join(self.sites, "syd.toml"), "a", encoding="utf-8") as f:
            f.write("colour = 'blue'\n")
        self.refused(2, "syd.toml is refused", "deploy.sh", "all")
        self.assertEqual(self.calls(), "")

    def test_the_examples_are_configurations(self):
        with open(os.path.join(self.sites, "nodes"), encoding="utf-8") as f:
            listed = dict(line.split() for line in f if not line.startswith("#"))
        self.assertEqual(tuple(listed), SITES)
        for site in SITES:
            path = os.path.join(self.sites, f"{site}.toml")
            for program in (("hansed",), ("hanse", "node", "run")):
                done = run(*program, "--config", path, "--check")
                self.assertEqual(done.returncode, 0, f"{site}: {done.stdout}{done.stderr}")
            with open(path, encoding="utf-8") as f:
                text = f.read()
            for other, target in listed.items():
                self.assertEqual(f"@{target.split('@')[1]}:12000" in text, other != site, (site, other))

    def test_an_example_runs_and_says_how_it_is(self):
        """The first round: a node of the examples with its own key and folders, and nobody there yet."""
        state = self.path("state")
        os.makedirs(state, mode=0o700)
        self.ok("hanse", "node", "keygen", "--unencrypted", "--out", f"{state}/key.json")
        with open(os.path.join(self.sites, "ams.toml"), encoding="utf-8") as f:
            text = f.read().replace("/var/lib/hanse", state).replace("0.0.0.0:12000", "127.0.0.1:0")
        text = re.sub(r"known_peers = \[.*?\]", "known_peers = []", text, flags=re.DOTALL)
        config = self.write("node.toml", text.replace("127.0.0.1:12600", "127.0.0.1:0"))
        node = subprocess.Popen([os.path.join(BIN, "hansed"), "--config", config], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(node.stdout.close)
        self.addCleanup(node.wait)
        self.addCleanup(node.kill)
        port = json.loads(node.stdout.readline())["mesh_health_port"]
        self.write("node.toml", text.replace("127.0.0.1:12600", f"127.0.0.1:{port}"))
        said = self.refused(1, "", "health-check.sh", config)
        health = json.loads(said.removeprefix("local "))
        self.assertEqual((health["status"], health["peers"]), ("degraded", 0))
        self.assertEqual(health["roles"], ["coordinator", "reflector", "relay"])
        self.assertEqual(self.ok("hanse", "mesh", "id", "--key", f"{state}/key.json")["peer_id"], health["peer_id"])
        node.terminate()
        self.assertEqual(node.wait(30), 0)

    def test_health_check_tells_healthy_degraded_and_silent(self):
        server = http.server.HTTPServer(("127.0.0.1", 0), Health)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        for site in SITES:
            path = os.path.join(self.sites, f"{site}.toml")
            with open(path, encoding="utf-8") as f:
                text = f.read()
            self.write(path, text.replace("127.0.0.1:12600", f"127.0.0.1:{server.server_port}"))
        server.answer = 200, {"status": "healthy", "peers": 5}
        said = self.good("health-check.sh", "all").splitlines()
        self.assertEqual([line.split()[0] for line in said], list(SITES))
        self.assertTrue(all('"peers": 5' in line for line in said), said)
        self.assertIn("local ", self.good("health-check.sh", os.path.join(self.sites, "ams.toml")))
        server.answer = 503, {"status": "degraded", "peers": 0}
        self.assertIn('ams {"status": "degraded"', self.refused(1, "", "health-check.sh", "ams"))
        said = self.refused(3, "no route", "health-check.sh", "all", down="203.0.113.10")
        self.assertIn("nyc unreachable", said)
        self.assertIn("syd {", said)

    def test_logs_are_of_the_unit_and_as_many_as_asked(self):
        self.assertIn(f"--unit {UNIT} --lines 100 ", self.good("logs.sh", "ams"))
        self.assertIn("--lines 3 ", self.good("logs.sh", "ams", "3"))
        for word in ("0", "-3", "x", "3;reboot"):
            self.refused(2, "found '", "logs.sh", "ams", word)
        self.refused(2, "found all", "logs.sh", "all")

    def test_the_unit_is_one_that_systemd_takes(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("no systemd-analyze")
        self.good("install.sh", "--root", self.path("root"), os.path.join(self.sites, "ams.toml"))
        root = self.path("root")
        for needed in ("sysinit", "basic", "shutdown", "network-online", "multi-user"):
            self.write(os.path.join(root, f"etc/systemd/system/{needed}.target"), "[Unit]\nDescription=of the system\n")
        os.makedirs(os.path.join(root, "bin"))
        shutil.copy("/bin/sh", os.path.join(root, "bin/sh"))
        unit = os.path.join(root, "etc/systemd/system", UNIT)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", f"--root={root}", UNIT], capture_output=True,
                              text=True, check=False)
        about_us = [line for line in (done.stdout + done.stderr).splitlines() if "hanse" in line]
        self.assertEqual(about_us, [])
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-200:] + done.stderr)

    @unittest.skipUnless(shutil.which("shellcheck"), "no shellcheck")
    def test_the_scripts_are_clean(self):
        scripts = [os.path.join("deploy", name) for name in (*SCRIPTS, "lib.sh")]
        done = subprocess.run(["shellcheck", "-x", *scripts], cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
