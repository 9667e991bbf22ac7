#include "cli/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <sstream>
#include <streambuf>

#include "cli/all_metrics.h"
#include "cli/table.h"
#include "cli/test_world.h"

namespace databus {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(AppTest, AnUnknownCommandIsAUsageErrorAndTheNearestOneIsNamed) {
  const Ran ran = TestWorld().Run({"verfy"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("no command 'verfy'; did you mean 'verify'?"));
  EXPECT_EQ(ran.out, "");
}

TEST(AppTest, AWrongOptionIsAUsageErrorAndTheNearestOneIsNamed) {
  const Ran ran = TestWorld().Run({"status", "--topolgy", "x"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("did you mean '--topology'?"));
}

TEST(AppTest, HelpAndVersionAreAnswersNotErrors) {
  TestWorld world;
  EXPECT_EQ(world.Run({"--help"}).code, 0);
  EXPECT_THAT(world.Run({"--version"}).out, StartsWith("databus "));
  const Ran help = world.Run({"ls", "--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("--cluster"));
  EXPECT_EQ(world.Run({"help", "ls"}).out, help.out);
  EXPECT_EQ(world.Run({}).code, 2);
}

TEST(AppTest, AnUnknownSubcommandIsAUsageErrorAndTheNearestOneIsNamed) {
  const Ran ran = TestWorld().Run({"topology", "validte", "x"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("no command 'topology validte'; did you mean 'validate'?"));
  EXPECT_THAT(ran.err, HasSubstr("Try 'databus topology --help'"));
}

TEST(AppTest, ACommandOfSubcommandsListsThem) {
  TestWorld world;
  const Ran help = world.Run({"topology", "--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("\n  validate    "));
  EXPECT_EQ(world.Run({"help", "topology"}).out, help.out);
  const Ran alone = world.Run({"topology"});
  EXPECT_EQ(alone.code, 2);
  EXPECT_EQ(alone.err, help.out);
  EXPECT_THAT(world.Run({"help", "topology", "validate"}).out, HasSubstr("FILE"));
}

TEST(AppTest, EveryCommandIsInTheHelpAndTheManPage) {
  TestWorld world;
  const Ran help = world.Run({"--help"});
  for (const Command* command : Commands()) {
    EXPECT_THAT(help.out, HasSubstr(std::string(command->summary)));
    for (const Command* subcommand : command->subcommands) {
      EXPECT_THAT(subcommand->name, StartsWith(std::string(command->name) + " "));
      EXPECT_THAT(world.Run({std::string(command->name), "--help"}).out,
                  HasSubstr(std::string(subcommand->summary)));
    }
  }
  const std::string man = RenderManPage();
  for (const Command* command : RunnableCommands()) {
    EXPECT_THAT(man, HasSubstr(".SS " + std::string(command->name) + "\n"));
  }
}

TEST(AppTest, EveryCommandIsCompletedInEveryShell) {
  TestWorld world;
  const std::string bash = world.Run({"completion", "bash"}).out;
  const std::string zsh = world.Run({"completion", "zsh"}).out;
  const std::string fish = world.Run({"completion", "fish"}).out;
  for (const Command* command : Commands()) {
    const std::string name(command->name);
    EXPECT_THAT(bash, HasSubstr("\n    " + name + " | \"" + name + " \"*) words=\""));
    EXPECT_THAT(zsh, HasSubstr("\n    '" + name + ":"));
    EXPECT_THAT(fish, HasSubstr(" __fish_use_subcommand -f -a " + name + " -d "));
    for (const Command* subcommand : command->subcommands) {
      const std::string word(LastWord(*subcommand));
      EXPECT_THAT(zsh, HasSubstr("\n        '" + word + ":"));
      EXPECT_THAT(fish, HasSubstr("'__databus_after " + name +
                                  "; and test (count (commandline -opc)) -eq 2' -f -a " + word));
    }
  }
}

TEST(AppTest, EveryOptionIsCompletedInEveryShell) {
  const std::string bash = RenderBashCompletion();
  const std::string zsh = RenderZshCompletion();
  const std::string fish = RenderFishCompletion();
  for (const Command* command : RunnableCommands()) {
    const std::string name(command->name);
    CLI::App app;
    command->define(app);
    std::string words;
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& option_name : option->get_lnames()) {
        words += " --" + option_name;
        EXPECT_THAT(fish, HasSubstr("'__databus_after " + name + "' -l " + option_name + " -d "));
      }
    }
    const bool two_words = name.find(' ') != std::string::npos;
    const std::string after = '"' + name + (two_words ? "\")" : " \"*)");
    EXPECT_THAT(bash, HasSubstr(after + " words=\"" + words.substr(1) + "\" ;;\n"));
    EXPECT_THAT(zsh, HasSubstr(after + " compadd --" + words + " ;;\n"));
  }
}

// Refuses every byte.
class ClosedPipe final : public std::streambuf {};

TEST(AppTest, AReaderThatGoesAwayEndsTheProgramSilentlyAndAFullDiskDoesNot) {
  TestWorld world;
  std::istringstream in;
  ClosedPipe pipe;
  std::ostream out(&pipe);
  std::ostringstream err;
  Io io{.in = in, .out = out, .err = err, .reader_is_gone = [] { return true; }};
  Seams seams = world.MakeSeams();
  EXPECT_EQ(RunProgram({"--version"}, io, seams), 141);
  EXPECT_EQ(err.str(), "");
  out.clear();
  io.reader_is_gone = [] { return false; };
  EXPECT_EQ(RunProgram({"--version"}, io, seams), 1);
  EXPECT_THAT(err.str(), HasSubstr("is the disk full?"));
}

TEST(AppTest, AConfigurationThatIsMissingOrBadIsNamedAndAUsageError) {
  TestWorld world;
  world.files["bad.xml"] = "<databus>";
  world.files["bad.conf"] = "prot=1463\n";
  const Ran missing = world.Run({"status", "--topology", "no.xml"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("no.xml: no such file"));
  EXPECT_EQ(world.Run({"collector", "--config", "no.conf"}).code, 2);
  EXPECT_EQ(world.Run({"worker", "--config", "no.cfg"}).code, 2);
  EXPECT_EQ(world.Run({"status", "--topology", "bad.xml"}).code, 2);
  const Ran refused = world.Run({"collector", "--config", "bad.conf"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("bad.conf:1: 'prot'"));
}

TEST(AppTest, EverySettingIsListed) {
  TestWorld world;
  for (const char* form : {"--json", "--markdown"}) {
    const Ran ran = world.Run({"settings", form});
    EXPECT_EQ(ran.code, 0);
    EXPECT_THAT(ran.out, AllOf(HasSubstr("databus.worker.run_interval_ms"),
                               HasSubstr("databus.collector.compress")));
  }
  EXPECT_EQ(world.Run({"settings", "--json", "--markdown"}).code, 2);
}

TEST(AppTest, EveryMetricIsDeclaredByTheRules) {
  for (const MetricList& list : AllMetrics()) {
    for (const MetricSpec& spec : list.metrics) EXPECT_EQ(CheckMetricSpec(spec), "");
  }
}

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({"NAME", ">FILES"});
  table.Row({"dc1", "1,234"});
  table.Row({"", "5"});
  EXPECT_EQ(table.ToString(" "), " NAME  FILES\n dc1   1,234\n -         5\n");
}

TEST(TableTest, NumbersReadWell) {
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1'234'567), "1,234,567");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(999'960), "1.0 MB");
  EXPECT_EQ(Plural(1, "file"), "1 file");
  EXPECT_EQ(Plural(0, "file"), "0 files");
}

}  // namespace
}  // namespace databus
