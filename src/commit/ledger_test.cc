#include "commit/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/cluster_id.h"
#include "commit/test_world.h"

namespace databus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;

class LedgerTest : public ::testing::Test {
 protected:
  void MakeMinute(const std::string& stream, Minute minute) {
    EXPECT_TRUE(EnsureDirsBelow(world_.dc1, paths::ViewRoot(View::kLocal),
                                paths::MinuteDir(View::kLocal, stream, minute))
                    .ok());
  }
  void MakeFile(const std::string& stream, Minute minute, const std::string& name,
                const std::string& content) {
    MakeMinute(stream, minute);
    EXPECT_TRUE(
        world_.dc1.WriteFile(paths::MinuteFile(View::kLocal, stream, minute, name), content).ok());
  }
  void MakeManifest(Minute minute, const std::string& text) {
    const std::string path = paths::Manifest(View::kLocal, 0, minute, "");
    EXPECT_TRUE(EnsureDirsBelow(world_.dc1, "system", std::string(paths::Parent(path))).ok());
    EXPECT_TRUE(world_.dc1.WriteFile(path, text).ok());
  }
  Ledger Load(const std::vector<std::string>& streams) {
    auto ledger = LoadLedger(world_.dc1, View::kLocal, 0, "", streams, kLastMinute);
    EXPECT_TRUE(ledger.ok()) << ledger.status().ToString();
    return std::move(*ledger);
  }

  World world_;
  const Minute start_ = StartMinute();
};

TEST_F(LedgerTest, AnEmptyTreeHasNoOpenMinute) {
  const Ledger ledger = Load({});
  EXPECT_EQ(ledger.open, std::nullopt);
  EXPECT_EQ(ledger.closed, std::nullopt);
}

TEST_F(LedgerTest, InATreeOfTheOriginalSystemTheNewestMinuteIsOpen) {
  MakeFile("clicks", start_ + -40, "a.gz", "old");
  MakeFile("orders", start_, "b.gz", "x");
  MakeFile("orders", start_, "_SUCCESS", "");
  MakeFile("orders", start_, ".b.crc", "");
  EXPECT_TRUE(
      world_.dc1.MakeDir(paths::MinuteFile(View::kLocal, "orders", start_, "subdirectory")).ok());
  EXPECT_TRUE(world_.dc1.MakeDir(paths::Stream(View::kLocal, "views")).ok());
  const Ledger ledger = Load({"clicks", "orders", "views"});
  EXPECT_EQ(ledger.closed, std::nullopt);
  EXPECT_EQ(ledger.open, start_);
  EXPECT_EQ(ledger.streams.at("clicks").newest, start_ + -40);
  EXPECT_THAT(ledger.streams.at("orders").open_files, ElementsAre(Key("b.gz")));
  EXPECT_FALSE(ledger.streams.contains("views")) << "its first minute is that of its first commit";
}

TEST_F(LedgerTest, TheMinuteAfterTheNewestManifestIsOpen) {
  Manifest manifest;
  manifest.minute = start_;
  manifest.streams["clicks"];
  manifest.streams["orders"];
  MakeManifest(start_ + -1, manifest.Encode());
  MakeManifest(start_, manifest.Encode());
  MakeMinute("clicks", start_);
  MakeMinute("orders", start_);
  MakeFile("orders", start_ + 1, "b.gz", SealedBytes("orders", {"dc1", "00000000000000aa", 7}));
  MakeMinute("new", start_ + 1);
  const Ledger ledger = Load({"clicks", "new", "orders"});
  EXPECT_EQ(ledger.closed, start_);
  EXPECT_EQ(ledger.open, start_ + 1);
  EXPECT_EQ(ledger.streams.at("clicks").newest, start_);
  EXPECT_EQ(ledger.streams.at("new").newest, start_ + 1);
  EXPECT_EQ(ledger.streams.at("orders").newest, start_ + 1);
  EXPECT_EQ(ledger.streams.at("orders").open_files.at("b.gz").identity->counter, 7U);
  EXPECT_THAT(ledger.streams.at("clicks").open_files, IsEmpty());
}

// That it is there closes the minute, whatever it says.
// A mirror that did nothing for an hour has no history of somebody else's: else all that its open
// minute holds would be set aside and fetched again.
TEST_F(LedgerTest, WhatOnlyStoodStillGoesOnInItsOpenMinute) {
  const auto path = [](Minute minute, const std::string& rest) {
    return paths::Join(paths::MinuteDir(View::kMerged, "clicks", minute), rest);
  };
  Manifest manifest{View::kMerged, 0, start_, "dc2", {{"clicks", {}}}};
  const std::string closed = paths::Manifest(View::kMerged, 0, start_, "dc2");
  for (const std::string& dir :
       {std::string(paths::Parent(closed)), paths::MinuteDir(View::kMerged, "clicks", start_),
        paths::MinuteDir(View::kMerged, "clicks", start_ + 1)}) {
    ASSERT_TRUE(EnsureDirsBelow(world_.dc1, dir.substr(0, dir.find('/')), dir).ok());
  }
  ASSERT_TRUE(world_.dc1.WriteFile(closed, manifest.Encode()).ok());
  ASSERT_TRUE(world_.dc1.WriteFile(path(start_ + 1, "a.gz"), "x").ok());
  const auto ledger = LoadLedger(world_.dc1, View::kMerged, 0, "dc2", {"clicks"}, start_ + 60);
  ASSERT_TRUE(ledger.ok()) << ledger.status().ToString();
  EXPECT_EQ(ledger->open, start_ + 1);
  EXPECT_EQ(ledger->streams.at("clicks").history, std::nullopt);
  EXPECT_THAT(ledger->streams.at("clicks").open_files, ElementsAre(Key("a.gz")));
}

// Its first minutes were closed without it, as it had to wait (P28), by a process that is gone.
TEST_F(LedgerTest, AStreamThatWaitedFromItsFirstMinuteOnIsDescribedFromThere) {
  const auto make = [&](const std::string& stream, Minute minute) {
    EXPECT_TRUE(EnsureDirsBelow(world_.dc1, paths::ViewRoot(View::kMerged),
                                paths::MinuteDir(View::kMerged, stream, minute))
                    .ok());
  };
  const auto close = [&](Minute minute) {
    Manifest manifest{View::kMerged, 0, minute, "", {}};
    manifest.streams["orders"];
    const std::string path = paths::Manifest(View::kMerged, 0, minute, "");
    EXPECT_TRUE(EnsureDirsBelow(world_.dc1, "system", std::string(paths::Parent(path))).ok());
    EXPECT_TRUE(world_.dc1.WriteFile(path, manifest.Encode()).ok());
    make("orders", minute);
  };
  make("views", start_ + -40);  // of the original system, from before there were manifests
  for (int i = 0; i < 4; ++i) close(start_ + i);
  make("clicks", start_ + 1);
  const auto ledger =
      LoadLedger(world_.dc1, View::kMerged, 0, "", {"clicks", "orders", "views"}, kLastMinute);
  ASSERT_TRUE(ledger.ok());
  EXPECT_EQ(ledger->streams.at("clicks").history, start_);
  EXPECT_EQ(ledger->streams.at("orders").history, std::nullopt);
  EXPECT_EQ(ledger->streams.at("views").history, std::nullopt);
  // A manifest that may not be read is not one that was never written, and is of all streams.
  FaultPlan plan;
  FaultStorage storage(world_.dc1, plan);
  const std::string manifest = paths::Manifest(View::kMerged, 0, start_ + 1, "");
  const auto load_with = [&](const Fault& fault, Verb verb, const std::string& path) {
    plan.Clear();
    plan.Add({.verb = verb, .path_part = path, .times = FaultRule::kAlways, .fault = fault});
    return LoadLedger(storage, View::kMerged, 0, "", {"clicks", "orders"}, kLastMinute);
  };
  const auto denied = load_with(Fault::Denied(), Verb::kOpen, manifest);
  EXPECT_EQ(denied.code(), Code::kRefused);
  EXPECT_THAT(denied.status().message(), HasSubstr(manifest));
  const std::string hour(paths::Parent(manifest));
  const auto unlisted = load_with(Fault::Denied(), Verb::kList, hour);
  EXPECT_EQ(unlisted.code(), Code::kRefused);
  EXPECT_THAT(unlisted.status().message(), HasSubstr(hour));
  // Whatever lies below the stream's own directory is its own.
  const auto alone =
      load_with(Fault::Denied(), Verb::kList, paths::Stream(View::kMerged, "clicks"));
  ASSERT_TRUE(alone.ok()) << alone.status().ToString();
  EXPECT_THAT(alone->unread, ElementsAre(Key("clicks")));
  EXPECT_THAT(alone->streams, ElementsAre(Key("orders")));
}

// Whether its text makes no sense or its bytes have not their checksum: it closes its minute, and
// says nothing else.
TEST_F(LedgerTest, AManifestWhoseBytesAreDamagedIsADamagedOne) {
  const auto close = [&](Minute minute) {
    Manifest manifest{View::kMerged, 0, minute, "", {{"clicks", {}}, {"orders", {}}}};
    const std::string path = paths::Manifest(View::kMerged, 0, minute, "");
    EXPECT_TRUE(EnsureDirsBelow(world_.dc1, "system", std::string(paths::Parent(path))).ok());
    EXPECT_TRUE(world_.dc1.WriteFile(path, manifest.Encode()).ok());
    for (const std::string stream : {"clicks", "orders"}) {
      EXPECT_TRUE(
          EnsureDirsBelow(world_.dc1, "streams", paths::MinuteDir(View::kMerged, stream, minute))
              .ok());
    }
  };
  for (int i = 0; i < 3; ++i) close(start_ + i);
  const auto expect_same = [&](const std::string& path) {
    FaultPlan plan;
    FaultStorage storage(world_.dc1, plan);
    plan.Add({.verb = Verb::kOpen,
              .path_part = path,
              .times = FaultRule::kAlways,
              .fault = Fault::Refused(Code::kCorrupt)});
    const Cuts cuts{{"clicks", start_ + 2}, {"orders", start_ + 2}};
    const auto load = [&](Storage& tree) {
      return LoadLedger(tree, View::kMerged, 0, "", {"clicks", "orders"}, start_ + 40, cuts);
    };
    const auto bytes = load(storage);
    ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
    EXPECT_THAT(bytes->unread, IsEmpty());
    const std::string whole = *world_.dc1.ReadFile(path);
    ASSERT_TRUE(world_.dc1.Replace(path, "databus-manifest 1\nminu").ok());
    const auto text = load(world_.dc1);
    ASSERT_TRUE(text.ok());
    EXPECT_EQ(bytes->open, text->open);
    EXPECT_EQ(bytes->closed, text->closed);
    for (const std::string stream : {"clicks", "orders"}) {
      EXPECT_EQ(bytes->streams.at(stream).newest, text->streams.at(stream).newest);
      EXPECT_EQ(bytes->streams.at(stream).history, text->streams.at(stream).history);
    }
    ASSERT_TRUE(world_.dc1.Replace(path, whole).ok());
  };
  for (int i = 0; i < 3; ++i) expect_same(paths::Manifest(View::kMerged, 0, start_ + i, ""));
}

// It was a mirror in its first minute, which no manifest names, when it became the primary.
class FirstMinuteTest : public LedgerTest {
 protected:
  void SetUp() override {
    Manifest manifest{View::kMerged, 0, start_, "", {}};
    manifest.streams["orders"];
    const std::string path = paths::Manifest(View::kMerged, 0, start_, "");
    ASSERT_TRUE(EnsureDirsBelow(world_.dc1, "system", std::string(paths::Parent(path))).ok());
    ASSERT_TRUE(world_.dc1.WriteFile(path, manifest.Encode()).ok());
    Make("orders", start_);
  }
  void Make(const std::string& stream, Minute minute) {
    EXPECT_TRUE(
        EnsureDirsBelow(world_.dc1, "streams", paths::MinuteDir(View::kMerged, stream, minute))
            .ok());
  }
  Ledger LoadMerged(const Cuts& cuts) {
    auto ledger =
        LoadLedger(world_.dc1, View::kMerged, 0, "", {"clicks", "orders"}, kLastMinute, cuts);
    EXPECT_TRUE(ledger.ok()) << ledger.status().ToString();
    return std::move(*ledger);
  }
};

TEST_F(FirstMinuteTest, IsDescribedFromThere) {
  Make("clicks", start_ + -1);
  const Ledger ledger = LoadMerged({{"clicks", start_ + -1}});
  EXPECT_EQ(ledger.streams.at("clicks").history, start_ + -2);
}

// Its copy was recovered when the cut had been decided upon.
TEST_F(FirstMinuteTest, IsDescribedAlsoAfterTheCut) {
  Make("clicks", start_ + -1);
  const Ledger ledger = LoadMerged({{"clicks", kFirstMinute}});
  EXPECT_EQ(ledger.streams.at("clicks").history, start_ + -2);
}

// Else the minutes between would be closed by no manifest, though they may hold files of others.
TEST_F(FirstMinuteTest, DoesNotMoveTheOpenMinuteThere) {
  Make("orders", start_ + 1);
  Make("clicks", start_ + 3);
  for (const Cuts& cuts : {Cuts{{"clicks", kFirstMinute}}, Cuts{}}) {
    const Ledger ledger = LoadMerged(cuts);
    EXPECT_EQ(ledger.open, start_ + 1);
    EXPECT_EQ(ledger.streams.at("clicks").history, start_ + 2);
    EXPECT_EQ(ledger.streams.at("orders").newest, start_ + 1);
  }
}

// It had closed them as a primary that nobody obeyed, set them aside, and becomes the primary
// again.
TEST_F(LedgerTest, MinutesThatWereTakenAwayAreNotTheNewest) {
  const auto put = [&](const std::string& path, const Manifest& manifest) {
    ASSERT_TRUE(EnsureDirsBelow(world_.dc1, "system", std::string(paths::Parent(path))).ok());
    ASSERT_TRUE(world_.dc1.WriteFile(path, manifest.Encode()).ok());
  };
  for (int i = 0; i < 3; ++i) {
    const Minute minute = start_ + i;
    put(paths::Manifest(View::kMerged, 0, minute, ""),
        {View::kMerged, 0, minute, "", {{"clicks", {}}, {"orders", {}}}});
  }
  for (int i = 1; i < 3; ++i) {
    Manifest amendment{View::kMerged, 0, start_ + i, "dc2", {}};
    amendment.gone.insert("clicks");
    put(paths::ManifestAmendment(View::kMerged, 0, start_ + i, 1), amendment);
  }
  ASSERT_TRUE(
      EnsureDirsBelow(world_.dc1, "streams", paths::MinuteDir(View::kMerged, "clicks", start_))
          .ok());
  const auto ledger = LoadLedger(world_.dc1, View::kMerged, 0, "", {"clicks", "orders"},
                                 kLastMinute, {{"clicks", start_}});
  ASSERT_TRUE(ledger.ok());
  EXPECT_EQ(ledger->open, start_ + 3);
  EXPECT_EQ(ledger->streams.at("clicks").newest, start_);
  EXPECT_EQ(ledger->streams.at("clicks").history, start_) << "the others are still to be made";
  EXPECT_EQ(ledger->streams.at("orders").newest, start_ + 2);
}

TEST_F(LedgerTest, ADamagedManifestStillClosesItsMinute) {
  MakeManifest(start_, "databus-manifest 1\nminu");
  MakeFile("clicks", start_, "a.gz", "x");
  const Ledger ledger = Load({"clicks"});
  EXPECT_EQ(ledger.closed, start_);
  EXPECT_EQ(ledger.open, start_ + 1);
  EXPECT_EQ(ledger.streams.at("clicks").newest, start_);
  EXPECT_THAT(ledger.streams.at("clicks").open_files, IsEmpty());
}

TEST_F(LedgerTest, AManifestOfANewerVersionStopsUs) {
  MakeManifest(start_, "databus-manifest 2\n");
  EXPECT_EQ(LoadLedger(world_.dc1, View::kLocal, 0, "", {}, kLastMinute).code(), Code::kInvalid);
}

TEST_F(LedgerTest, AnUnknownAnswerAtAnyCallMakesNoLedger) {
  Manifest manifest;
  manifest.minute = start_;
  manifest.streams["clicks"];
  MakeManifest(start_, manifest.Encode());
  MakeFile("clicks", start_ + 1, "a.gz", "x");
  for (uint64_t n = 1;; ++n) {
    FaultPlan plan;
    FaultStorage storage(world_.dc1, plan);
    plan.Add({.number = n, .fault = Fault::RequestLost()});
    const auto ledger = LoadLedger(storage, View::kLocal, 0, "", {"clicks"}, kLastMinute);
    if (plan.calls() < n) break;
    EXPECT_EQ(ledger.code(), Code::kUnavailable) << n;
  }
}

TEST_F(LedgerTest, FactsTellWhetherASealedFileIsWhatItsHeaderSays) {
  const std::string good = SealedBytes("clicks", {"dc1", "00000000000000aa", 7});
  MakeFile("clicks", start_, "good.gz", good);
  MakeFile("clicks", start_, "cut.gz", good.substr(0, good.size() - 1));
  MakeFile("clicks", start_, "flipped.gz", good.substr(0, good.size() - 1) + "?");
  MakeFile("clicks", start_, "head.gz", good.substr(0, 20));
  MakeFile("clicks", start_, "foreign", "x");
  const auto facts = [&](const std::string& name) {
    return *ReadFacts(world_.dc1, paths::MinuteFile(View::kLocal, "clicks", start_, name));
  };
  EXPECT_EQ(facts("good.gz").damage, "");
  EXPECT_EQ(facts("good.gz").file.messages, 7U);
  EXPECT_EQ(facts("foreign").damage, "");
  for (const char* name : {"cut.gz", "flipped.gz", "head.gz"}) {
    EXPECT_NE(facts(name).damage, "") << name;
  }
}

}  // namespace
}  // namespace databus
