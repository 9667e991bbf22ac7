#!/usr/bin/env python3
"""The systemd units: systemd takes every line of them, and finds little that they expose."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNITS = os.path.join(ROOT, "packaging", "systemd")
SYSTEMD = shutil.which("systemd-analyze")
EXPOSURE_MAX = 2.0  # of 10; the network and its own files are what remains


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)


@unittest.skipIf(SYSTEMD is None, "no systemd here")
class UnitsTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        self.units = []
        for name in sorted(os.listdir(UNITS)):
            if not name.endswith(".service"):
                continue
            with open(os.path.join(UNITS, name), encoding="utf-8") as file:
                # Verifying looks for the program, which is installed nowhere.
                text = file.read().replace("/usr/bin/databus", "/bin/true")
            self.units.append(os.path.join(self.directory, name.replace("@", "@dc1")))
            with open(self.units[-1], "w", encoding="utf-8") as file:
                file.write(text)
        self.assertEqual(len(self.units), 2)

    def test_systemd_takes_every_line(self):
        for unit in self.units:
            checked = run(SYSTEMD, "verify", "--man=no", unit)
            about_it = [line for line in checked.stdout.splitlines() if "databus" in line]
            self.assertEqual((checked.returncode, about_it), (0, []), checked.stdout)

    def test_little_is_exposed(self):
        for unit in self.units:
            checked = run(SYSTEMD, "security", "--offline=yes", "--no-pager", unit)
            found = re.search(r"Overall exposure level.*?: ([0-9.]+)", checked.stdout)
            self.assertIsNotNone(found, checked.stdout)
            self.assertLessEqual(float(found[1]), EXPOSURE_MAX, checked.stdout)


if __name__ == "__main__":
    unittest.main()
