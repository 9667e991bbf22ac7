#!/usr/bin/env python3
"""tools/drills reads what `databus demo --json` writes.

    drills_test.py PROGRAM DEMO_TEST     the built `databus`, and the test that writes a report

Fails when the two drift apart: an option that the demo does not have, a name in the report that it
does not use, a figure that is called otherwise.
"""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

DRILLS = pathlib.Path(__file__).resolve().parent / "drills"
PROGRAM, DEMO_TEST = (os.path.realpath(sys.argv.pop(1)) for _ in range(2))


def load_drills():
    loader = importlib.machinery.SourceFileLoader("drills", str(DRILLS))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("drills", loader))
    loader.exec_module(module)
    return module


def report_of_the_demo():
    """As the demo's own code writes it, of made-up counts (DemoReportTest)."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "report.json"
        subprocess.run([DEMO_TEST, "--gtest_filter=DemoReportTest.*"], check=True,
                       stdout=subprocess.DEVNULL, env=os.environ | {"DEMO_REPORT": str(path)})
        return json.loads(path.read_text())


class DrillsTest(unittest.TestCase):
    def setUp(self):
        self.drills = load_drills()

    def drill(self, report, exit_code=0):
        return self.drills.Drill("unplanned", 7, exit_code, report)

    def test_the_demo_has_every_option_that_is_given(self):
        shown = subprocess.run([PROGRAM, "demo", "--help"], check=True, capture_output=True,
                               text=True).stdout
        given = set(re.findall(r'"(--[a-z-]+)"', DRILLS.read_text().split("def play", 1)[1]
                               .split("def ", 1)[0]))
        self.assertIn("--json", given)
        for option in given:
            self.assertRegex(shown, rf"(?m)^\s*{option}\b")

    def test_every_count_is_found_in_the_report(self):
        drill = self.drill(report_of_the_demo())
        self.assertTrue(drill.well)
        self.assertEqual(drill.events, 900)
        self.assertEqual(drill.seconds("failover"), 4.5)
        self.assertEqual(drill.seconds("failover", "first_visible_ms"), 2.5)
        self.assertEqual(drill.seconds("failback"), 9.0)
        self.assertIsNone(drill.seconds("failback", "first_visible_ms"))
        self.assertEqual((drill.refused(), drill.disconnected()), (0, 12))
        self.assertEqual(drill.kills, [("command", "swap"), ("worker", "verify"),
                                       ("collector", "spool")])
        self.assertEqual(drill.beyond(), [])

    def test_the_summary_has_every_figure(self):
        said = self.drills.summary([self.drill(report_of_the_demo())])
        for part in ("1 well, 0 not; lost 0, doubled 0", "4.5 / 4.5 / 4.5", "2.5 / 2.5 / 2.5",
                     "swap until all deliver 1.5 / 1.5 / 1.5", "producers refused 0",
                     "connections lost 12", "files salvaged 10", "lines of statements open 0",
                     "files that no statement named 0", "stale commits 0",
                     "copied and not missing 0", "all figures within limits", "3 kills -9"):
            self.assertIn(part, said)

    def test_what_is_lost_or_beyond_a_limit_is_told(self):
        report = report_of_the_demo()
        report["views"][0]["lost"] = 2
        self.assertFalse(self.drill(report).well)
        report = report_of_the_demo()
        for figure in report["figures"]:
            if figure["id"] == "refused" and figure["of"] == "failback":
                figure["within"] = False
        self.assertEqual(self.drill(report).beyond(), ["failback refused"])
        self.assertIn("beyond their limits: failback refused 1",
                      self.drills.summary([self.drill(report)]))

    def test_without_a_report_it_is_not_well(self):
        self.assertFalse(self.drill(None, 1).well)
        self.assertIsNone(self.drills.read_report(pathlib.Path("/nonexistent/report.json")))


if __name__ == "__main__":
    unittest.main()
