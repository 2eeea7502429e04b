"""Wallets: made once, readable by the owner only, refused when anything about them is wrong."""
import os
import unittest

from lab import ROOT, Lab, run

WORDFREQ = os.path.join(ROOT, "examples/jobs/wordfreq.yaml")


class Wallet(Lab):
    def secret(self, words):
        """A descriptor that holds a passphrase."""
        reader, writer = os.pipe()
        os.write(writer, words.encode() + b"\n")
        os.close(writer)
        self.addCleanup(os.close, reader)
        return reader

    def keygen(self, name, words="correct horse", *extra):
        path, fd = self.path(name), self.secret(words)
        return path, self.ok("hanse", "keygen", "--out", path, "--passphrase-fd", fd, *extra, pass_fds=(fd,))

    def submit(self, net, wallet, words):
        fd = self.secret(words)
        return run("hanse", "submit", WORDFREQ, "--dir", net, "--wallet", wallet, "--passphrase-fd", fd, "--json",
                   pass_fds=(fd,))

    def test_a_key_file_is_private_and_never_overwritten(self):
        path, made = self.keygen("my.json")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertTrue(made["encrypted"])
        fd = self.secret("another")
        self.refused(1, "crypto.keyfile_exists", "hanse", "keygen", "--out", path, "--passphrase-fd", fd,
                     pass_fds=(fd,))
        self.assertEqual(self.ok("hanse", "wallet", "show", path)["account"], made["account"])
        _, forced = self.keygen("my.json", "another", "--force")
        self.assertNotEqual(forced["account"], made["account"])

    def test_a_wallet_that_others_may_read_or_that_is_a_link_is_refused(self):
        path, _ = self.keygen("my.json")
        os.symlink(path, self.path("link.json"))
        self.refused(4, "crypto.keyfile_symlink", "hanse", "wallet", "show", self.path("link.json"))
        os.chmod(path, 0o640)
        self.refused(4, "crypto.keyfile_mode", "hanse", "wallet", "show", path)
        self.refused(1, "crypto.keyfile_missing", "hanse", "wallet", "show", self.path("absent.json"))

    def test_a_damaged_wallet_is_corrupt(self):
        path, _ = self.keygen("my.json")
        with open(path, "rb") as f:
            good = f.read()
        for size in (0, 10, len(good) // 2):
            with open(path, "wb") as f:
                f.write(good[:size])
            self.refused(5, "crypto.keyfile_corrupt", "hanse", "wallet", "show", path)

    def test_a_wrong_passphrase_is_denied_and_the_right_one_reaches_the_market(self):
        net = self.up()
        path, _ = self.keygen("my.json", "correct horse")
        wrong = self.submit(net, path, "battery staple")
        self.assertEqual(wrong.returncode, 4, wrong.stdout)
        self.assertIn("crypto.wrong_passphrase", wrong.stdout)
        poor = self.submit(net, path, "correct horse")  # the account has no funds
        self.assertEqual(poor.returncode, 1, poor.stdout)
        self.assertIn("ledger.insufficient", poor.stdout)


if __name__ == "__main__":
    unittest.main()
