// spool ls and spool cat, on spools in memory and on the machine's own disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/test_world.h"
#include "collector/spool/format.h"
#include "collector/spool/spool_test_world.h"

namespace databus {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::string kSegment = "/var/spool/segment-1";

class SpoolCommands : public testing::Test {
 protected:
  SpoolCommands() { spool_.Open(); }

  Ran Run(const std::vector<std::string>& args, Disk& disk) {
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    Io io{.in = in, .out = out, .err = err};
    Seams seams = world_.MakeSeams();
    Seams ours{.clock = seams.clock,
               .random = seams.random,
               .disk = disk,
               .network = seams.network,
               .open_storage = seams.open_storage,
               .create_root = seams.create_root,
               .read_file = seams.read_file,
               .host = seams.host};
    const int code = RunProgram(args, io, ours);
    return {code, out.str(), err.str()};
  }
  Ran Run(const std::vector<std::string>& args) { return Run(args, spool_.disk); }

  void PutOf(const std::string& stream, const std::vector<std::string>& messages) {
    EntryList list;
    for (const std::string& message : messages) list.Add(stream, message);
    Frame frame = Frame::Copy(list.bytes());
    const std::string_view entries = frame.bytes();
    spool_.Put({std::move(frame), entries, list.count(), {}, {}});
  }
  // Where the record that holds this text begins.
  static size_t RecordOf(const std::string& bytes, std::string_view text) {
    return bytes.rfind("DBR", bytes.find(text));
  }
  // Flips a bit of the byte behind `text`, and lets the spool find out. The name of the piece.
  std::string Damage(const std::string& text) {
    spool_.spool.reset();
    std::string bytes = spool_.Content(kSegment);
    bytes[bytes.find(text) + text.size()] ^= 1;
    spool_.SetContent(kSegment, bytes);
    spool_.Open();
    return "/var/spool/damaged/segment-1-" + std::to_string(RecordOf(bytes, text));
  }

  TestWorld world_;
  SpoolWorld spool_;
};

TEST_F(SpoolCommands, LsShowsSegmentsPiecesAndTheSumBesideARunningCollector) {
  spool_.Put("one");
  PutOf("views", {"two", "three"});
  spool_.Put("four");
  const std::string piece = Damage("two");
  const Ran ran = Run({"spool", "ls", "/var/spool/"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  EXPECT_THAT(ran.out, HasSubstr("Spool /var/spool: collector c1, incarnation "));
  EXPECT_THAT(ran.out, HasSubstr("clicks 1"));
  EXPECT_THAT(ran.out, HasSubstr(piece.substr(std::string("/var/spool/").size())));
  EXPECT_THAT(ran.out, HasSubstr("1 piece set aside, 0 whole and 1 suspect messages in them"));
  EXPECT_EQ(ran.out.back(), '\n');

  const auto json = nlohmann::json::parse(Run({"spool", "ls", "/var/spool", "--json"}).out);
  EXPECT_EQ(json["collector"], "c1");
  EXPECT_EQ(json["pieces"][0]["path"], piece);
  EXPECT_EQ(json["pieces"][0]["sealed_before"], "no");
  EXPECT_EQ(json["pieces"][0]["streams"]["views"]["suspect"], 1);
  uint64_t messages = 0;
  for (const auto& segment : json["segments"]) {
    messages += segment["not_sealed"]["messages"].get<uint64_t>();
  }
  EXPECT_EQ(messages, 2u);
}

TEST_F(SpoolCommands, LsTellsWhatCannotBeReadAndShowsTheRest) {
  spool_.Put("one");
  spool_.spool.reset();
  spool_.SetContent("/var/spool/journal-1", "nothing");
  const Ran ran = Run({"spool", "ls", "/var/spool"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("/var/spool/journal-1: damaged"));
  EXPECT_THAT(ran.out, HasSubstr("messages: 1 not known"));
  EXPECT_EQ(Run({"spool", "ls", "/var"}).code, 1);
  EXPECT_EQ(Run({"spool", "ls"}).code, 2);
}

TEST_F(SpoolCommands, LsSaysHowMuchIsMissingOfAPieceWithoutAByteOrThatItIsUnknown) {
  spool_.Put("one");
  spool_.spool->Stop();
  spool_.Open();
  const SpoolRange range = spool_.spool->UnsealedRanges().at(0).range;
  spool_.SetContent(kSegment, "");
  ASSERT_TRUE(spool_.spool->Read(range, range.end, [](const SpoolRecord&) {}).ok());
  const std::string bytes = std::to_string(range.end - range.begin);
  EXPECT_THAT(Run({"spool", "ls", "/var/spool"}).out, HasSubstr("  up to " + bytes + "  "));
  const auto piece = [&] {
    return nlohmann::json::parse(Run({"spool", "ls", "/var/spool", "--json"}).out)["pieces"][0];
  };
  EXPECT_EQ(piece()["missing_bytes_max"], range.end - range.begin);
  ASSERT_TRUE(spool_.spool->AddCut({range}, {}).ok());
  EXPECT_THAT(Run({"spool", "ls", "/var/spool"}).out, HasSubstr("  unknown  "));
  EXPECT_TRUE(piece()["missing_bytes_max"].is_null());
}

TEST_F(SpoolCommands, LsOfAnEmptySpoolIsNothingToDo) {
  EXPECT_EQ(Run({"spool", "ls", "/var/spool"}).code, 3);
}

TEST_F(SpoolCommands, CatPrintsWhatIsWholeAndWithSuspectTheRestBehindIt) {
  spool_.Put("zero");
  PutOf("clicks", {"one", "two", "three"});
  spool_.Put("four");
  const std::string piece = Damage("two");
  const Ran whole = Run({"spool", "cat", piece});
  EXPECT_EQ(whole.code, 3);
  EXPECT_EQ(whole.out, "");
  EXPECT_THAT(whole.err,
              AllOf(HasSubstr("0 records whole: no message"), HasSubstr("1 record damaged, "),
                    HasSubstr("clicks 2"), HasSubstr("1 more cannot be recognised"),
                    HasSubstr("check the views before you publish it")));
  const Ran suspect = Run({"spool", "cat", piece, "--suspect"});
  EXPECT_EQ(suspect.code, 0);
  EXPECT_EQ(suspect.out, "one\nthree\n");

  spool_.spool.reset();
  const Ran segment = Run({"spool", "cat", kSegment, "--suspect"});
  EXPECT_EQ(segment.out, "zero\nfour\none\nthree\n") << "what is whole comes first";
  EXPECT_THAT(segment.err, HasSubstr("by what the journal says: 1 not sealed, 1 void"));
}

TEST_F(SpoolCommands, CatWantsOneStreamChosenOrPrintsJson) {
  PutOf("clicks", {"one"});
  PutOf("views", {"two"});
  const Ran both = Run({"spool", "cat", kSegment});
  EXPECT_EQ(both.code, 2);
  EXPECT_EQ(both.out, "");
  EXPECT_THAT(both.err, HasSubstr("messages of clicks, views: choose one with --stream"));
  EXPECT_EQ(Run({"spool", "cat", kSegment, "--stream", "views"}).out, "two\n");
  EXPECT_EQ(Run({"spool", "cat", kSegment, "--stream", "none"}).code, 3);
  std::istringstream lines(Run({"spool", "cat", kSegment, "--json"}).out);
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["stream"], "clicks");
  EXPECT_EQ(json["message"], "one");
  EXPECT_EQ(json["whole"], true);
  EXPECT_EQ(json["fate"], "not sealed");
}

// The collector writes its journal anew between our finding it and opening it.
TEST_F(SpoolCommands, CatKnowsTheFatesBesideACollectorThatWorks) {
  spool_.Put("one");
  spool_.plan.Add(
      {.verb = Verb::kOpen, .path_part = "journal-", .fault = Fault::Refused(Code::kNotFound)});
  const Ran ran = Run({"spool", "cat", kSegment}, spool_.fault_disk);
  EXPECT_EQ(ran.out, "one\n");
  EXPECT_THAT(ran.err, HasSubstr("by what the journal says: 1 not sealed"));
}

TEST_F(SpoolCommands, CatOfASegmentThatIsDeliveredAndRemovedMeanwhileSaysThatItIsGone) {
  spool_.options.segment_bytes = 1;
  spool_.Open();
  spool_.Put("one");
  const SpoolRange range = spool_.spool->UnsealedRanges().at(0).range;
  spool_.Put("two");
  spool_.plan.Add(
      {.verb = Verb::kOpen,
       .path_part = "journal-",
       .fault = Fault::Delayed([&] { EXPECT_TRUE(spool_.spool->AddCut({range}, {}).ok()); })});
  const std::string path = "/var/spool/segment-" + std::to_string(range.segment);
  const Ran ran = Run({"spool", "cat", path}, spool_.fault_disk);
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr(path), HasSubstr("not found"), Not(HasSubstr("not known"))));
}

TEST_F(SpoolCommands, AnyBytesTravelByBase64AndANewlineIsNeverCutInTwo) {
  const std::vector<std::string> messages = {"two\nlines\n", std::string("\0\xff", 2), "plain"};
  PutOf("clicks", messages);
  const Ran lines = Run({"spool", "cat", kSegment});
  EXPECT_EQ(lines.code, 1);
  EXPECT_EQ(lines.out, std::string("\0\xff\nplain\n", 9));
  EXPECT_THAT(lines.err, HasSubstr("1 message with a newline inside: NOT printed"));
  const Ran coded = Run({"spool", "cat", kSegment, "--base64"});
  EXPECT_EQ(coded.code, 0);
  const Ran sent =
      world_.Run({"produce", "--to", "h:1463", "clicks", "--base64"}, coded.out + "no base64\n");
  EXPECT_THAT(world_.network.messages, testing::ElementsAreArray(messages));
  EXPECT_EQ(sent.code, 1);
  EXPECT_THAT(sent.err, HasSubstr("line 4: not base64"));
}

TEST_F(SpoolCommands, WhatCatPrintsIsWhatProduceTakes) {
  PutOf("clicks", {"one", "", "three"});
  const Ran ran = Run({"spool", "cat", kSegment, "--stream", "clicks"});
  EXPECT_EQ(world_.Run({"produce", "--to", "h:1463", "clicks"}, ran.out).code, 0);
  EXPECT_THAT(world_.network.messages, ElementsAre("one", "", "three"));
}

TEST_F(SpoolCommands, CatNamesAFileThatItCannotReadAndPrintsTheOthers) {
  spool_.Put("one");
  const Ran ran = Run({"spool", "cat", "/var/spool/identity", kSegment, "/var/spool/segment-9"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.out, "one\n");
  EXPECT_THAT(ran.err, AllOf(HasSubstr("databus: /var/spool/identity: "),
                             HasSubstr("expected segment-N"), HasSubstr("/var/spool/segment-9: ")));
  EXPECT_EQ(Run({"spool", "cat", "/var/spool/identity"}).code, 2);
}

TEST_F(SpoolCommands, APieceThatWasMovedAwayNeedsItsSpool) {
  spool_.Put("one");
  spool_.Put("two");
  const std::string bytes = spool_.Content(kSegment);
  ASSERT_TRUE(spool_.disk.MakeDirs("/tmp").ok());
  const std::string moved = "/tmp/segment-1-" + std::to_string(RecordOf(bytes, "two"));
  const auto file = spool_.disk.Create(moved);
  const std::string content = bytes.substr(RecordOf(bytes, "two"));
  const std::string_view parts[] = {content};
  ASSERT_TRUE((*file)->Append(parts).ok());
  const Ran alone = Run({"spool", "cat", moved});
  EXPECT_EQ(alone.code, 1);
  EXPECT_THAT(alone.err, HasSubstr("--spool DIR says where its spool is"));
  EXPECT_EQ(Run({"spool", "cat", moved, "--spool", "/var/spool"}).out, "two\n");
}

// Whatever is flipped in a piece, and wherever it ends: no line is printed that was not put in.
TEST_F(SpoolCommands, OfADamagedPieceNothingWrongIsPrintedAsWhole) {
  PutOf("clicks", {"one", "two"});
  PutOf("clicks", {"three"});
  const std::string bytes = spool_.Content(kSegment);
  spool_.spool.reset();
  for (size_t at = kSegmentHeaderBytes; at < bytes.size(); ++at) {
    SCOPED_TRACE(at);
    std::string flipped = bytes;
    flipped[at] ^= 0x10;
    spool_.SetContent(kSegment, flipped);
    const bool first = at < RecordOf(bytes, "three");
    EXPECT_EQ(Run({"spool", "cat", kSegment, "--stream", "clicks"}).out,
              first ? "three\n" : "one\ntwo\n");
    EXPECT_LE(Run({"spool", "cat", kSegment, "--suspect", "--json"}).code, 3);
    spool_.SetContent(kSegment, bytes.substr(0, at));
    EXPECT_EQ(Run({"spool", "cat", kSegment, "--stream", "clicks"}).out, first ? "" : "one\ntwo\n");
  }
}

TEST_F(SpoolCommands, OnTheMachinesOwnDiskTheSameIsRead) {
  namespace fs = std::filesystem;
  const fs::path dir = fs::path(testing::TempDir()) / "spool_cli_test";
  fs::remove_all(dir);
  SpoolWorld own;
  own.machine = &LocalDisk();
  own.options.dir = dir.string();
  own.Open();
  own.Put("one");
  const auto when = fs::last_write_time(dir);
  const Ran ls = Run({"spool", "ls", dir.string()}, LocalDisk());
  EXPECT_EQ(ls.code, 0) << ls.err;
  EXPECT_THAT(ls.out, HasSubstr("messages: 0 delivered, 0 sealed and waiting, 0 held back, 1 not "
                                "sealed; 0 deliveries under way"));
  EXPECT_EQ(Run({"spool", "cat", (dir / "segment-1").string()}, LocalDisk()).out, "one\n");
  EXPECT_EQ(fs::last_write_time(dir), when) << "nothing is written";
  const Ran here = Run({"spool", "ls", fs::relative(dir).string()}, LocalDisk());
  EXPECT_EQ(here.out, ls.out);
  fs::create_directory(dir / "segment-7");
  const Ran hampered = Run({"spool", "ls", dir.string()}, LocalDisk());
  EXPECT_EQ(hampered.code, 1);
  EXPECT_THAT(hampered.err, HasSubstr("segment-7"));
  EXPECT_THAT(hampered.out, HasSubstr("1 not sealed"));
  own.spool.reset();
  fs::remove_all(dir);
}

}  // namespace
}  // namespace databus
