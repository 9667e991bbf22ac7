// The promises of disk.h on every disk, and the memory disk's power cut.

#include "storage/disk/disk.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "storage/contract.h"
#include "storage/disk/fault_disk.h"
#include "storage/disk/memory_disk.h"
#include "storage/test_directory.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Status Append(DiskFile& file, std::string_view bytes) { return file.Append({&bytes, 1}); }

std::string ReadAll(Disk& disk, const std::string& path) {
  const auto file = disk.Open(path);
  if (!file.ok()) return file.status().ToString();
  std::string content;
  const Status status = (*file)->ReadAt(0, size_t{1} << 20, content);
  return status.ok() ? content : status.ToString();
}

class DiskUnderTest {
 public:
  virtual ~DiskUnderTest() = default;
  virtual Disk& disk() = 0;
  virtual std::string directory() = 0;
};

class Local final : public DiskUnderTest {
 public:
  Disk& disk() override { return LocalDisk(); }
  std::string directory() override { return directory_.path(); }

 private:
  const TestDirectory directory_;
};

class Memory final : public DiskUnderTest {
 public:
  Memory() { EXPECT_TRUE(disk_.MakeDirs("/spool").ok()); }
  Disk& disk() override { return disk_; }
  std::string directory() override { return "/spool"; }

 private:
  MemoryDisk disk_;
};

class Faultless final : public DiskUnderTest {
 public:
  Faultless() { EXPECT_TRUE(memory_.MakeDirs("/spool").ok()); }
  Disk& disk() override { return disk_; }
  std::string directory() override { return "/spool"; }

 private:
  MemoryDisk memory_;
  FaultPlan plan_;
  FaultDisk disk_{memory_, plan_};
};

struct DiskFactory {
  std::string name;
  std::function<std::unique_ptr<DiskUnderTest>()> make;
};

class DiskContract : public testing::TestWithParam<DiskFactory> {
 protected:
  DiskContract()
      : under_test_(GetParam().make()),
        disk_(under_test_->disk()),
        directory_(under_test_->directory()) {}

  std::string In(const std::string& name) const { return directory_ + "/" + name; }
  std::unique_ptr<DiskFile> Create(const std::string& name) {
    auto file = disk_.Create(In(name));
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    return *std::move(file);
  }
  std::vector<std::string> Names() { return disk_.List(directory_).value(); }

  const std::unique_ptr<DiskUnderTest> under_test_;
  Disk& disk_;
  const std::string directory_;
};

INSTANTIATE_TEST_SUITE_P(
    All, DiskContract,
    testing::Values(DiskFactory{"Local", [] { return std::make_unique<Local>(); }},
                    DiskFactory{"Memory", [] { return std::make_unique<Memory>(); }},
                    DiskFactory{"Faultless", [] { return std::make_unique<Faultless>(); }}),
    [](const auto& factory) { return factory.param.name; });

TEST_P(DiskContract, AppendedPartsReadBackInOrder) {
  const auto file = Create("f");
  const std::string_view parts[] = {"abc", "", "de"};
  ASSERT_TRUE(file->Append(parts).ok());
  ASSERT_TRUE(file->Append({}).ok());
  ASSERT_TRUE(Append(*file, "f").ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(ReadAll(disk_, In("f")), "abcdef");
  EXPECT_EQ(file->Size().value(), 6u);
}

TEST_P(DiskContract, MorePartsThanOneSystemCallTakesAreAppended) {
  const auto file = Create("f");
  std::vector<std::string> texts;
  std::string all;
  for (int i = 0; i < 5000; ++i) all += texts.emplace_back(std::to_string(i));
  const std::vector<std::string_view> parts(texts.begin(), texts.end());
  ASSERT_TRUE(file->Append(parts).ok());
  EXPECT_EQ(ReadAll(disk_, In("f")), all);
}

TEST_P(DiskContract, ReadAtAnswersFewerBytesOnlyAtTheEnd) {
  const auto file = Create("f");
  ASSERT_TRUE(Append(*file, "0123456789").ok());
  std::string out = "replaced";
  ASSERT_TRUE(file->ReadAt(2, 3, out).ok());
  EXPECT_EQ(out, "234");
  ASSERT_TRUE(file->ReadAt(8, 10, out).ok());
  EXPECT_EQ(out, "89");
  ASSERT_TRUE(file->ReadAt(10, 10, out).ok());
  EXPECT_EQ(out, "");
  ASSERT_TRUE(file->ReadAt(uint64_t{1} << 40, 10, out).ok());
  EXPECT_EQ(out, "");
}

TEST_P(DiskContract, CreateRefusesATakenNameAndMakesNoParents) {
  const auto file = Create("f");
  EXPECT_EQ(disk_.Create(In("f")).code(), Code::kExists);
  EXPECT_EQ(disk_.Create(In("no/f")).code(), Code::kNotFound);
  EXPECT_THAT(Names(), ElementsAre("f"));
}

TEST_P(DiskContract, OpenIsForReadingOnly) {
  static_cast<void>(Create("f"));
  const auto file = disk_.Open(In("f"));
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE(Append(**file, "x").ok());
  EXPECT_EQ((*file)->Size().value(), 0u);
}

TEST_P(DiskContract, OpenOfNoFileIsNotFoundAndOfADirectoryRefused) {
  EXPECT_EQ(disk_.Open(In("f")).code(), Code::kNotFound);
  EXPECT_EQ(disk_.Open(directory_).code(), Code::kRefused);
}

TEST_P(DiskContract, RelativePathsAreInvalid) {
  EXPECT_EQ(disk_.Create("f").code(), Code::kInvalid);
  EXPECT_EQ(disk_.Open("f").code(), Code::kInvalid);
  EXPECT_EQ(disk_.List("d").code(), Code::kInvalid);
  EXPECT_EQ(disk_.MakeDirs("d").code(), Code::kInvalid);
  EXPECT_EQ(disk_.Rename("f", "g").code(), Code::kInvalid);
  EXPECT_EQ(disk_.Remove("f").code(), Code::kInvalid);
  EXPECT_EQ(disk_.SyncDir("d").code(), Code::kInvalid);
  EXPECT_EQ(disk_.LockDir("d").code(), Code::kInvalid);
}

TEST_P(DiskContract, ListIsInByteOrder) {
  for (const char* name : {"b", "a", "10", "9", "\xff"}) static_cast<void>(Create(name));
  EXPECT_THAT(Names(), ElementsAre("10", "9", "a", "b", "\xff"));
  EXPECT_EQ(disk_.List(In("no")).code(), Code::kNotFound);
  EXPECT_EQ(disk_.List(In("a")).code(), Code::kRefused);
}

TEST_P(DiskContract, MakeDirsMakesParentsAndIsOkWhenItIsThere) {
  EXPECT_TRUE(disk_.MakeDirs(In("a/b/c")).ok());
  EXPECT_TRUE(disk_.MakeDirs(In("a/b/c")).ok());
  EXPECT_THAT(disk_.List(In("a/b")).value(), ElementsAre("c"));
  static_cast<void>(Create("f"));
  EXPECT_EQ(disk_.MakeDirs(In("f")).code(), Code::kRefused);
  EXPECT_EQ(disk_.MakeDirs(In("f/g")).code(), Code::kRefused);
}

TEST_P(DiskContract, RenameOverwritesFiles) {
  ASSERT_TRUE(Append(*Create("new"), "new").ok());
  ASSERT_TRUE(Append(*Create("old"), "old").ok());
  EXPECT_TRUE(disk_.Rename(In("new"), In("old")).ok());
  EXPECT_EQ(ReadAll(disk_, In("old")), "new");
  EXPECT_THAT(Names(), ElementsAre("old"));
  EXPECT_TRUE(disk_.Rename(In("old"), In("old")).ok());
  EXPECT_EQ(disk_.Rename(In("no"), In("old")).code(), Code::kNotFound);
  EXPECT_EQ(disk_.Rename(In("old"), In("no/f")).code(), Code::kNotFound);
  EXPECT_EQ(ReadAll(disk_, In("old")), "new");
}

TEST_P(DiskContract, RenameDoesNotMixFilesAndDirectories) {
  static_cast<void>(Create("f"));
  ASSERT_TRUE(disk_.MakeDirs(In("d/e")).ok());
  ASSERT_TRUE(disk_.MakeDirs(In("empty")).ok());
  EXPECT_EQ(disk_.Rename(In("f"), In("empty")).code(), Code::kRefused);
  EXPECT_EQ(disk_.Rename(In("d"), In("f")).code(), Code::kRefused);
  EXPECT_EQ(disk_.Rename(In("empty"), In("d")).code(), Code::kRefused);
  EXPECT_EQ(disk_.Rename(In("d"), In("d/e/f")).code(), Code::kRefused);
  EXPECT_TRUE(disk_.Rename(In("d"), In("empty")).ok());
  EXPECT_THAT(disk_.List(In("empty")).value(), ElementsAre("e"));
}

TEST_P(DiskContract, RemoveTakesFilesAndEmptyDirectories) {
  static_cast<void>(Create("f"));
  ASSERT_TRUE(disk_.MakeDirs(In("d/e")).ok());
  EXPECT_EQ(disk_.Remove(In("d")).code(), Code::kRefused);
  EXPECT_TRUE(disk_.Remove(In("d/e")).ok());
  EXPECT_TRUE(disk_.Remove(In("d")).ok());
  EXPECT_TRUE(disk_.Remove(In("f")).ok());
  EXPECT_EQ(disk_.Remove(In("f")).code(), Code::kNotFound);
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_P(DiskContract, OpenFileOutlivesItsName) {
  const auto file = Create("f");
  ASSERT_TRUE(Append(*file, "abc").ok());
  ASSERT_TRUE(disk_.Remove(In("f")).ok());
  std::string out;
  ASSERT_TRUE(file->ReadAt(0, 3, out).ok());
  EXPECT_EQ(out, "abc");
}

TEST_P(DiskContract, AFileHasANameUntilItsLastOneIsGoneOrTaken) {
  const auto file = Create("f");
  ASSERT_TRUE(disk_.Rename(In("f"), In("g")).ok());
  EXPECT_TRUE(*file->HasName());
  const auto other = Create("h");
  ASSERT_TRUE(disk_.Rename(In("h"), In("g")).ok());
  EXPECT_FALSE(*file->HasName());
  EXPECT_TRUE(*other->HasName());
  ASSERT_TRUE(disk_.Remove(In("g")).ok());
  EXPECT_FALSE(*other->HasName());
}

TEST_P(DiskContract, SyncDirOfADirectoryIsOkAndOfNoneIsNot) {
  static_cast<void>(Create("f"));
  EXPECT_TRUE(disk_.SyncDir(directory_).ok());
  EXPECT_FALSE(disk_.SyncDir(In("no")).ok());
}

TEST_P(DiskContract, FreeBytesAreKnown) {
  EXPECT_GT(disk_.FreeBytes(directory_).value(), 0u);
  EXPECT_EQ(disk_.FreeBytes(In("no")).code(), Code::kNotFound);
}

TEST_P(DiskContract, LockIsHeldUntilItIsDropped) {
  auto lock = disk_.LockDir(directory_);
  ASSERT_TRUE(lock.ok()) << lock.status().ToString();
  EXPECT_EQ(disk_.LockDir(directory_).code(), Code::kRefused);
  EXPECT_THAT(Names(), ElementsAre(kDiskLockName));
  lock->reset();
  EXPECT_TRUE(disk_.LockDir(directory_).ok());
  EXPECT_EQ(disk_.LockDir(In("no")).code(), Code::kNotFound);
}

// --- The local disk alone

TEST(LocalDiskTest, LockNamesItsHolder) {
  const TestDirectory directory;
  const auto lock = LocalDisk().LockDir(directory.path());
  ASSERT_TRUE(lock.ok());
  EXPECT_THAT(LocalDisk().LockDir(directory.path()).status().message(),
              HasSubstr("in use by process " + std::to_string(::getpid())));
}

TEST(LocalDiskTest, LockEndsWithItsProcess) {
  const TestDirectory directory;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = LocalDisk().LockDir(directory.path());
    ::_exit(lock.ok() ? 0 : 1);  // runs no destructors, as a killed process does not
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(LocalDisk().LockDir(directory.path()).ok());
}

TEST(LocalDiskTest, OpenRefusesAFifoWithoutWaitingForItsWriter) {
  const TestDirectory directory;
  const std::string path = directory.path() + "/fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(LocalDisk().Open(path).code(), Code::kRefused);
}

// --- Faults

TEST(FaultDiskTest, EveryCallIsCountedAndCanFail) {
  MemoryDisk memory;
  FaultPlan plan;
  FaultDisk disk(memory, plan);
  ASSERT_TRUE(disk.MakeDirs("/d").ok());
  const auto lock = disk.LockDir("/d");
  const auto file = *disk.Create("/d/f");
  ASSERT_TRUE(Append(*file, "x").ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(file->Size().ok());
  ASSERT_EQ(ReadAll(disk, "/d/f"), "x");
  ASSERT_TRUE(disk.SyncDir("/d").ok());
  ASSERT_TRUE(disk.Rename("/d/f", "/d/g").ok());
  ASSERT_TRUE(disk.List("/d").ok());
  ASSERT_TRUE(disk.FreeBytes("/d").ok());
  ASSERT_TRUE(disk.Remove("/d/g").ok());
  std::vector<std::string> lines;
  for (const Call& call : plan.trace()) lines.push_back(call.ToString());
  EXPECT_THAT(lines, ElementsAre("1 make-dir disk /d", "2 lock-dir disk /d", "3 create disk /d/f",
                                 "4 append disk /d/f", "5 sync disk /d/f", "6 size disk /d/f",
                                 "7 open disk /d/f", "8 read disk /d/f", "9 sync-dir disk /d",
                                 "10 rename disk /d/f to /d/g", "11 list disk /d",
                                 "12 free-bytes disk /d", "13 remove disk /d/g"));
  plan.Add({.times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  std::string out;
  EXPECT_EQ(disk.MakeDirs("/d").code(), Code::kUnavailable);
  EXPECT_EQ(disk.LockDir("/d").code(), Code::kUnavailable);
  EXPECT_EQ(disk.Create("/d/h").code(), Code::kUnavailable);
  EXPECT_EQ(disk.Open("/d/f").code(), Code::kUnavailable);
  EXPECT_EQ(Append(*file, "x").code(), Code::kUnavailable);
  EXPECT_EQ(file->Sync().code(), Code::kUnavailable);
  EXPECT_EQ(file->Size().code(), Code::kUnavailable);
  EXPECT_EQ(file->ReadAt(0, 1, out).code(), Code::kUnavailable);
  EXPECT_EQ(disk.SyncDir("/d").code(), Code::kUnavailable);
  EXPECT_EQ(disk.Rename("/d/f", "/d/g").code(), Code::kUnavailable);
  EXPECT_EQ(disk.List("/d").code(), Code::kUnavailable);
  EXPECT_EQ(disk.FreeBytes("/d").code(), Code::kUnavailable);
  EXPECT_EQ(disk.Remove("/d/g").code(), Code::kUnavailable);
}

TEST(FaultDiskTest, TornAppendCutsThePartsLaidEndToEnd) {
  MemoryDisk memory;
  FaultPlan plan;
  FaultDisk disk(memory, plan);
  const auto file = *disk.Create("/f");
  plan.Add({.verb = Verb::kAppend, .fault = Fault::Torn(4, Code::kNoSpace)});
  const std::string_view parts[] = {"abc", "def"};
  EXPECT_EQ(file->Append(parts).code(), Code::kNoSpace);
  EXPECT_EQ(ReadAll(memory, "/f"), "abcd");
}

TEST(FaultDiskTest, FlippedReadIsOneBitWrong) {
  MemoryDisk memory;
  FaultPlan plan;
  FaultDisk disk(memory, plan);
  ASSERT_TRUE(Append(**disk.Create("/f"), "aaa").ok());
  plan.Add({.verb = Verb::kRead, .fault = Fault::Flipped(100)});
  EXPECT_EQ(ReadAll(disk, "/f"), "aa`");
  EXPECT_EQ(ReadAll(disk, "/f"), "aaa");
}

TEST(FaultDiskTest, CrashBeforeSyncLosesAndCrashAfterSyncKeeps) {
  for (const bool after : {false, true}) {
    MemoryDisk memory;
    FaultPlan plan;
    FaultDisk disk(memory, plan);
    const auto file = *disk.Create("/f");
    ASSERT_TRUE(disk.SyncDir("/").ok());
    ASSERT_TRUE(Append(*file, std::string(1000, 'x')).ok());
    plan.Add({.verb = Verb::kSync, .fault = after ? Fault::CrashAfter() : Fault::CrashBefore()});
    EXPECT_THROW(static_cast<void>(file->Sync()), Crash);
    memory.PowerCut(*SeededRandom(1));
    EXPECT_EQ(ReadAll(memory, "/f").size() == 1000, after);
  }
}

// --- The memory disk's power cut, whatever the dice

constexpr uint64_t kSeeds = 200;

TEST(PowerCutTest, WhatWasSyncedSurvives) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    MemoryDisk disk;
    ASSERT_TRUE(disk.MakeDirs("/d").ok());
    const auto file = *disk.Create("/d/f");
    ASSERT_TRUE(Append(*file, "synced").ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(disk.SyncDir("/d").ok());
    ASSERT_TRUE(disk.SyncDir("/").ok());
    disk.PowerCut(*SeededRandom(seed));
    ASSERT_EQ(ReadAll(disk, "/d/f"), "synced");
  }
}

TEST(PowerCutTest, AnyPrefixOfTheUnsyncedBytesIsLeft) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    MemoryDisk disk;
    const auto file = *disk.Create("/f");
    ASSERT_TRUE(disk.SyncDir("/").ok());
    ASSERT_TRUE(Append(*file, "ab").ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(Append(*file, "cde").ok());
    disk.PowerCut(*SeededRandom(seed));
    seen.insert(ReadAll(disk, "/f"));
  }
  EXPECT_THAT(seen, ElementsAre("ab", "abc", "abcd", "abcde"));
}

TEST(PowerCutTest, UnsyncedNamesAreLeftAsAnyFirstFewOfTheChanges) {
  std::set<std::vector<std::string>> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    MemoryDisk disk;
    static_cast<void>(disk.Create("/old"));
    ASSERT_TRUE(disk.SyncDir("/").ok());
    static_cast<void>(disk.Create("/new"));
    ASSERT_TRUE(disk.Rename("/new", "/renamed").ok());
    ASSERT_TRUE(disk.Remove("/old").ok());
    disk.PowerCut(*SeededRandom(seed));
    seen.insert(disk.List("/").value());
  }
  using Names = std::vector<std::string>;
  EXPECT_THAT(seen, testing::UnorderedElementsAre(Names{"old"}, Names{"new", "old"},
                                                  Names{"old", "renamed"}, Names{"renamed"}));
}

TEST(PowerCutTest, RenameHappenedInBothDirectoriesOrInNeither) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    MemoryDisk disk;
    ASSERT_TRUE(disk.MakeDirs("/a").ok());
    ASSERT_TRUE(disk.MakeDirs("/b").ok());
    static_cast<void>(disk.Create("/a/f"));
    ASSERT_TRUE(disk.SyncDir("/a").ok());
    ASSERT_TRUE(disk.SyncDir("/").ok());
    ASSERT_TRUE(disk.Rename("/a/f", "/b/f").ok());
    disk.PowerCut(*SeededRandom(seed));
    ASSERT_NE(disk.Open("/a/f").ok(), disk.Open("/b/f").ok());
    seen.insert(disk.Open("/a/f").ok() ? "a" : "b");
  }
  EXPECT_EQ(seen.size(), 2u);
}

TEST(PowerCutTest, SyncDirOfEitherDirectoryKeepsARenameAndWhatCameBefore) {
  for (const char* synced : {"/a", "/b"}) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      MemoryDisk disk;
      ASSERT_TRUE(disk.MakeDirs("/a").ok());
      ASSERT_TRUE(disk.MakeDirs("/b").ok());
      ASSERT_TRUE(disk.SyncDir("/").ok());
      static_cast<void>(disk.Create("/a/f"));
      ASSERT_TRUE(disk.Rename("/a/f", "/b/f").ok());
      ASSERT_TRUE(disk.SyncDir(synced).ok());
      disk.PowerCut(*SeededRandom(seed));
      ASSERT_TRUE(disk.Open("/b/f").ok());
      ASSERT_FALSE(disk.Open("/a/f").ok());
    }
  }
}

TEST(PowerCutTest, BytesOfAFailedSyncAreNeverDurable) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    MemoryDisk disk;
    const auto file = *disk.Create("/f");
    ASSERT_TRUE(disk.SyncDir("/").ok());
    ASSERT_TRUE(Append(*file, "ab").ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(Append(*file, "cd").ok());
    disk.FailNextSync();
    ASSERT_EQ(file->Sync().code(), Code::kUnavailable);
    EXPECT_EQ(ReadAll(disk, "/f"), "abcd");
    ASSERT_TRUE(Append(*file, "ef").ok());
    ASSERT_TRUE(file->Sync().ok());
    disk.PowerCut(*SeededRandom(seed));
    ASSERT_EQ(ReadAll(disk, "/f"), std::string("ab\0\0ef", 6));
  }
}

TEST(PowerCutTest, OpenFilesAreDeadAndLocksFree) {
  MemoryDisk disk;
  const auto file = *disk.Create("/f");
  const auto lock = disk.LockDir("/");
  ASSERT_TRUE(lock.ok());
  disk.PowerCut(*SeededRandom(1));
  std::string out;
  EXPECT_EQ(Append(*file, "x").code(), Code::kUnavailable);
  EXPECT_EQ(file->Sync().code(), Code::kUnavailable);
  EXPECT_EQ(file->ReadAt(0, 1, out).code(), Code::kUnavailable);
  EXPECT_EQ(file->Size().code(), Code::kUnavailable);
  EXPECT_TRUE(disk.LockDir("/").ok());
}

TEST(PowerCutTest, SecondPowerCutLosesNothingMore) {
  MemoryDisk disk;
  ASSERT_TRUE(Append(**disk.Create("/f"), "abcdef").ok());
  disk.PowerCut(*SeededRandom(3));
  const std::vector<std::string> names = disk.List("/").value();
  const std::string content = ReadAll(disk, "/f");
  disk.PowerCut(*SeededRandom(4));
  EXPECT_EQ(disk.List("/").value(), names);
  EXPECT_EQ(ReadAll(disk, "/f"), content);
}

TEST(MemoryDiskTest, FullDiskTakesAPrefixAndHasRoomAfterARemoval) {
  MemoryDisk disk(10);
  const auto first = *disk.Create("/first");
  ASSERT_TRUE(Append(*first, "123456").ok());
  EXPECT_EQ(disk.FreeBytes("/").value(), 4u);
  const auto second = *disk.Create("/second");
  const std::string_view parts[] = {"ab", "cdef"};
  EXPECT_EQ(second->Append(parts).code(), Code::kNoSpace);
  EXPECT_EQ(ReadAll(disk, "/second"), "abcd");
  EXPECT_EQ(disk.FreeBytes("/").value(), 0u);
  ASSERT_TRUE(disk.Remove("/first").ok());
  EXPECT_TRUE(Append(*second, "ef").ok());
  disk.SetCapacity(3);
  EXPECT_EQ(disk.FreeBytes("/").value(), 0u);
  EXPECT_EQ(Append(*second, "g").code(), Code::kNoSpace);
}

}  // namespace
}  // namespace databus
