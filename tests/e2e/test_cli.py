"""The command line itself: help, errors, exit codes, completion. No network."""
import json
import subprocess
import unittest

from lab import BIN, Lab, run


class CommandLine(Lab):
    def test_help_of_every_command_exits_0(self):
        done = run("hanse", "--help")
        self.assertEqual(done.returncode, 0)
        for verb in ("up", "down", "keygen", "submit", "status", "cancel", "doctor", "version", "completion", "explain"):
            self.assertIn(f"  {verb} ", done.stdout)
            leaf = run("hanse", verb, "--help")
            self.assertEqual(leaf.returncode, 0, verb)
            self.assertIn("--json", leaf.stdout)
        for verb in (("wallet", "show"), ("provider", "list"), ("receipt", "get"), ("receipt", "show")):
            self.assertEqual(run("hanse", *verb, "--help").returncode, 0, verb)

    def test_a_mistyped_command_is_a_usage_error_that_names_the_nearest(self):
        done = run("hanse", "statsu")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stdout, "")
        self.assertIn("did you mean 'hanse status'?", done.stderr)

    def test_an_unknown_option_is_a_usage_error_on_stdout_with_json(self):
        error = self.refused(2, "cli.usage", "hanse", "status", "--frobnicate")
        self.assertIn("--frobnicate", error["message"])

    def test_a_missing_network_folder_is_named(self):
        error = self.refused(3, "cli.not_started", "hanse", "status", "--dir", self.path("nowhere"))
        self.assertIn("nowhere", error["message"])

    def test_numbers_are_checked(self):
        error = self.refused(2, "cli.number", "hanse", "up", "--dir", self.path("n"), "--providers", "many")
        self.assertIn("found 'many' for --providers", error["message"])

    def test_version_is_one_line_and_one_object(self):
        done = run("hanse", "version")
        self.assertRegex(done.stdout, r"^hanse \d+\.\d+\.\d+\n$")
        self.assertIn(self.ok("hanse", "version")["version"], done.stdout)

    def test_explain_knows_an_error_and_says_so_when_it_does_not(self):
        self.assertIn("cli.usage", run("hanse", "explain", "cli.usage").stdout)
        self.refused(1, "cli.unknown_error", "hanse", "explain", "cli.usgae")

    def test_completion_scripts_load_and_complete(self):
        script = run("hanse", "completion", "bash").stdout + """
COMP_WORDS=(hanse rec); COMP_CWORD=1; _hanse; echo "${COMPREPLY[*]}"
COMP_WORDS=(hanse receipt ''); COMP_CWORD=2; _hanse; echo "${COMPREPLY[*]}"
COMP_WORDS=(hanse receipt get --js); COMP_CWORD=3; _hanse; echo "${COMPREPLY[*]}"
"""
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout.splitlines(), ["receipt", "get show", "--json"], done.stderr)

    def test_a_closed_pipe_is_no_crash(self):
        done = subprocess.run(["bash", "-c", f"set -o pipefail; {BIN}/hanse --help | true"], check=False)
        self.assertIn(done.returncode, (0, 141))

    def test_json_errors_are_one_object(self):
        done = run("hanse", "submit", self.path("absent.yaml"), "--json")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(list(json.loads(done.stdout)), ["error"])


if __name__ == "__main__":
    unittest.main()
