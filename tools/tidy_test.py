#!/usr/bin/env python3
"""Every rule of tidy.py shown failing, and passing next to it."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy  # noqa: E402

HEAD = ["// What it is for.\n", "#pragma once\n"]


def found(path, lines):
    return [what for rule in tidy.RULES for _, what in rule(path, lines)]


class Rules(unittest.TestCase):
    def expect(self, path, lines, fragment):
        self.assertTrue(any(fragment in what for what in found(path, lines)), found(path, lines))

    def test_foreign_headers_have_one_door(self):
        self.expect("src/node/x.cc", ["#include <rocksdb/db.h>\n"], "has its door in src/store/kv/")
        self.assertEqual(found("src/store/kv/kv.cc", ["#include <rocksdb/db.h>\n"]), [])

    def test_foreign_headers_stay_out_of_headers(self):
        self.expect("src/store/kv/kv.h", HEAD + ["#include <rocksdb/db.h>\n"], "foreign types stay in .cc files")

    def test_slow_standard_headers_are_refused(self):
        self.expect("src/base/core/x.cc", ["#include <regex>\n"], "slow to compile")
        self.expect("src/base/core/x.h", HEAD + ["#include <chrono>\n"], "durations are int64")

    def test_unfinished_work_is_refused(self):
        self.expect("docs/a.md", ["TODO: write\n"], "unfinished work")

    def test_sleeping_tests_are_refused(self):
        self.expect("src/base/core/x_test.cc", ["  std::this_thread::sleep_for(1s);\n"], "a test neither sleeps")
        self.assertEqual(found("src/base/core/x.cc", ["  sleep_for(1s);\n"]), [])

    def test_sizes_have_limits(self):
        self.expect("src/a/b.cc", ["\n"] * 601, "found 601 lines")
        self.assertEqual(found("src/a/b.cc", ["\n"] * 600), [])
        self.expect("src/a/b.cc", ["x" * 121 + "\n"], "found 121 columns")
        self.assertEqual(found("src/a/b.cc", ["x" * 120 + "\n"]), [])
        self.expect("README.md", ["\n"] * 121, "found 121 lines")

    def test_headers_say_what_they_are_for(self):
        self.expect("src/a/b.h", ["#pragma once\n"], "opens with what it is for")
        self.expect("src/a/b.h", ["// For.\n"], "#pragma once is missing")

    def test_trailing_blanks_are_refused(self):
        self.expect("src/a/b.cc", ["x; \n"], "trailing blanks")

    def test_the_tree_has_no_status_reports_and_no_swollen_rooms(self):
        self.assertTrue(list(tidy.check_tree(".", ["docs/final_report.md"])))
        self.assertTrue(list(tidy.check_tree(".", ["NOTES.md"])))
        self.assertTrue(list(tidy.check_tree(".", [f"src/a/b/f{i}.cc" for i in range(25)])))
        self.assertEqual(list(tidy.check_tree(".", [f"src/a/b/f{i}.cc" for i in range(24)])), [])


if __name__ == "__main__":
    unittest.main(verbosity=1)
