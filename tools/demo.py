#!/usr/bin/env python3
"""The main job, shown: a network of four validators, two providers and six mixes, three jobs through the mix, a round
of the sealed auction, their receipts, one forged byte.

usage: demo.py BIN_DIR. Exits 0 when everything happened as it should, 1 at the first thing that did not.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = [
    ("word frequencies of the GPL-3 (wasm), over the Deep lane: four layers, delays", "wordfreq.yaml", "ok", "deep"),
    ("digits it has not seen (int8 MLP), over the Flash lane: two layers", "../digits/job.yaml", "ok", "flash"),
    ("an endless loop, stopped by gas (wasm), over the Flash lane", "spin.yaml", "gas_exhausted", "flash"),
]
SEALED = [20000, 19000, 18000]  # what three bids would pay at most


def fail(what, detail=""):
    print(f"demo: {what}\n{detail}".rstrip(), file=sys.stderr)
    sys.exit(1)


def say(line):
    print(line, flush=True)


class Programs:
    def __init__(self, folder):
        self.folder = folder

    def run(self, program, *args):
        return subprocess.run([os.path.join(self.folder, program), *args], capture_output=True, text=True, check=False)

    def json(self, program, *args, codes=(0,)):
        done = self.run(program, *args, "--json")
        if done.returncode not in codes:
            fail(f"{program} {' '.join(args)} ended with {done.returncode}", done.stdout + done.stderr)
        return json.loads(done.stdout)


def submit(programs, net, title, file, expected, lane):
    say(f"   {title}")
    # A job that fails for its own fault is a negative answer, exit code 1.
    answer = programs.json("hanse", "submit", os.path.join(ROOT, "examples/jobs", file), "--dir", net, "--wait",
                           "--lane", lane, codes=(0,) if expected == "ok" else (1,))
    if answer["status"] != expected or answer["way"] != lane:
        fail(f"{file}: found status {answer['status']} by {answer['way']}, expected {expected} by {lane}",
             json.dumps(answer, indent=2))
    return answer


def bid_sealed(programs, net):
    """Three bids for the same work, sent at once through the mix; the round takes those that clear."""
    command = [os.path.join(programs.folder, "hanse"), "submit", os.path.join(ROOT, "examples/digits/job.yaml"),
               "--dir", net, "--sealed", "--lane", "flash", "--wait", "--json", "--limit"]
    bids = [subprocess.Popen(command + [str(limit)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for limit in SEALED]
    matched = []
    for limit, bid in zip(SEALED, bids):
        out, err = bid.communicate(timeout=240)
        if bid.returncode not in (0, 1):
            fail(f"a sealed bid ended with {bid.returncode}", out + err)
        answer = json.loads(out)
        if "receipt" in answer:
            matched.append(answer)
            say(f"   bid of {limit:5} ut: matched in round {answer['round']}, {answer['price_ut']} ut for its provider")
        else:
            say(f"   bid of {limit:5} ut: no trade in round {answer['round']} ({answer['reason']}), paid back")
    if not matched:
        fail("no sealed bid was matched")
    return matched


def show(rows):
    head = ["job", "provider", "price ut", "gas", "ms", "status", "output hash"]
    cells = [[r["job_id"][:12], r["provider"][:14], str(r["price_ut"]), str(r["gas"]), str(r["duration_ms"]),
              r["status"], (r["output_hash"] or "-")[:16]] for r in rows]
    widths = [max(len(line[i]) for line in [head] + cells) for i in range(len(head))]
    for line in [head] + cells:
        say("   " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def check_answers(rows):
    with open(rows[0]["output"], encoding="utf-8") as f:
        words = f.read().splitlines()
    say(f"   the five most frequent words: {', '.join(words[:5])}")
    checker = os.path.join(ROOT, "examples/digits/check.py")
    done = subprocess.run([sys.executable, checker, rows[1]["output"]], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        fail("the digits are wrong", done.stdout + done.stderr)
    say(f"   {done.stdout.strip()}")


def verify(programs, net, rows):
    genesis = os.path.join(net, "genesis.cbor")
    for row in rows:
        done = programs.run("hanse-verify", row["receipt"], "--genesis", genesis)
        if done.returncode != 0:
            fail(f"receipt of {row['job_id']} was refused", done.stdout + done.stderr)
        say(f"   {row['job_id'][:12]}  {done.stdout.strip().splitlines()[-1]}")
    with open(rows[0]["receipt"], "rb") as f:
        forged = bytearray(f.read())
    forged[len(forged) // 2] ^= 1
    path = os.path.join(net, "forged.receipt")
    with open(path, "wb") as f:
        f.write(forged)
    done = programs.run("hanse-verify", path, "--genesis", genesis)
    if done.returncode not in (1, 5):
        fail("a receipt with one flipped bit was not refused", done.stdout + done.stderr)
    say(f"   one bit flipped: refused, exit {done.returncode}: "
        f"{(done.stdout + done.stderr).strip().splitlines()[-1].strip()}")


def main():
    programs = Programs(os.path.abspath(sys.argv[1]))
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hanse-demo-") as folder:
        net = os.path.join(folder, "net")
        say("1. a network: four validators, two providers, six mixes (which hide nobody on one machine)")
        programs.json("hanse", "up", "--dir", net, "--providers", "2", "--routers", "6", "--detach")
        try:
            providers = programs.json("hanse", "provider", "list", "--dir", net)["providers"]
            for p in providers:
                say(f"   provider {p['id'][:14]}  region {p['region']}  isolation {p['isolation']}")
            if len(providers) != 2:
                fail(f"found {len(providers)} providers, expected 2")
            say("2. three jobs, through the mix")
            rows = [submit(programs, net, *job) for job in JOBS]
            show(rows)
            check_answers(rows)
            say("3. a round of the sealed auction")
            rows += bid_sealed(programs, net)
            say("4. their receipts, checked offline by hanse-verify")
        finally:
            programs.json("hanse", "down", "--dir", net)
        verify(programs, net, rows)
        say("5. the network is stopped; nothing is left running")
    say(f"done in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
