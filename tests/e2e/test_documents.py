"""The commands of README.md and docs/start.md, run as they are written, in one folder, in order."""
import os
import re
import subprocess
import unittest

from lab import BIN, ROOT, Lab, run


def shell_blocks(document):
    with open(os.path.join(ROOT, document), encoding="utf-8") as f:
        return re.findall(r"```sh\n(.*?)```", f.read(), re.S)


class Documents(Lab):
    def run_document(self, document):
        # The building commands have built what runs here; everything else is typed as written.
        lines = [line for block in shell_blocks(document) for line in block.splitlines()
                 if not re.match(r"\s*(\./dev|export PATH)", line)]
        self.assertGreater(len(lines), 5)
        for name in ("examples",):
            os.symlink(os.path.join(ROOT, name), self.path(name))
        script = "set -eux\nexport PATH=" + BIN + ":$PATH\n" + "\n".join(lines)
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, capture_output=True, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, check=False)
        run("hanse", "down", "--dir", self.path("net"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_the_readme_works_as_typed(self):
        out = self.run_document("README.md")
        self.assertIn("ok", out)

    def test_start_works_as_typed(self):
        self.run_document("docs/start.md")

    def test_the_readme_names_the_two_commands(self):
        text = "\n".join(shell_blocks("README.md"))
        self.assertIn("./dev demo", text)
        self.assertIn("./dev test", text)

    def test_files_named_in_documents_exist(self):
        for document in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/start.md"):
            with open(os.path.join(ROOT, document), encoding="utf-8") as f:
                text = f.read()
            for path in re.findall(r"`((?:src|docs|tools|examples|proto|tests|cli|node|chain|exchange|store|base)/"
                                   r"[\w/.-]+\.(?:cc|h|md|py|sh|cmake|yaml|c|proto))`", text):
                found = any(os.path.exists(os.path.join(ROOT, base, path)) for base in ("", "src"))
                self.assertTrue(found, f"{document} names {path}")


if __name__ == "__main__":
    unittest.main()
