// What only HDFS can get wrong, on a real name node and data nodes.

#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "base/sync.h"
#include "storage/contract.h"
#include "storage/open.h"
#include "tests/hdfs/rig.h"
#include "tests/rig/eventually.h"
#include "tests/torture/proxy.h"

namespace databus {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class HdfsTest : public testing::Test {
 protected:
  static const RigCluster& rig() { return TheRig().cluster(); }
  static std::string NewRoot() {
    static std::atomic<int> made{0};
    return "/hdfs/" + std::to_string(++made);
  }
  HdfsTest() : options_(rig().Options(NewRoot(), rig().rpc_port)) {
    const Status made = CreateHdfsRoot(options_);
    EXPECT_TRUE(made.ok()) << made.ToString();
    storage_ = OpenHdfsStorage(options_);
  }
  // Files of the data nodes that hold the bytes of blocks, of this moment.
  static std::vector<std::string> BlockFiles() {
    std::vector<std::string> files;
    const std::filesystem::path place = std::filesystem::path(rig().conf).parent_path();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(place)) {
      const std::string name = entry.path().filename();
      if (name.starts_with("blk_") && !name.ends_with(".meta")) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  static void Damage(const std::string& file) {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(100);
    bytes.put('!');
  }
  std::unique_ptr<Storage> With(const std::function<void(HdfsOptions&)>& change) const {
    HdfsOptions options = options_;
    change(options);
    return OpenHdfsStorage(std::move(options));
  }

  const HdfsOptions options_;
  std::unique_ptr<Storage> storage_;
};

// P1: what is not there is not an empty tree.
TEST_F(HdfsTest, EveryCallIsUnavailableWhileTheRootIsMissing) {
  const auto none = With([](HdfsOptions& options) { options.root = "/no/such/root"; });
  EXPECT_EQ(none->Stat("").code(), Code::kUnavailable);
  EXPECT_EQ(none->Stat("a").code(), Code::kUnavailable);
  EXPECT_EQ(none->List("").code(), Code::kUnavailable);
  EXPECT_EQ(none->List("a").code(), Code::kUnavailable);
  EXPECT_EQ(none->Open("a").code(), Code::kUnavailable);
  EXPECT_EQ(none->Create("a").code(), Code::kUnavailable);
  EXPECT_EQ(none->Create("").code(), Code::kUnavailable);
  EXPECT_EQ(none->MakeDir("a").code(), Code::kUnavailable);
  EXPECT_EQ(none->MakeDir("").code(), Code::kUnavailable);
  EXPECT_EQ(none->Rename("a", "b").code(), Code::kUnavailable);
  EXPECT_EQ(none->Rename("", "b").code(), Code::kUnavailable);
  EXPECT_EQ(none->Remove("a").code(), Code::kUnavailable);
  EXPECT_EQ(none->Remove("").code(), Code::kUnavailable);
  EXPECT_EQ(none->Replace("a", "x").code(), Code::kUnavailable);
  EXPECT_EQ(none->SyncAll().code(), Code::kUnavailable);
  EXPECT_THAT(none->Stat("a").status().message(), HasSubstr("the root is not there"));
}

TEST_F(HdfsTest, RootIsMadeWithParentsAndAFileInTheWayIsRefused) {
  HdfsOptions options = options_;
  options.root += "/x/y";
  EXPECT_TRUE(CreateHdfsRoot(options).ok());
  EXPECT_TRUE(CreateHdfsRoot(options).ok());
  ASSERT_TRUE(storage_->WriteFile("f", "").ok());
  options.root = options_.root + "/f";
  EXPECT_EQ(CreateHdfsRoot(options).code(), Code::kRefused);
  options.root = options_.root + "/f/g";
  EXPECT_EQ(CreateHdfsRoot(options).code(), Code::kRefused);
  EXPECT_EQ(OpenHdfsStorage(options)->Stat("a").code(), Code::kUnavailable);
}

TEST_F(HdfsTest, IsOpenedByItsUrl) {
  ASSERT_TRUE(CreateRoot(rig().url, options_.root + "/by-url").ok());
  const auto storage = OpenStorage(rig().url, options_.root + "/by-url");
  ASSERT_TRUE(storage.ok());
  EXPECT_EQ((*storage)->Describe(), rig().url + options_.root + "/by-url");
  ASSERT_TRUE((*storage)->WriteFile("f", "content").ok());
  EXPECT_EQ(storage_->ReadFile("by-url/f").value(), "content");
}

TEST_F(HdfsTest, NamesThatHdfsWouldChangeAreInvalid) {
  for (const std::string name : {"a:b", "\xff\xfe", "\xc3", ".snapshot"}) {
    EXPECT_EQ(storage_->Stat(name).code(), Code::kInvalid) << name;
    EXPECT_EQ(storage_->MakeDir(name).code(), Code::kInvalid) << name;
    EXPECT_EQ(storage_->Create("d/" + name).code(), Code::kInvalid) << name;
  }
  EXPECT_TRUE(storage_->List("")->empty());
}

TEST_F(HdfsTest, WebPortIsNamed) {
  const auto web = With([](HdfsOptions& options) {
    options.name_nodes.name_nodes = {{"127.0.0.1", rig().web_port}};
  });
  const Status status = web->Stat("").status();
  EXPECT_EQ(status.code(), Code::kRefused);
  EXPECT_THAT(status.message(), HasSubstr("web port"));
}

TEST_F(HdfsTest, MissingPermissionNamesUserAndPath) {
  const auto other =
      With([](HdfsOptions& options) { options.name_nodes.user = "nobody-in-particular"; });
  const Status status = other->MakeDir("d");
  EXPECT_EQ(status.code(), Code::kRefused);
  EXPECT_THAT(status.message(), HasSubstr("no permission"));
  EXPECT_THAT(status.message(), HasSubstr("user=nobody-in-particular"));
  EXPECT_THAT(status.message(), HasSubstr(options_.root));
}

// A listing of more than one page, while one file moves from its end to its beginning and back.
TEST_F(HdfsTest, ListingOfManyPagesIsOfOneMoment) {
  std::vector<std::string> names;
  for (int i = 0; i < 2500; ++i) names.push_back("m" + std::to_string(10'000 + i));
  for (const Status& made : storage_->MakeDirs(names)) ASSERT_TRUE(made.ok());
  ASSERT_TRUE(storage_->MakeDir("a").ok());
  std::atomic<bool> done{false};
  Thread renamer("renamer", [&] {
    for (int i = 0; i < 15; ++i) {
      EXPECT_TRUE(storage_->Rename(i % 2 == 0 ? "a" : "z", i % 2 == 0 ? "z" : "a").ok());
      StopFlag never;
      never.SleepUntil(SystemClock(), SystemClock().Boot() + 20ms);
    }
    done = true;
  });
  do {
    const auto entries = storage_->List("");
    if (entries.ok()) {
      EXPECT_EQ(entries->size(), 2501u);
    } else {
      EXPECT_EQ(entries.code(), Code::kUnavailable);
    }
  } while (!done);
  renamer.Join();
  EXPECT_EQ(storage_->List("")->size(), 2501u);
}

// --- Hadoop's own shell

TEST_F(HdfsTest, HadoopReadsWhatWasWrittenHereAndTheReverse) {
  const auto twice = With([](HdfsOptions& options) { options.replication = 2; });
  std::string content;
  for (int i = 0; content.size() < 3'000'000; ++i) content += std::to_string(i * 7919) + "\n";
  ASSERT_TRUE(twice->WriteFile("ours", content).ok());  // of three blocks
  EXPECT_TRUE(TheRig().Shell("-cat " + options_.root + "/ours") == content);
  const std::string copied = options_.root + "/theirs";
  TheRig().Shell("-cp " + options_.root + "/ours " + copied);
  EXPECT_TRUE(storage_->ReadFile("theirs").value() == content);
  EXPECT_EQ(storage_->Stat("theirs")->length, content.size());
}

// --- Lost answers

class LostAnswerTest : public HdfsTest {
 protected:
  LostAnswerTest() {
    auto proxy = Proxy::Start(rig().rpc_port);
    EXPECT_TRUE(proxy.ok()) << proxy.status().ToString();
    proxy_ = *std::move(proxy);
    through_ = With([&](HdfsOptions& options) {
      options.name_nodes.name_nodes = {{"127.0.0.1", proxy_->port()}};
      options.name_nodes.patience.answer = 10'000ms;
    });
  }
  // Makes the call while its requests pass and its answers do not; then the connection is reset.
  Status WithoutItsAnswer(const std::function<Status()>& call,
                          const std::function<bool()>& took_effect) {
    EXPECT_TRUE(through_->Stat("").ok());  // so that a connection stands
    proxy_->SetAndWait(Cut::kNoAnswers);
    Status status;
    Thread caller("caller", [&] { status = call(); });
    for (int i = 0; i < 3000 && !took_effect(); ++i) {
      StopFlag never;
      never.SleepUntil(SystemClock(), SystemClock().Boot() + 5ms);
    }
    EXPECT_TRUE(took_effect());
    proxy_->SetAndWait(Cut::kNone);
    caller.Join();
    return status;
  }

  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<Storage> through_;
};

TEST_F(LostAnswerTest, RenameThatWasDoneIsAnsweredOkAfterAll) {
  ASSERT_TRUE(storage_->MakeDir("a").ok());
  const Status status = WithoutItsAnswer([&] { return through_->Rename("a", "b"); },
                                         [&] { return storage_->Stat("b").ok(); });
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_F(LostAnswerTest, RemovalThatWasDoneIsAnsweredOkAfterAll) {
  ASSERT_TRUE(storage_->MakeDir("a").ok());
  const Status status =
      WithoutItsAnswer([&] { return through_->Remove("a"); },
                       [&] { return storage_->Stat("a").code() == Code::kNotFound; });
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_F(LostAnswerTest, CreationThatWasDoneIsAnsweredOkAfterAllAndCanBeWritten) {
  static_cast<void>(through_->Create("x"));  // the cluster's defaults are known from here on
  const Status status = WithoutItsAnswer([&] { return through_->WriteFile("a", "content"); },
                                         [&] { return storage_->Stat("a").ok(); });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(storage_->ReadFile("a").value(), "content");
}

TEST_F(LostAnswerTest, DirectoryThatWasMadeIsAnsweredOkAfterAll) {
  const Status status =
      WithoutItsAnswer([&] { return through_->MakeDir("a"); }, [&] { return true; });
  EXPECT_TRUE(status.ok()) << status.ToString();
}

// --- Data nodes

TEST_F(HdfsTest, BlockIsReadFromTheOtherReplicaWhenOneIsDamaged) {
  const auto twice = With([](HdfsOptions& options) { options.replication = 2; });
  const std::vector<std::string> before = BlockFiles();
  const std::string content(400'000, 'x');
  ASSERT_TRUE(twice->WriteFile("f", content).ok());
  std::vector<std::string> made;
  const std::vector<std::string> after = BlockFiles();
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(made));
  ASSERT_EQ(made.size(), 2u);
  Damage(made[0]);
  // The name node may not have heard of the second one yet.
  Result<std::string> read = twice->ReadFile("f");
  const auto is_read = [&] { return (read = twice->ReadFile("f")).ok(); };
  ASSERT_TRUE(Eventually(is_read, 100ms, 60s)) << read.status().ToString();
  EXPECT_TRUE(*read == content);
  Damage(made[1]);
  const Status status = twice->ReadFile("f").status();
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_THAT(status.message(), HasSubstr("every replica is damaged"));
}

// What a data node sends with the bytes comes from its own file of checksums.
TEST_F(HdfsTest, DataNodeWhoseChecksumsAreWrongIsPassedOver) {
  const auto twice = With([](HdfsOptions& options) { options.replication = 2; });
  const std::vector<std::string> before = BlockFiles();
  const std::string content(400'000, 'x');
  ASSERT_TRUE(twice->WriteFile("f", content).ok());
  const std::vector<std::string> after = BlockFiles();
  std::vector<std::string> made;
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(made));
  ASSERT_EQ(made.size(), 2u);
  const auto damage_sums = [](const std::string& block) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(block).parent_path())) {
      const std::string path = entry.path();
      if (path.starts_with(block + "_") && path.ends_with(".meta")) Damage(path);
    }
  };
  damage_sums(made[0]);
  EXPECT_TRUE(twice->ReadFile("f").value() == content);
  damage_sums(made[1]);
  EXPECT_EQ(twice->ReadFile("f").status().code(), Code::kCorrupt);
}

class PausedDataNodeTest : public HdfsTest {
 protected:
  PausedDataNodeTest() {
    impatient_ = With([](HdfsOptions& options) {
      options.replication = 2;
      options.name_nodes.patience.transfer = 1500ms;
    });
  }
  ~PausedDataNodeTest() override { ::kill(rig().data_nodes[1], SIGCONT); }
  // The second one, which no test kills, so that its process is still the first.
  static void Pause() { ASSERT_EQ(::kill(rig().data_nodes[1], SIGSTOP), 0); }

  std::unique_ptr<Storage> impatient_;
};

TEST_F(PausedDataNodeTest, FilesAreWrittenToTheOther) {
  Pause();
  const Status one = impatient_->WriteFile("f", "content");
  EXPECT_TRUE(one.ok()) << one.ToString();
  std::vector<SmallFile> files;
  for (int i = 0; i < 20; ++i) files.push_back({std::to_string(i), "in " + std::to_string(i)});
  for (const Status& status : impatient_->WriteFiles(files)) {
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  EXPECT_EQ(impatient_->ReadFile("f").value(), "content");
  for (const SmallFile& file : files) {
    EXPECT_EQ(impatient_->ReadFile(file.path).value(), file.content);
  }
}

TEST_F(PausedDataNodeTest, FilesAreReadFromTheOther) {
  std::vector<SmallFile> files;
  for (int i = 0; i < 4; ++i) files.push_back({std::to_string(i), "in " + std::to_string(i)});
  for (const Status& status : impatient_->WriteFiles(files)) ASSERT_TRUE(status.ok());
  Pause();
  for (const SmallFile& file : files) {
    const auto content = impatient_->ReadFile(file.path);
    EXPECT_TRUE(content.ok()) << content.status().ToString();
    EXPECT_EQ(content.ok() ? *content : "", file.content);
  }
}

// --- Deaths

TEST_F(HdfsTest, FilesAreWrittenAndReadWhenADataNodeIsKilled) {
  const auto twice = With([](HdfsOptions& options) { options.replication = 2; });
  ASSERT_TRUE(twice->WriteFile("before", "content").ok());
  std::string large;
  for (int i = 0; large.size() < 5'000'000; ++i) large += std::to_string(i) + "\n";
  ASSERT_TRUE(twice->WriteFile("large", large).ok());
  const auto open = twice->Create("open");
  ASSERT_TRUE(open.ok());
  ASSERT_TRUE((*open)->Append("its block has begun, ").ok());
  TheRig().Obey("kill 1 datanode1");
  ASSERT_TRUE((*open)->Append("and goes on elsewhere").ok());
  const Status finished = (*open)->Finish();
  EXPECT_TRUE(finished.ok()) << finished.ToString();
  EXPECT_EQ(twice->ReadFile("open").value(), "its block has begun, and goes on elsewhere");
  EXPECT_EQ(twice->ReadFile("before").value(), "content");
  EXPECT_TRUE(twice->ReadFile("large").value() == large);
  const Status after = twice->WriteFile("after", large);
  EXPECT_TRUE(after.ok()) << after.ToString();
  TheRig().Obey("start 1 datanode1");
  EXPECT_TRUE(twice->ReadFile("after").value() == large);
}

// Whoever has given a cluster up finds out that it is back.
TEST_F(HdfsTest, NameNodeThatWasGivenUpIsUsedAgainWhenItIsBack) {
  const auto short_of_patience = With([](HdfsOptions& options) {
    options.name_nodes.patience.unsent = 0ms;
    options.name_nodes.patience.sent = 0ms;
    options.name_nodes.patience.again = 100ms;
  });
  ASSERT_TRUE(short_of_patience->WriteFile("f", "content").ok());
  TheRig().Obey("kill 1 namenode1");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(short_of_patience->Stat("f").code(), Code::kUnavailable);
    StopFlag never;
    never.SleepUntil(SystemClock(), SystemClock().Boot() + 150ms);
  }
  TheRig().Obey("start 1 namenode1");
  const auto back = short_of_patience->ReadFile("f");
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(*back, "content");
  EXPECT_TRUE(short_of_patience->WriteFile("g", "more").ok());
}

// What was answered ok is there after the name node has died and come back; what was not is settled
// by looking.
TEST_F(HdfsTest, NothingThatWasAnsweredOkIsLostWhenTheNameNodeIsKilled) {
  const auto patient = With([](HdfsOptions& options) {
    options.name_nodes.patience.unsent = 120'000ms;
    options.name_nodes.patience.sent = 120'000ms;
  });
  std::atomic<bool> done{false};
  std::vector<std::string> written;
  ASSERT_TRUE(patient->WriteFile("moving-0", "moves").ok());
  int moves = 0;
  Thread writer("writer", [&] {
    for (int i = 0; !done; ++i) {
      const std::string name = "f" + std::to_string(i);
      if (patient->WriteFile(name, "in " + name).ok()) written.push_back(name);
    }
  });
  Thread mover("mover", [&] {
    while (!done) {
      const std::string from = "moving-" + std::to_string(moves);
      const std::string to = "moving-" + std::to_string(moves + 1);
      const Status moved = patient->Rename(from, to);
      if (moved.ok() || (moved.unknown() && patient->Stat(to).ok())) ++moves;
      EXPECT_TRUE(moved.ok() || moved.unknown()) << moved.ToString();
    }
  });
  for (int i = 0; i < 2; ++i) {
    TheRig().Obey("kill 1 namenode1");
    TheRig().Obey("start 1 namenode1");
  }
  done = true;
  writer.Join();
  mover.Join();
  EXPECT_GT(moves, 0);
  EXPECT_GT(written.size(), 0u);
  EXPECT_EQ(patient->ReadFile("moving-" + std::to_string(moves)).value(), "moves");
  for (const std::string& name : written) EXPECT_EQ(patient->ReadFile(name).value(), "in " + name);
}

}  // namespace
}  // namespace databus
