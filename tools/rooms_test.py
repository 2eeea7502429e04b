#!/usr/bin/env python3
"""The guard must fail: each test plants one wrong arrow in a small house and expects it to be named."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rooms  # noqa: E402

PLAN = """
room(base/core 0)
room(base/codec 0)
room(store/kv 1 USES codec)
room(cli/verbs 8 USES kv)
program(tool base/codec/main_tool.cc ROOMS verbs)
"""


class Guard(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.write("rooms.cmake", PLAN)
        self.write("base/core/a.h", "#pragma once\n")
        self.write("base/codec/b.h", '#include "base/core/a.h"\n')
        self.write("store/kv/kv.h", '#include "base/codec/b.h"\n')
        self.write("store/kv/detail/inner.h", "#pragma once\n")
        self.write("cli/verbs/v.h", '#include "store/kv/kv.h"\n')
        self.write("base/codec/main_tool.cc", '#include "cli/verbs/v.h"\n')

    def write(self, path, text):
        full = os.path.join(self.folder.name, "src", path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)

    def errors(self):
        return rooms.check(self.folder.name)[1]

    def test_a_straight_house_passes(self):
        self.assertEqual(self.errors(), [])

    def test_an_upward_include_is_named_with_both_rooms(self):
        self.write("base/codec/b.h", '\n#include "cli/verbs/v.h"\n')
        self.assertEqual(len(self.errors()), 1)
        self.assertIn("src/base/codec/b.h:2", self.errors()[0])
        self.assertIn("room codec (floor 0) includes cli/verbs/v.h of room verbs (floor 8): arrows never rise",
                      self.errors()[0])

    def test_an_unnamed_room_below_is_named_with_the_line_to_add(self):
        self.write("cli/verbs/v.h", '#include "base/codec/b.h"\n')
        self.assertIn("missing: room(cli/verbs 8 USES ... codec)", self.errors()[0])

    def test_uses_of_a_room_declared_below_is_refused(self):
        self.write("rooms.cmake", "room(base/core 0 USES codec)\nroom(base/codec 0)\n")
        self.assertTrue(any("room core uses codec, which is not declared above it" in e for e in self.errors()))

    def test_uses_of_a_higher_floor_is_refused(self):
        self.write("rooms.cmake", PLAN.replace("USES kv)", "USES kv)\nroom(store/blob 1 USES verbs)"))
        self.assertTrue(any("room blob (floor 1) uses verbs (floor 8): arrows never rise" in e for e in self.errors()))

    def test_anothers_detail_is_private(self):
        self.write("cli/verbs/v.h", '#include "store/kv/detail/inner.h"\n')
        self.assertIn("private to room kv", self.errors()[0])

    def test_a_file_outside_every_room_is_named(self):
        self.write("base/lost/x.cc", "\n")
        self.assertIn("src/base/lost/x.cc:1: belongs to no room", self.errors()[0])

    def test_a_relative_include_is_refused(self):
        self.write("base/codec/b.h", '#include "../core/a.h"\n')
        self.assertIn("includes are written from src/", self.errors()[0])

    def test_the_same_room_twice_is_refused(self):
        self.write("rooms.cmake", PLAN + "room(mesh/kv 2)\n")
        self.assertTrue(any("room kv is declared twice" in e for e in self.errors()))


class CMakeGuard(unittest.TestCase):
    """The build itself refuses a wrong plan, before anything compiles."""

    def configure(self, plan):
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "CMakeLists.txt"), "w", encoding="utf-8") as f:
                # Only the guard function is under test, so the rooms need no sources and no libraries.
                f.write("cmake_minimum_required(VERSION 3.28)\nproject(guard LANGUAGES NONE)\n"
                        f"file(READ {root}/cmake/Room.cmake text)\n"
                        'string(REGEX MATCH "function\\\\(hanse_check_uses.*function\\\\(room" text "${text}")\n'
                        'string(REGEX REPLACE "function\\\\(room$" "" text "${text}")\n'
                        "cmake_language(EVAL CODE \"${text}\")\n"
                        "function(room path floor)\n  cmake_parse_arguments(R \"\" \"\" USES ${ARGN})\n"
                        "  get_filename_component(name ${path} NAME)\n  hanse_check_uses(${name} ${floor} ${R_USES})\n"
                        "  set_property(GLOBAL PROPERTY HANSE_FLOOR_${name} ${floor})\nendfunction()\n" + plan)
            return subprocess.run(["cmake", "-S", folder, "-B", os.path.join(folder, "b")],
                                  capture_output=True, text=True, check=False)

    def test_a_good_plan_configures(self):
        self.assertEqual(self.configure("room(base/core 0)\nroom(cli/verbs 8 USES core)\n").returncode, 0)

    def test_an_upward_arrow_stops_the_configure(self):
        done = self.configure("room(base/core 0)\nroom(cli/verbs 8)\nroom(base/codec 0 USES core verbs)\n")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("room codec (floor 0) uses verbs (floor 8)", " ".join(done.stderr.split()))

    def test_a_room_declared_later_stops_the_configure(self):
        done = self.configure("room(base/core 0 USES verbs)\nroom(cli/verbs 8)\n")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("room core uses verbs, which is not declared above it", " ".join(done.stderr.split()))


if __name__ == "__main__":
    unittest.main(verbosity=1)
