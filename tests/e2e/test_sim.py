"""The simulator from the command line: the same seed repeats itself, files replay, planted mistakes are noticed."""
import json
import unittest

from lab import Lab, run

SMALL = ("--n", "4", "--slots", "30")


class Simulator(Lab):
    def outcome(self, *args, code=0):
        done = run("hanse", "sim", *args, "--json")
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return json.loads(done.stdout)

    def test_the_same_seed_gives_the_same_trace(self):
        first = self.outcome("run", "--seed", "7", *SMALL)
        self.assertEqual(first["trace"], self.outcome("run", "--seed", "7", *SMALL)["trace"])
        self.assertNotEqual(first["trace"], self.outcome("run", "--seed", "8", *SMALL)["trace"])
        self.assertGreaterEqual(first["slots"], 30)

    def test_a_file_replays_what_a_line_runs(self):
        line = self.outcome("run", "--seed", "7", *SMALL, "--faults", "crash:50:90:1:0")
        with open(self.path("plan.sim"), "w", encoding="utf-8") as f:
            f.write("hanse-sim 1\nseed 7\nn 4\nslots 30\nfaults crash:50:90:1:0\n")
        self.assertEqual(line["trace"], self.outcome("replay", self.path("plan.sim"))["trace"])

    def test_a_trace_tells_the_faults(self):
        done = run("hanse", "sim", "run", "--seed", "7", *SMALL, "--faults", "crash:50:90:1:0", "--trace")
        self.assertEqual(done.returncode, 0)
        self.assertIn("fault begins: crash:50:90:1:0", done.stdout)

    def test_what_cannot_be_run_is_refused(self):
        self.refused(2, "world.plan", "hanse", "sim", "run", "--faults", "earthquake:0:1:2:3")
        self.refused(2, "cli.number", "hanse", "sim", "run", "--n", "65")
        self.refused(2, "world.mutant", "hanse", "sim", "search", "--mutant", "sunspots")

    def test_an_overlay_repeats_itself_and_says_what_it_measured(self):
        first = self.outcome("mesh", "broadcast", "--seed", "5", "--n", "40")
        self.assertEqual(first["trace"], self.outcome("mesh", "broadcast", "--seed", "5", "--n", "40")["trace"])
        self.assertNotEqual(first["trace"], self.outcome("mesh", "broadcast", "--seed", "6", "--n", "40")["trace"])
        self.assertEqual([p["missed"] for p in first["parts"]], [0, 0, 0, 0])
        self.refused(2, "mesh.scenario", "hanse", "sim", "mesh", "sunspots")
        self.refused(2, "mesh.scenario", "hanse", "sim", "mesh", "broadcast", "--n", "3")

    def test_an_observer_of_the_mix_repeats_itself_and_links_what_does_not_hide(self):
        small = ("mix", "--jobs", "160", "--payers", "20", "--seed", "5")
        first = self.outcome(*small)
        self.assertEqual(first, self.outcome(*small))
        self.assertGreater(first["deep"]["entropy_bits"], first["wanted_bits"])
        self.assertEqual((first["deep"]["delivered"], first["flash"]["likeliest_right"]), (20, 1.0))
        self.refused(2, "mixnet.plan", "hanse", "sim", "mix", "--mixes", "2")

    def test_a_search_notices_a_planted_mistake_and_nothing_else(self):
        self.assertEqual(self.outcome("search", "--seeds", "10", *SMALL)["found"], [])
        names = self.outcome("mutants")["mutants"]
        self.assertIn("join-on-one", names)
        found = self.outcome("search", "--mutant", "commit-before-durable", "--seeds", "500", code=1)
        self.assertEqual(found["mutant"], "commit-before-durable")
        self.assertIn("hanse sim run --seed", found["found"][0]["repro"])


if __name__ == "__main__":
    unittest.main()
