#!/usr/bin/env python3
"""packaging/bin/databus.sh with real workers.

    databus_sh_test.py PROGRAM      the built `databus`

Waits on what the script and the trees say, never on time alone.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = os.path.realpath(sys.argv.pop(1))
SCRIPT = os.path.realpath(
    os.path.join(os.path.dirname(__file__), "../../packaging/bin/databus.sh"))

TOPOLOGY = """<databus>
  <defaults><rootdir>/databus</rootdir></defaults>
  <stream name="clicks">
    <source><name>dc1</name></source>
    <destination><name>dc1</name><primary>true</primary></destination>
  </stream>
  <cluster name="dc1" hdfsurl="file://{root}/dc1" jturl="local" jobqueuename="default"/>
</databus>
"""
CONFIG = """com.inmobi.databus.clusters={clusters}
com.inmobi.databus.cfg={root}/databus.xml
com.inmobi.databus.log4j={root}/no-such-file
com.inmobi.databus.enablezk=false
databus.worker.run_interval_ms=1000
"""


class DatabusSh(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="databus-sh-")
        self.addCleanup(shutil.rmtree, self.root)
        self.cfg = self.write("databus.cfg", CONFIG.format(root=self.root, clusters="dc1"))
        self.write("databus.xml", TOPOLOGY.format(root=self.root))
        self.env = {"PATH": os.environ["PATH"], "DATABUS_HOME": os.path.dirname(PROGRAM),
                    "DATABUS_PID_DIR": self.path("run"), "DATABUS_LOG_DIR": self.path("log")}
        self.addCleanup(lambda: self.run_script("stop", self.cfg))

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def run_script(self, *args):
        return subprocess.run([SCRIPT, *args], env=self.env, capture_output=True, text=True,
                              timeout=400, check=False)

    def expect(self, code, *args):
        ran = self.run_script(*args)
        self.assertEqual(ran.returncode, code, f"{args}\n{ran.stdout}{ran.stderr}")
        return ran.stdout + ran.stderr

    def expect_refusal(self, *args):
        """Of a start whose worker ends by itself, however slow the machine is."""
        self.env["DATABUS_START_S"] = "60"
        said = self.expect(2, "start", *args)
        del self.env["DATABUS_START_S"]
        return said

    def start_until(self, name, *options):
        """Starts the worker and waits until it has made this file."""
        self.expect(0, "start", self.cfg, *options)
        for _ in range(1200):
            if os.path.exists(self.path(name)):
                return
            time.sleep(0.1)
        self.fail(f"{name} does not appear")

    def pid(self):
        with open(self.path("run/databus-dc1.pid"), encoding="utf-8") as file:
            return int(file.read().split()[0])

    def alive(self, pid):
        """Whether it runs; one that has ended and was not waited for does not."""
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                return file.read().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def test_a_worker_is_started_once_restarted_and_stopped(self):
        self.expect(3, "stop", self.cfg)
        self.expect(0, "start", self.cfg)
        first = self.pid()
        self.assertTrue(self.alive(first))
        self.assertIn(str(first), self.expect(3, "start", self.cfg))
        self.expect(0, "restart", self.cfg)
        second = self.pid()
        self.assertNotEqual(first, second)
        self.assertFalse(self.alive(first), "restart stops before it starts")
        self.expect(0, "stop", self.cfg)
        self.assertFalse(self.alive(second))
        self.assertFalse(os.path.exists(self.path("run/databus-dc1.pid")))

    def test_after_a_kill_the_stale_pid_file_is_no_obstacle(self):
        self.expect(0, "start", self.cfg)
        os.kill(self.pid(), signal.SIGKILL)
        self.assertIn("stale", self.expect(0, "start", self.cfg))
        self.assertTrue(self.alive(self.pid()))

    def test_a_refused_configuration_is_exit_2_with_the_reason(self):
        self.write("databus.xml", "<databus>")
        self.assertIn("databus.xml", self.expect_refusal(self.cfg))
        self.assertFalse(os.path.exists(self.path("run/databus-dc1.pid")))
        self.expect(2, "start", self.path("none.cfg"))
        self.expect(2, "start")
        self.expect(2, "dance")

    def test_an_edited_topology_is_refused_until_it_is_adopted(self):
        self.start_until("dc1/databus/system/topology/1.xml")
        self.expect(0, "stop", self.cfg)
        edited = TOPOLOGY.replace("<databus>\n", "<databus>\n<!-- edited -->").replace(
            "<name>dc1</name></source>",
            "<name>dc1</name><retentioninhours>7</retentioninhours></source>")
        self.write("databus.xml", edited.format(root=self.root))
        self.assertIn("--adopt-config=1", self.expect_refusal(self.cfg))
        self.start_until("dc1/databus/system/topology/2.xml", "--adopt-config=1")

    def test_pid_and_log_files_carry_the_list_of_clusters(self):
        both = self.write("both.cfg", CONFIG.format(root=self.root, clusters="dc1, dc2"))
        self.expect_refusal(both)  # there is no dc2
        self.assertTrue(os.path.exists(self.path("log/databus-dc1_dc2.log")))

    def test_the_environment_file_beside_the_configuration_is_read(self):
        del self.env["DATABUS_PID_DIR"]
        self.write("databus.env", f"export DATABUS_PID_DIR=\"{self.path('elsewhere')}\"\n")
        self.expect(0, "start", self.cfg)
        self.assertTrue(os.path.exists(self.path("elsewhere/databus-dc1.pid")))

    def test_collapse_joins_the_entries_of_a_queue(self):
        self.start_until("dc1/databus/system/cluster-id")
        self.expect(0, "stop", self.cfg)
        queue = "dc1/databus/system/mirrors/dc9"
        os.makedirs(self.path(queue))
        lines = [f"/databus/streams/clicks/2031/05/06/10/0{n}" for n in range(3)]
        for number, line in enumerate(lines):
            self.write(f"{queue}/0.1.{number}", line + "\n")
        url = f"file://{self.root}/dc1"
        self.expect(0, "collapse", url, "/databus/system/mirrors/dc9")
        entries = os.listdir(self.path(queue))
        self.assertEqual(len(entries), 1)
        with open(self.path(os.path.join(queue, entries[0])), encoding="utf-8") as file:
            self.assertEqual(file.read().splitlines(), lines)
        self.expect(3, "collapse", url, "/databus/system/mirrors/dc9")
        self.expect(2, "collapse", url)

    def test_the_script_is_clean(self):
        shellcheck = shutil.which("shellcheck")
        if shellcheck is None:
            self.skipTest("no shellcheck on this machine")
        subprocess.run([shellcheck, SCRIPT], check=True)


if __name__ == "__main__":
    unittest.main()
