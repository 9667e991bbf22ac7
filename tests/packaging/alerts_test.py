#!/usr/bin/env python3
"""The alert rules: each parses, names metrics that exist, and has a row in docs/operations.md.

docs/metrics.md stands for the metrics: a test of its own holds it to the declarations.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = os.path.join(ROOT, "packaging", "prometheus", "alerts.yml")
PROMTOOL = shutil.which("promtool")
OF_PROMETHEUS = {"up"}


def text(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def table(page, row):
    """What `row` finds at the beginnings of the lines of a page, and whether it is there once."""
    found = re.findall(row, page, re.MULTILINE)
    assert len(found) == len(set(found)), "twice in a table: %s" % found
    return set(found)


def unquoted(expression):
    return re.sub(r'"[^"]*"', '""', expression)


class AlertsTest(unittest.TestCase):
    def setUp(self):
        groups = yaml.safe_load(text("packaging", "prometheus", "alerts.yml"))["groups"]
        self.rules = [rule for group in groups for rule in group["rules"]]

    def test_each_rule_is_whole_and_has_a_name_of_its_own(self):
        names = [rule["alert"] for rule in self.rules]
        self.assertGreater(len(names), 10)
        self.assertEqual(len(names), len(set(names)))
        for rule in self.rules:
            with self.subTest(rule["alert"]):
                self.assertRegex(rule["alert"], r"^Databus[A-Za-z]+$")
                self.assertIn(rule["labels"]["severity"], ("page", "ticket"))
                self.assertTrue(rule["annotations"]["summary"].endswith("."))

    def test_each_metric_that_a_rule_names_exists_with_the_labels_it_is_asked_for(self):
        labels = {}
        for line in text("docs", "metrics.md").splitlines():
            row = re.match(r"\| `(\w+)` \| \w+ \| ([^|]*) \|", line)
            if row:
                labels[row[1]] = set(row[2].replace(",", " ").split())
        for rule in self.rules:
            with self.subTest(rule["alert"]):
                expression = unquoted(rule["expr"])
                named = set(re.findall(r"\bdatabus_\w+", expression))
                self.assertTrue(named or "up{" in expression)
                self.assertEqual(named - set(labels), set())
                for name, selector in re.findall(r"\b(databus_\w+)\{([^}]*)\}", expression):
                    asked = set(re.findall(r"(\w+)\s*[=!]", selector))
                    self.assertEqual(asked - labels[name], set(), name)

    def test_each_alert_has_a_row_in_operations_and_each_row_an_alert(self):
        rows = table(text("docs", "operations.md"), r"^\| (Databus[A-Za-z]+) \|")
        self.assertEqual(rows, {rule["alert"] for rule in self.rules})

    @unittest.skipIf(PROMTOOL is None, "no promtool here (Debian package prometheus)")
    def test_rules_fire_when_they_should_and_only_then(self):
        with tempfile.TemporaryDirectory() as directory:
            # Rule files are looked for beside the file of the tests.
            shutil.copy(RULES, directory)
            tests = shutil.copy(
                os.path.join(ROOT, "tests", "packaging", "alerts_promtool.yml"), directory)
            run = subprocess.run([PROMTOOL, "test", "rules", tests], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stdout)


if __name__ == "__main__":
    unittest.main()
