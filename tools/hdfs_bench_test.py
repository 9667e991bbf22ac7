#!/usr/bin/env python3
"""tools/hdfs-bench understands its arguments, and sums up what was measured.

    hdfs_bench_test.py PROGRAM      the built `databus`

Nothing of Hadoop is started. Fails, too, when an option is given to the program that it does not
have, or a figure of it is called otherwise.
"""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

BENCH = pathlib.Path(__file__).resolve().parent / "hdfs-bench"
PROGRAM = os.path.realpath(sys.argv.pop(1))


def load_bench():
    loader = importlib.machinery.SourceFileLoader("hdfs_bench", str(BENCH))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("hdfs_bench", loader))
    loader.exec_module(module)
    return module


def result(files, seconds, servers, client=1.0):
    return {"files": files, "bytes": files * 20_000, "seconds": seconds, "wall": seconds,
            "client_cpu": client, "servers_cpu": servers, "servers": {"name node 1": servers},
            "others": 0.1}


class HdfsBenchTest(unittest.TestCase):
    def setUp(self):
        self.bench = load_bench()
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def parse(self, *arguments):
        return self.bench.parse_arguments(
            ["--program", PROGRAM, "--dir", self.directory.name + "/new", *arguments])

    def refusal(self, *arguments):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as exit_:
            self.parse(*arguments)
        self.assertEqual(exit_.exception.code, 2)
        return said.getvalue()

    def test_everything_five_times_is_the_default(self):
        options = self.parse()
        self.assertEqual((options.rounds, options.files, options.merge_gb), (5, 10_000, 10))
        self.assertEqual(tuple(options.only), self.bench.PARTS)
        self.assertEqual(self.parse("--only", "few,merge").only, ["few", "merge"])

    def test_wrong_arguments_are_refused_with_what_is_right(self):
        self.assertIn("no part 'cpy'; there are: copy, large", self.refusal("--only", "cpy"))
        self.assertIn("found '0', expected 1 to 100", self.refusal("--rounds", "0"))
        self.assertIn("found 'x'", self.refusal("--merge-gb", "x"))
        self.assertIn("./run build makes it", self.refusal("--program", "/no/databus"))
        self.assertIn("is there already", self.refusal("--dir", self.directory.name))

    def test_the_program_has_every_option_that_is_given(self):
        text = BENCH.read_text()
        for command in (("bench", "hdfs"), ("bench", "freshness")):
            shown = subprocess.run([PROGRAM, *command, "--help"], check=True, capture_output=True,
                                   text=True).stdout
            for option in ("--json", "--directory", "--dc1", "--dc2"):
                self.assertRegex(shown, rf"(?m)^\s*{option}\b")
            for option in re.findall(r'"(--[a-z-]+)"', text.split("# --- Parts")[1].split(
                    "# --- What it says")[0]):
                if command[1] == "hdfs" and option not in ("--rate", "--seconds"):
                    self.assertRegex(shown, rf"(?m)^\s*{option}\b")

    def test_the_figures_of_a_task_are_found(self):
        url = "file://" + self.directory.name + "/tree"
        options = self.parse()
        done = self.bench.databus(options, "create", "--to", url, "--files", "3", "--bytes", "10")
        with self.bench.Meter({}) as meter:
            pass
        measured = meter.result(done["files"], done["bytes"], done["seconds"])
        self.assertEqual((measured["files"], measured["bytes"]), (3, 30))
        with self.assertRaisesRegex(self.bench.Failed, "copy needs --from"):
            self.bench.databus(options, "copy", "--to", url)

    def test_ratios_are_of_medians_and_say_whether_targets_are_met(self):
        cores = os.cpu_count()
        results = {"copy": {
            "databus": [result(900, 1.0, cores * 0.9), result(900, 1.1, cores * 0.9),
                        result(900, 9.0, cores * 0.9)],
            "DistCp": [result(900, 5.0, 3.0)] * 3, "Java": [result(900, 1.2, 2.0)] * 3}}
        said = self.bench.report(results, self.parse())
        self.assertIn("100 / 818 / 900", said)
        self.assertIn("over DistCp: 4.55 (target: at least 3) met", said)
        self.assertIn("over the Java client: 1.09 (target: at least 1.3) MISSED", said)
        self.assertIn("their limit: 1000 files/s", said)
        self.assertIn("over that limit: 0.82 (target: at least 0.85) MISSED", said)

    def test_every_part_can_be_told(self):
        rounds = {name: [result(20, 1.0, 1.0)] for name in ("databus", "DistCp", "Java")}
        hop = {"p50_ms": 1000, "p99_ms": 6000}
        results = {part: rounds for part in ("copy", "large", "few", "create")} | {
            "freshness": {"messages_per_s": 5000, "servers_cpu_per_s": 0.5, "others": 0.1,
                          "local": hop, "merged": hop, "mirror": hop},
            "merge": {"files": 3, "bytes": 1e9, "seconds": 5, "merging_resident_bytes": 50e6,
                      "other_resident_bytes": 60e6}}
        said = self.bench.report(results, self.parse())
        self.assertIn("local: p50 1.00 s, p99: 6.00 s (target: at most 5 s) MISSED", said)
        self.assertIn("merged: p50 1.00 s, p99: 6.00 s (target: at most 8 s) met", said)
        self.assertIn("50.00 MB (target: at most 200 MB) met", said)
        json.dumps(results)


if __name__ == "__main__":
    unittest.main()
