// Changing single minutes of a copied stream (P32), killed at every storage call.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/cluster_id.h"
#include "commit/minute_content.h"
#include "commit/test_world.h"

namespace databus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr std::string_view kStream = "clicks";

// A mirror of dc2: `a` and `b` are in its first minute, which is closed, and `d` in the next one.
// At dc2 the first minute holds `a` and `c`, and there is no other.
class Mirror {
 public:
  explicit Mirror(World& world) : process_(world, Process::Remote::kReachable, View::kMerged) {}

  FaultPlan& plan() { return process_.plan(); }

  Status Build() {
    DATABUS_RETURN_IF_ERROR(process_.Open());
    DATABUS_ASSIGN_OR_RETURN(const Manifest closed, PublishIn(first_, {"a", "b"}));
    DATABUS_RETURN_IF_ERROR(process_.writer().CloseCopy(closed));
    return PublishIn(first_.Next(), {"d"}).status();
  }

  // Does what is left to be done, as the mirror's service finds it by looking.
  Status MakeEqual() {
    if (!process_.open()) DATABUS_RETURN_IF_ERROR(process_.Open());
    DATABUS_RETURN_IF_ERROR(DropLaterMinute());
    MinuteContent before(process_.storage(), View::kMerged, 0);
    DATABUS_ASSIGN_OR_RETURN(MinuteFiles files, before.Read(std::string(kStream), first_));
    if (files.contains("b")) {
      MinuteChange change{"dc2", std::string(kStream), first_, {}, {}, {}};
      change.out.insert(files.extract("b"));
      change.holds = files;
      DATABUS_RETURN_IF_ERROR(process_.writer().ChangeMinute(std::move(change)));
    }
    if (!files.contains("c")) {
      MinuteChange change{"dc2", std::string(kStream), first_, {}, {}, {}};
      DATABUS_ASSIGN_OR_RETURN(const NewFile c, Stage("c"));
      files["c"] = c.facts;
      change.in = {c};
      change.holds = files;
      DATABUS_RETURN_IF_ERROR(process_.writer().ChangeMinute(std::move(change)));
    }
    return process_.writer().Reload();
  }

  const Ledger& ledger() { return process_.writer().CopyLedger("dc2"); }

 private:
  Result<NewFile> Stage(const std::string& name) {
    return process_.Stage(std::string(kStream), name, "bytes of " + name);
  }

  // Answers what closes the minute.
  Result<Manifest> PublishIn(Minute minute, const std::vector<std::string>& names) {
    CommitRequest request;
    Manifest manifest{View::kMerged, 0, minute, "dc2", {}};
    for (const std::string& name : names) {
      DATABUS_ASSIGN_OR_RETURN(NewFile file, Stage(name));
      manifest.streams[std::string(kStream)][name] = file.facts;
      request.files.push_back(std::move(file));
    }
    DATABUS_RETURN_IF_ERROR(
        process_.writer().PublishCopies("dc2", minute, std::move(request)).status());
    return manifest;
  }

  Status DropLaterMinute() {
    const std::string dir = paths::MinuteDir(View::kMerged, kStream, first_.Next());
    const auto there = process_.storage().Stat(dir);
    if (there.code() == Code::kNotFound) return Status::Ok();
    MinuteContent content(process_.storage(), View::kMerged, 0);
    MinuteChange change{"dc2", std::string(kStream), first_.Next(), {}, {}, {}};
    DATABUS_ASSIGN_OR_RETURN(change.out, content.Read(std::string(kStream), first_.Next()));
    change.directory = MinuteChange::Directory::kGoes;
    return process_.writer().ChangeMinute(std::move(change));
  }

  Process process_;
  const Minute first_ = StartMinute();
};

// How many files of a tree hold these bytes.
size_t Copies(World& world, const std::string& name) {
  size_t copies = 0;
  for (const auto& [path, content] : ReadTree(world.dc1, "")) {
    if (content == "bytes of " + name) ++copies;
  }
  return copies;
}

std::map<std::string, std::string> Files(World& world, const std::string& top) {
  std::map<std::string, std::string> files;
  for (const auto& [path, content] : ReadTree(world.dc1, top)) {
    if (path.back() != '/') files[std::string(paths::BaseName(path))] = content;
  }
  return files;
}

void ExpectEqual(World& world) {
  EXPECT_THAT(Files(world, paths::ViewRoot(View::kMerged)),
              ElementsAre(Pair("a", "bytes of a"), Pair("c", "bytes of c")));
  EXPECT_THAT(Files(world, paths::DivergentRoot()),
              ElementsAre(Pair("b", "bytes of b"), Pair("d", "bytes of d")));
  EXPECT_EQ(world.dc1.Stat(paths::MinuteDir(View::kMerged, kStream, StartMinute().Next())).code(),
            Code::kNotFound);
  MinuteContent content(world.dc1, View::kMerged, 0);
  const auto described = content.Described(std::string(kStream), StartMinute());
  ASSERT_TRUE(described.ok() && *described);
  EXPECT_TRUE((*described)->contains("a") && (*described)->contains("c"));
  EXPECT_EQ((*described)->size(), 2U);
  const auto gone = content.Described(std::string(kStream), StartMinute().Next());
  ASSERT_TRUE(gone.ok());
  EXPECT_FALSE(*gone);
}

TEST(MinuteChangeTest, AMinuteBecomesAsItIsAtThePrimary) {
  World world;
  Mirror mirror(world);
  ASSERT_TRUE(mirror.Build().ok());
  const Status made = mirror.MakeEqual();
  ASSERT_TRUE(made.ok()) << made.ToString();
  ExpectEqual(world);
  EXPECT_EQ(mirror.ledger().closed, StartMinute());
  EXPECT_THAT(mirror.ledger().streams.at(std::string(kStream)).open_files, IsEmpty());
}

void ForEveryCall(const Fault& fault) {
  uint64_t first = 0;
  uint64_t last = 0;
  {
    World world;
    Mirror mirror(world);
    ASSERT_TRUE(mirror.Build().ok());
    first = mirror.plan().calls() + 1;
    ASSERT_TRUE(mirror.MakeEqual().ok());
    last = mirror.plan().calls();
  }
  ASSERT_GT(last - first, 30U);
  for (uint64_t number = first; number <= last; ++number) {
    World world;
    {
      Mirror mirror(world);
      ASSERT_TRUE(mirror.Build().ok());
      mirror.plan().Add({.number = number, .fault = fault});
      try {
        static_cast<void>(mirror.MakeEqual());
      } catch (const Crash&) {
      }
    }
    // G7: a move is no copy and no loss, wherever it is interrupted.
    for (const char* name : {"a", "b", "d"}) EXPECT_EQ(Copies(world, name), 1U) << name;
    Mirror next(world);
    const Status made = next.MakeEqual();
    ASSERT_TRUE(made.ok()) << "call " << number << ": " << made.ToString();
    ExpectEqual(world);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "call " << number << " of " << last;
  }
}

TEST(MinuteChangeTest, KilledBeforeAnyCall) { ForEveryCall(Fault::CrashBefore()); }
TEST(MinuteChangeTest, KilledAfterAnyCall) { ForEveryCall(Fault::CrashAfter()); }
TEST(MinuteChangeTest, TheAnswerOfAnyCallIsLost) { ForEveryCall(Fault::AnswerLost()); }
TEST(MinuteChangeTest, AnyCallIsLost) { ForEveryCall(Fault::RequestLost()); }

// The removal of a finished record did not outlive a power cut; meanwhile the right file came to
// the place of the wrong one.
TEST(MinuteChangeTest, ARecordThatComesBackTakesNothingThatCameSince) {
  World world;
  std::string record_path;
  std::string record;
  {
    Mirror mirror(world);
    ASSERT_TRUE(mirror.Build().ok());
    mirror.plan().SetCallback([&](const Call& call) {
      const bool is_record = call.path.find("/record-") != std::string::npos;
      if (call.verb == Verb::kRemove && is_record && record.empty()) {
        record_path = call.path;
        record = *world.dc1.ReadFile(call.path);
      }
      return Fault{};
    });
    ASSERT_TRUE(mirror.MakeEqual().ok());
  }
  const std::string d = paths::MinuteFile(View::kMerged, kStream, StartMinute().Next(), "d");
  ASSERT_NE(record.find(d), std::string::npos) << "the record that took d away";
  ASSERT_TRUE(
      EnsureDirsBelow(world.dc1, paths::ViewRoot(View::kMerged), std::string(paths::Parent(d)))
          .ok());
  ASSERT_TRUE(world.dc1.WriteFile(d, "the right one").ok());
  ASSERT_TRUE(world.dc1.WriteFile(record_path, record).ok());
  Process next(world, Process::Remote::kReachable, View::kMerged);
  const Status opened = next.Open();
  ASSERT_TRUE(opened.ok()) << opened.ToString();
  EXPECT_EQ(*world.dc1.ReadFile(d), "the right one");
}

TEST(MinuteChangeTest, CopiesGoOnAfterAMinuteThatIsSkippedTo) {
  World world;
  Mirror mirror(world);
  ASSERT_TRUE(mirror.Build().ok());
  Process process(world, Process::Remote::kReachable, View::kMerged);
  ASSERT_TRUE(process.Open().ok());
  const Minute later = StartMinute() + 100;
  ASSERT_TRUE(process.writer().SkipCopies({View::kMerged, 0, later, "dc2", {}}).ok());
  ASSERT_TRUE(process.writer().Reload().ok());
  EXPECT_EQ(process.writer().CopyLedger("dc2").open, later.Next());
}

}  // namespace
}  // namespace databus
