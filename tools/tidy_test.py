#!/usr/bin/env python3
"""Tests of tools/tidy: each rule refuses what it is for, and lets its lawful neighbour pass."""

import importlib.machinery
import importlib.util
import os
import tempfile
import unittest

TIDY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tidy")
loader = importlib.machinery.SourceFileLoader("tidy", TIDY)
tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", loader))
loader.exec_module(tidy)

MARKER = "FIX" + "ME"


class TidyTest(unittest.TestCase):
    def offences(self, files):
        """(rule, line) of every offence in a tree of these files."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as file:
                    file.write(text)
            return [(offence.rule, offence.line) for offence in tidy.check(root)]

    def one(self, path, text):
        return self.offences({path: text})

    def assert_clean(self, path, text):
        self.assertEqual(self.one(path, text), [])

    # Lengths.

    def test_a_line_of_100_columns_passes_and_one_of_101_does_not(self):
        text = "// " + "x" * 97 + "\n// " + "x" * 98 + "\n"
        self.assertEqual(self.one("src/base/a.cc", text), [("line", 2)])

    def test_columns_are_characters_not_bytes(self):
        self.assert_clean("src/base/a.cc", "// " + "é" * 97 + "\n")

    def test_a_function_of_70_lines_passes_and_one_of_71_does_not(self):
        def function(lines):
            return "void F(int a) {\n" + "  Go();\n" * (lines - 2) + "}\n"
        self.assert_clean("src/base/a.cc", function(70))
        self.assertEqual(self.one("src/base/a.cc", "\n" + function(71)), [("function", 2)])

    def test_methods_tests_and_constructors_are_functions(self):
        body = "  Go();\n" * 70
        for head in ("TEST(A, B) {", "A::A(int b) : b_(b), c_{1}, d_{2} {", "Status A::F() const {",
                     "A& A::operator=(A&& other) noexcept {", "auto F() -> std::vector<int> {"):
            text = "namespace a {\n" + head + "\n" + body + "}\n}\n"
            self.assertEqual(self.one("src/base/a.cc", text), [("function", 2)], head)
        in_class = "class A : public B {\n public:\n  void F() override {\n" + body + "  }\n};\n"
        self.assertEqual(self.one("src/base/a.cc", in_class), [("function", 3)])

    def test_tables_classes_and_namespaces_are_no_functions(self):
        rows = "  {1, F(2)},\n" * 80
        self.assert_clean("src/base/a.cc", "const Row kRows[] = {\n" + rows + "};\n")
        self.assert_clean("src/base/a.cc", "namespace {\n" + "int F();\n" * 80 + "}\n")
        self.assert_clean("src/base/a.cc", "struct A {\n" + "  int F();\n" * 80 + "};\n")

    def test_braces_in_literals_and_comments_do_not_count(self):
        text = "void F() {\n  Go(\"{\", '{');  // {\n}\n" + "int G();\n" * 80
        self.assert_clean("src/base/a.cc", text)

    def test_headers_end_at_300_lines_and_sources_at_800(self):
        once = "#pragma once\n"
        self.assert_clean("src/base/a.h", once + "int a;\n" * 299)
        self.assertEqual(self.one("src/base/a.h", once + "int a;\n" * 300), [("file", 301)])
        self.assert_clean("src/base/a.cc", "int a;\n" * 800)
        self.assertEqual(self.one("src/base/a.cc", "int a;\n" * 801), [("file", 801)])

    # Banned calls.

    def test_each_ban_refuses_the_call_outside_its_folder_and_allows_it_inside(self):
        for rule, call, allowed in (
                ("clock", "auto a = std::chrono::steady_clock::now();", "src/base/a.cc"),
                ("clock", "clock_gettime(CLOCK_REALTIME, &a);", "src/base/a.cc"),
                ("clock", "auto a = time(nullptr);", "src/base/a.cc"),
                ("random", "std::random_device a;", "src/base/a.cc"),
                ("random", "int a = rand();", "src/base/a.cc"),
                ("sleep", "std::this_thread::sleep_for(a);", "src/base/a.cc"),
                ("sleep", "usleep(10);", "src/base/a.cc"),
                ("thread", "std::mutex a;", "src/base/a.cc"),
                ("thread", "std::thread a(b);", "src/base/a.cc"),
                ("thread", "std::lock_guard a(b);", "src/base/a.cc"),
                ("getenv", "auto a = std::getenv(b);", "src/cli/a.cc"),
                ("path-join", 'a = b + "/" + c;', "src/cluster/a.cc"),
                ("path-join", 'a = b + "/conf";', "src/cluster/a.cc"),
                ("path-join", 'a = "streams/" + c;', "src/storage/local/a.cc"),
                ("path-join", "a += '/';", "src/cluster/a.cc"),
                ("path-join", 'a = fmt::format("{}/{}", b, c);', "src/cluster/a.cc")):
            self.assertIn((rule, 1), self.one("src/worker/a.cc", call + "\n"), call)
            self.assert_clean(allowed, call + "\n")

    def test_what_only_looks_like_a_banned_call_passes(self):
        for line in ("// steady_clock and std::mutex are banned", 'Log("std::thread, rand()");',
                     "auto a = clock.Time(b);", "file.time(0);", "Operand(a);", "stop.sleep(a);",
                     'a = "file://" + b;', "int a = b / c;", 'Split(a, "/");', "A_THREAD(a);"):
            self.assert_clean("src/worker/a.cc", line + "\n")

    def test_tests_may_join_paths(self):
        test = {"src/worker/a_test.cc": 'a = b + "/c";\n'}
        self.assertEqual(self.offences(test | {"src/worker/CMakeLists.txt": "a_test.cc\n"}), [])
        for helper in ("src/worker/test_world.cc", "src/worker/queue_test_world.cc"):
            self.assert_clean(helper, 'a = b + "/c";\n')
        self.assertEqual(self.one("src/worker/contest.cc", 'a = b + "/c";\n'), [("path-join", 1)])

    def test_catch_all_must_rethrow(self):
        bad = "try {\n  F();\n} catch (...) {\n  G();\n}\n"
        self.assertEqual(self.one("src/worker/a.cc", bad), [("catch-all", 3)])
        self.assert_clean("src/worker/a.cc", bad.replace("G();", "G();\n  throw;"))
        self.assert_clean("src/worker/a.cc", bad.replace("(...)", "(const Broken&)"))

    def test_bool_parameters_are_refused_in_headers_and_bool_results_are_not(self):
        head = "#pragma once\n"
        for line in ("void F(bool on);", "void F(int a, bool on = false);", "void F(bool);",
                     "void F(const bool on, int b);"):
            found = self.one("src/base/a.h", head + line + "\n")
            self.assertEqual(found, [("bool-parameter", 2)], line)
        for line in ("bool F(int a);", "Result<bool> F();", "explicit operator bool() const;",
                     "bool on = false;", "std::function<bool(int)> f;"):
            self.assert_clean("src/base/a.h", head + line + "\n")

    def test_markers_are_refused_everywhere(self):
        self.assertEqual(self.one("src/base/a.cc", f"// {MARKER}: later\n"), [("marker", 1)])
        self.assertEqual(self.one("README.md", f"\n{MARKER}\n"), [("marker", 2)])
        self.assert_clean("README.md", f"{MARKER}S are words too\n")

    def test_a_header_without_pragma_once_is_refused(self):
        self.assertEqual(self.one("src/base/a.h", "int a;\n"), [("pragma-once", 1)])

    # Tests.

    def test_a_test_file_that_nothing_builds_is_refused(self):
        test = {"src/worker/x/a_test.cc": "\n"}
        self.assertEqual(self.offences(test), [("unbuilt-test", 1)])
        self.assertEqual(self.offences(test | {"src/worker/x/CMakeLists.txt": "S(a_test.cc)"}), [])
        self.assertEqual(self.offences(test | {"src/worker/CMakeLists.txt": "S(x/a_test.cc)"}), [])
        self.assertEqual(self.offences(test | {"src/worker/x/CMakeLists.txt": "S(aa_test.cc)"}),
                         [("unbuilt-test", 1)])

    def test_a_disabled_test_is_refused(self):
        files = {"tests/a_test.cc": "TEST(A, DISABLED_B) {}\n", "tests/CMakeLists.txt": "a_test.cc"}
        self.assertEqual(self.offences(files), [("disabled-test", 1)])

    # Who includes whom.

    def test_an_area_includes_only_itself_and_areas_before_it(self):
        self.assert_clean("src/commit/a.cc", '#include "base/a.h"\n#include "commit/b.h"\n')
        self.assertEqual(self.one("src/commit/a.cc", '\n#include "worker/a.h"\n'), [("include", 2)])
        self.assert_clean("src/commit/a.cc", '// #include "worker/a.h"\n')

    def test_services_do_not_know_each_other(self):
        for area, other in (("worker", "collector"), ("failover", "worker"),
                            ("client", "failover")):
            include = f'#include "{other}/a.h"\n'
            self.assertEqual(self.one(f"src/{area}/a.cc", include), [("include", 1)])
        self.assert_clean("src/cli/a.cc", '#include "worker/a.h"\n#include "collector/a.h"\n')

    def test_product_code_knows_neither_simulator_nor_tests(self):
        for other in ("sim", "tests"):
            include = f'#include "{other}/a.h"\n'
            self.assertEqual(self.one("src/base/a.cc", include), [("include", 1)])

    def test_a_folder_of_src_that_is_no_area_is_refused(self):
        self.assertEqual(self.one("src/utils/a.cc", "\n"), [("area", 1)])

    # Documents.

    def test_a_link_to_nowhere_is_refused(self):
        page = "[a](docs/b.md) [c](https://d.example/) [e](#f)\n```\n[g](h)\n```\n"
        self.assertEqual(self.one("README.md", page), [("link", 1)])
        other = {"docs/b.md": "[up](../README.md#x)\n"}
        self.assertEqual(self.offences({"README.md": page} | other), [])
        self.assertEqual(self.one("src/base/a.cc", "// See docs/b.md.\n"), [("link", 1)])

    def test_a_cited_rule_must_be_stated(self):
        pages = {"docs/protocol.md": "- **P3** Epochs.\n",
                 "docs/design.md": "- **G7 Clean up last.**\n"}
        for text, expected in (("// P3, G7\n", []), ("// P3\n// P4\n", [("cited-rule", 2)]),
                               ('F("P4"); int G2;\n', [])):
            self.assertEqual(self.offences(pages | {"src/base/a.cc": text}), expected, text)

    # Exceptions.

    def test_an_exception_excuses_and_a_useless_one_is_refused(self):
        exception = {"tools/tidy_exceptions.txt": "# why\nmarker src/base/a.cc quotes a marker\n"}
        self.assertEqual(self.offences(exception | {"src/base/a.cc": f"// {MARKER}\n"}), [])
        self.assertEqual(self.offences(exception | {"src/base/a.cc": "\n"}), [("exception", 2)])


if __name__ == "__main__":
    unittest.main()
