"""The command line itself: help, errors, exit codes, completion. No network."""
import json
import os
import shutil
import subprocess
import unittest

from lab import BIN, Lab, run


class CommandLine(Lab):
    def test_help_of_every_command_exits_0(self):
        done = run("hanse", "--help")
        self.assertEqual(done.returncode, 0)
        verbs = ("up", "down", "keygen", "submit", "status", "cancel", "doctor", "version", "completion", "explain")
        for verb in verbs:
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

    def test_a_passphrase_needs_a_terminal_or_a_descriptor(self):
        error = self.refused(2, "cli.passphrase", "hanse", "keygen", "--out", self.path("key.json"),
                             start_new_session=True)
        self.assertIn("--passphrase-fd", error["message"])
        self.assertFalse(os.path.exists(self.path("key.json")))

    def test_a_passphrase_is_read_from_a_descriptor_up_to_1024_bytes(self):
        for size, fits in ((1024, True), (1025, False)):
            out = self.path(f"{size}.json")
            with open(self.write("secret", "x" * size + "\n"), encoding="utf-8") as secret:
                args = ("hanse", "keygen", "--out", out, "--passphrase-fd", secret.fileno())
                if fits:
                    self.assertTrue(self.ok(*args, pass_fds=(secret.fileno(),))["encrypted"])
                else:
                    self.refused(2, "cli.passphrase", *args, pass_fds=(secret.fileno(),))
            self.assertEqual(os.path.exists(out), fits)

    def test_a_descriptor_that_is_not_open_is_refused(self):
        error = self.refused(2, "cli.passphrase", "hanse", "keygen", "--out", self.path("key.json"),
                             "--passphrase-fd", "999")
        self.assertIn("999", error["message"])

    def test_a_network_needs_an_empty_folder_with_a_short_path(self):
        self.write("letter.txt", "not a network")
        error = self.refused(1, "cli.network_folder", "hanse", "up", "--dir", self.folder, "--detach")
        self.assertIn("1 other entries", error["message"])
        self.assertEqual(os.listdir(self.folder), ["letter.txt"])
        self.refused(1, "cli.network_folder", "hanse", "up", "--dir", self.path("x" * 81), "--detach")

    def test_a_damaged_network_file_is_corrupt_and_a_node_name_cannot_lead_out_of_the_folder(self):
        for content in ({}, {"nodes": [{"name": "a", "role": "validator"}]},
                        {"nodes": [{"name": "../a", "role": "validator", "id": "b"}]}):
            self.write("network.json", json.dumps(content))
            self.refused(5, "cli.network_folder", "hanse", "down", "--dir", self.folder)

    def test_a_daemon_that_is_missing_beside_hanse_is_named(self):
        alone = shutil.copy(os.path.join(BIN, "hanse"), self.path("hanse"))
        error = self.refused(3, "cli.start_failed", alone, "node", "run", "--config", self.path("node.toml"))
        self.assertIn(self.path("hansed"), error["message"])

    def test_explain_gives_the_exit_code_of_the_kind(self):
        for name, code in (("cli.usage", 2), ("client.timeout", 3), ("receipt.signature", 4), ("kv.corrupt", 5),
                           ("ledger.halted", 70), ("market.unmatched", 1)):
            answer = self.ok("hanse", "explain", name)
            self.assertEqual(answer["exit_code"], code, name)
            self.assertTrue(answer["meaning"] and answer["remedy"], name)


class OtherPrograms(Lab):
    def test_the_verifier_says_what_it_was_not_given(self):
        self.refused(2, "receipt.usage", "hanse-verify")
        self.refused(2, "receipt.usage", "hanse-verify", "a", "b")
        self.refused(2, "receipt.usage", "hanse-verify", self.path("absent.receipt"))

    def test_the_verifier_refuses_a_file_that_is_no_genesis(self):
        receipt = self.write("a.receipt", b"receipt")
        genesis = self.write("genesis.cbor", b"no genesis")
        self.refused(5, "receipt.genesis", "hanse-verify", receipt, "--genesis", genesis)

    def test_the_daemon_refuses_a_command_line_it_does_not_know(self):
        for args in ((), ("--frobnicate",), ("--config",)):
            done = run("hansed", *args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn("daemon.usage", done.stderr)

    def test_the_daemon_refuses_a_data_folder_that_others_may_write(self):
        config = self.write("node.toml", "[storage]\npath = \"data\"\n")
        os.mkdir(self.path("data"))
        os.chmod(self.path("data"), 0o722)
        done = run("hansed", "--config", config)
        self.assertEqual(done.returncode, 4, done.stdout + done.stderr)
        self.assertIn("daemon.folder", done.stderr)


if __name__ == "__main__":
    unittest.main()
