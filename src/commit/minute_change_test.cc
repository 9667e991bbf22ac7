// Changing single minutes of a copied stream (P32), killed at every storage call.
#include <array>
#include <map>
#include <set>
#include <utility>

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
using ::testing::Not;
using ::testing::Pair;

constexpr std::string_view kStream = "clicks";
constexpr std::array kStreams = {"clicks", "views"};

// A mirror of dc2: of each stream `a` and `b` are in its first minute, which is closed, and `d` in
// the next one. At dc2 the first minute holds `a` and `c`, and there is no other.
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
    MinuteContent here(process_.storage(), View::kMerged, 0);
    DATABUS_RETURN_IF_ERROR(DropLaterMinute(here));
    MinuteChange out{"dc2", first_, {}};
    for (const std::string stream : kStreams) {
      DATABUS_ASSIGN_OR_RETURN(MinuteFiles files, here.Read(stream, first_));
      if (!files.contains("b")) continue;
      MinuteChange::OfStream change;
      change.out.insert(files.extract("b"));
      change.holds = std::move(files);
      out.streams[stream] = std::move(change);
    }
    DATABUS_RETURN_IF_ERROR(Change(std::move(out), here));
    MinuteChange in{"dc2", first_, {}};
    for (const std::string stream : kStreams) {
      DATABUS_ASSIGN_OR_RETURN(MinuteFiles files, here.Read(stream, first_));
      if (files.contains("c")) continue;
      DATABUS_ASSIGN_OR_RETURN(const NewFile c, Stage(stream, "c"));
      files["c"] = c.facts;
      in.streams[stream] = {{}, {c}, std::move(files)};
    }
    DATABUS_RETURN_IF_ERROR(Change(std::move(in), here));
    return process_.writer().Reload();
  }

  const Ledger& ledger() { return process_.writer().CopyLedger("dc2"); }

 private:
  Result<NewFile> Stage(const std::string& stream, const std::string& name) {
    return process_.Stage(stream, name, "bytes of " + name);
  }

  // Answers what closes the minute.
  Result<Manifest> PublishIn(Minute minute, const std::vector<std::string>& names) {
    CommitRequest request;
    Manifest manifest{View::kMerged, 0, minute, "dc2", {}};
    for (const std::string stream : kStreams) {
      for (const std::string& name : names) {
        DATABUS_ASSIGN_OR_RETURN(NewFile file, Stage(stream, name));
        manifest.streams[stream][name] = file.facts;
        request.files.push_back(std::move(file));
      }
    }
    DATABUS_RETURN_IF_ERROR(
        process_.writer().PublishCopies("dc2", minute, std::move(request)).status());
    return manifest;
  }

  Status DropLaterMinute(MinuteContent& here) {
    MinuteChange gone{"dc2", first_.Next(), {}};
    for (const std::string stream : kStreams) {
      const std::string dir = paths::MinuteDir(View::kMerged, stream, first_.Next());
      const auto there = process_.storage().Stat(dir);
      if (there.code() == Code::kNotFound) continue;
      MinuteChange::OfStream change;
      DATABUS_ASSIGN_OR_RETURN(change.out, here.Read(stream, first_.Next()));
      change.directory = MinuteChange::OfStream::Directory::kGoes;
      gone.streams[stream] = std::move(change);
    }
    return Change(std::move(gone), here);
  }

  Status Change(MinuteChange change, MinuteContent& here) {
    if (change.streams.empty()) return Status::Ok();
    return process_.writer().ChangeMinute(std::move(change), here);
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
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_EQ(Copies(world, name), 2U) << name;
  MinuteContent content(world.dc1, View::kMerged, 0);
  for (const std::string stream : kStreams) {
    EXPECT_EQ(world.dc1.Stat(paths::MinuteDir(View::kMerged, stream, StartMinute().Next())).code(),
              Code::kNotFound);
    const auto described = content.Described(stream, StartMinute());
    ASSERT_TRUE(described.ok() && *described);
    EXPECT_TRUE((*described)->contains("a") && (*described)->contains("c"));
    EXPECT_EQ((*described)->size(), 2U);
    const auto gone = content.Described(stream, StartMinute().Next());
    ASSERT_TRUE(gone.ok());
    EXPECT_FALSE(*gone);
  }
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
    for (const char* name : {"a", "b", "d"}) EXPECT_EQ(Copies(world, name), 2U) << name;
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

// However many streams lose and get something, it costs the writer one record and one amendment.
TEST(MinuteChangeTest, AMinuteOfManyStreamsIsOneCommit) {
  const auto change = [](int streams) {
    World world;
    Process process(world, Process::Remote::kReachable, View::kMerged);
    EXPECT_TRUE(process.Open().ok());
    MinuteContent here(process.storage(), View::kMerged, 0);
    std::map<std::string, MinuteFiles> first;
    for (const char* const name : {"a", "b"}) {  // then `b` in the place of `a`
      MinuteChange all{"dc2", StartMinute(), {}};
      for (int i = 0; i < streams; ++i) {
        const std::string stream = fmt::format("s{}", i);
        const NewFile file = *process.Stage(stream, name, stream + name);
        all.streams[stream] = {
            std::exchange(first[stream], {{name, file.facts}}), {file}, {{name, file.facts}}};
      }
      EXPECT_TRUE(process.writer().ChangeMinute(std::move(all), here).ok());
    }
    EXPECT_THAT(Files(world, paths::DivergentRoot()), Not(IsEmpty()));
    std::map<std::string, std::set<std::string>> made;  // some are tried twice
    for (const Call& call : process.plan().trace()) {
      if (call.verb != Verb::kRename) continue;
      const bool is_manifest = call.to.starts_with(paths::ManifestRoot(View::kMerged, 0));
      if (is_manifest) made["amendments"].insert(call.to);
      if (call.to.find("/record-") != std::string::npos) made["records"].insert(call.to);
    }
    for (int i = 0; i < streams; ++i) {
      const auto described = here.Described(fmt::format("s{}", i), StartMinute());
      EXPECT_TRUE(described.ok() && *described && (*described)->contains("b"));
    }
    return std::pair(made["amendments"].size(), made["records"].size());
  };
  EXPECT_THAT(change(1), Pair(2, 2));
  EXPECT_THAT(change(12), Pair(2, 2));
}

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

// A file is set aside, the answer does not come, and the right file comes to its place. Then the
// name node makes the first call after all.
TEST(MinuteChangeTest, ATakeThatIsMadeLateTakesNothingThatCameSince) {
  World world;
  Process process(world, Process::Remote::kReachable, View::kMerged);
  ASSERT_TRUE(process.Open().ok());
  const std::string stream(kStream);
  const std::string path = paths::MinuteFile(View::kMerged, stream, StartMinute(), "a");
  const auto change = [&](MinuteFiles out, const std::string& in) {
    MinuteContent here(process.storage(), View::kMerged, 0);
    MinuteChange all{"dc2", StartMinute(), {}};
    MinuteChange::OfStream& of_stream = all.streams[stream];
    of_stream.out = std::move(out);
    if (!in.empty()) {
      const NewFile file = *process.Stage(stream, "a", in);
      of_stream.in.push_back(file);
      of_stream.holds["a"] = file.facts;
    }
    return process.writer().ChangeMinute(std::move(all), here);
  };
  ASSERT_TRUE(change({}, "the wrong one").ok());
  const MinuteFiles wrong = *MinuteContent(world.dc1, View::kMerged, 0).Read(stream, StartMinute());
  std::optional<Call> late;
  process.plan().SetCallback([&](const Call& call) {
    if (late || call.verb != Verb::kRename || call.path != path) return Fault{};
    late = call;
    return Fault::Late();
  });
  if (!change(wrong, "").ok()) {  // as Writers does
    process.Drop();
    ASSERT_TRUE(process.Open().ok());
  }
  ASSERT_EQ(world.dc1.Stat(path).code(), Code::kNotFound);
  ASSERT_TRUE(change({}, "the right one").ok());
  ASSERT_TRUE(late);
  EXPECT_EQ(MakeLate(world.dc1, *late).code(), Code::kNotFound);
  EXPECT_EQ(world.dc1.ReadFile(path).value(), "the right one");
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
