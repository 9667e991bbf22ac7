#include "storage/contract.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>

#include "base/sync.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;

std::vector<Code> Codes(const std::vector<Status>& answers) {
  std::vector<Code> codes;
  for (const Status& answer : answers) codes.push_back(answer.code());
  return codes;
}

// --- Paths

TEST_P(StorageContract, RootIsAnEmptyDirectory) {
  const Result<NodeInfo> root = storage_.Stat("");
  ASSERT_TRUE(root.ok()) << root.status().ToString();
  EXPECT_EQ(root->kind, NodeKind::kDirectory);
  EXPECT_THAT(Names(""), IsEmpty());
}

TEST_P(StorageContract, MalformedPathsAreInvalidInEveryCall) {
  Write("a", "kept");
  for (const std::string& path :
       {std::string("/a"), std::string("a/"), std::string("a//b"), std::string("."),
        std::string(".."), std::string("d/../a"), std::string("./a"), std::string("a\0b", 3),
        std::string("/"), std::string(256, 'x')}) {
    SCOPED_TRACE(path);
    EXPECT_EQ(storage_.Stat(path).code(), Code::kInvalid);
    EXPECT_EQ(storage_.List(path).code(), Code::kInvalid);
    EXPECT_EQ(storage_.Open(path).code(), Code::kInvalid);
    EXPECT_EQ(storage_.Create(path).code(), Code::kInvalid);
    EXPECT_EQ(storage_.MakeDir(path).code(), Code::kInvalid);
    EXPECT_EQ(storage_.Rename(path, "b").code(), Code::kInvalid);
    EXPECT_EQ(storage_.Rename("a", path).code(), Code::kInvalid);
    EXPECT_EQ(storage_.Remove(path).code(), Code::kInvalid);
    EXPECT_EQ(storage_.Replace(path, "x").code(), Code::kInvalid);
  }
  EXPECT_THAT(Names(""), ElementsAre("a"));
}

TEST_P(StorageContract, RootCannotBeMadeMovedReplacedOrRemoved) {
  EXPECT_EQ(storage_.MakeDir("").code(), Code::kExists);
  EXPECT_EQ(storage_.Create("").code(), Code::kExists);
  EXPECT_EQ(storage_.Open("").code(), Code::kRefused);
  EXPECT_EQ(storage_.Replace("", "x").code(), Code::kRefused);
  EXPECT_EQ(storage_.Rename("", "a").code(), Code::kRefused);
  EXPECT_EQ(storage_.Remove("").code(), Code::kRefused);
  Write("a", "");
  EXPECT_EQ(storage_.Rename("a", "").code(), Code::kExists);
  EXPECT_THAT(Names(""), ElementsAre("a"));
}

TEST_P(StorageContract, OddButLegalNamesComeBackAsTheyWere) {
  std::vector<std::string> names = GetParam().odd_names;
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    MakeDir(name);
    Write(name + "/" + name, "in " + name);
    EXPECT_EQ(Read(name + "/" + name), "in " + name);
    ASSERT_TRUE(storage_.Rename(name + "/" + name, name + "/moved").ok());
    EXPECT_EQ(Read(name + "/moved"), "in " + name);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(Names(""), names);
}

// --- Stat and List

TEST_P(StorageContract, StatTellsKindAndLength) {
  MakeDir("d");
  Write("d/f", "12345");
  const Result<NodeInfo> directory = storage_.Stat("d");
  ASSERT_TRUE(directory.ok());
  EXPECT_EQ(directory->kind, NodeKind::kDirectory);
  EXPECT_EQ(directory->length, 0u);
  const Result<NodeInfo> file = storage_.Stat("d/f");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->kind, NodeKind::kFile);
  EXPECT_EQ(file->length, 5u);
}

TEST_P(StorageContract, StatOfWhatIsNotThereIsNotFound) {
  Write("f", "");
  EXPECT_EQ(StatCode("a"), Code::kNotFound);
  EXPECT_EQ(StatCode("a/b"), Code::kNotFound);
  EXPECT_EQ(StatCode("f/b"), Code::kNotFound);
}

TEST_P(StorageContract, StatDoesNotSeeAFileOlderThanTheOneBefore) {
  Write("first", "");
  Write("second", "");
  EXPECT_LE(storage_.Stat("first")->modified, storage_.Stat("second")->modified);
  EXPECT_GT(storage_.Stat("first")->modified, WallTime());
}

TEST_P(StorageContract, ListIsInByteOrder) {
  for (const char* name : {"b", "a-b", "a", "A", "a.b", "10", "9", "\x7f"}) MakeDir(name);
  EXPECT_THAT(Names(""), ElementsAre("10", "9", "A", "a", "a-b", "a.b", "b", "\x7f"));
}

TEST_P(StorageContract, ListNamesGivesTheNamesThatListGives) {
  for (const char* name : {"b", "a-b", "a", "10", "9"}) MakeDir(name);
  Write("a/f", "123");
  Write("0", "123");
  EXPECT_THAT(*storage_.ListNames(""), ElementsAreArray(Names("")));
  EXPECT_THAT(*storage_.ListNames("a"), ElementsAre("f"));
  EXPECT_EQ(storage_.ListNames("0").code(), Code::kRefused);
  EXPECT_EQ(storage_.ListNames("c").code(), Code::kNotFound);
  EXPECT_EQ(storage_.ListNames("0/c").code(), storage_.List("0/c").code());
}

TEST_P(StorageContract, ListTellsKindsAndLengthsAsStatDoes) {
  MakeDir("d");
  Write("f", "123");
  const Result<std::vector<DirEntry>> entries = storage_.List("");
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 2u);
  for (const DirEntry& entry : *entries) {
    const Result<NodeInfo> info = storage_.Stat(entry.name);
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(entry.info.kind, info->kind);
    EXPECT_EQ(entry.info.length, info->length);
    EXPECT_EQ(entry.info.modified, info->modified);
  }
}

TEST_P(StorageContract, ListShowsOnlyDirectEntries) {
  MakeDir("d");
  MakeDir("d/e");
  Write("d/e/f", "");
  EXPECT_THAT(Names(""), ElementsAre("d"));
  EXPECT_THAT(Names("d"), ElementsAre("e"));
}

TEST_P(StorageContract, ListOfAMissingDirectoryIsNotFoundAndOfAFileRefused) {
  Write("f", "");
  EXPECT_EQ(storage_.List("a").code(), Code::kNotFound);
  EXPECT_EQ(storage_.List("a/b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.List("f/b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.List("f").code(), Code::kRefused);
}

TEST_P(StorageContract, ListIsCurrentAfterEveryChange) {
  MakeDir("d");
  Write("f", "");
  EXPECT_THAT(Names(""), ElementsAre("d", "f"));
  ASSERT_TRUE(storage_.Rename("f", "d/g").ok());
  EXPECT_THAT(Names(""), ElementsAre("d"));
  EXPECT_THAT(Names("d"), ElementsAre("g"));
  ASSERT_TRUE(storage_.Rename("d", "e").ok());
  EXPECT_THAT(Names(""), ElementsAre("e"));
  ASSERT_TRUE(storage_.Remove("e/g").ok());
  EXPECT_THAT(Names("e"), IsEmpty());
  ASSERT_TRUE(storage_.Replace("e/h", "x").ok());
  EXPECT_THAT(Names("e"), ElementsAre("h"));
}

TEST_P(StorageContract, ListOfALargeDirectoryIsComplete) {
  constexpr size_t kCount = 10'000;
  std::vector<std::string> names;
  for (size_t i = 0; i < kCount; ++i) names.push_back(std::to_string(i) + std::string(60, '-'));
  for (const Status& answer : storage_.MakeDirs(names)) ASSERT_TRUE(answer.ok());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(Names(""), names);
}

// --- Files

TEST_P(StorageContract, ContentReadsBackFromAnyOffset) {
  Write("f", "0123456789");
  const auto reader = storage_.Open("f");
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ((*reader)->Read(0, 4).value(), "0123");
  EXPECT_EQ((*reader)->Read(7, 2).value(), "78");
  EXPECT_EQ((*reader)->Read(7, 100).value(), "789");
  EXPECT_EQ((*reader)->Read(0, 100).value(), "0123456789");
  EXPECT_EQ((*reader)->Read(3, 0).value(), "");
}

TEST_P(StorageContract, ReadAtOrPastTheEndIsEmpty) {
  Write("f", "0123456789");
  const auto reader = storage_.Open("f");
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->Read(10, 4).value(), "");
  EXPECT_EQ((*reader)->Read(uint64_t{1} << 40, 4).value(), "");
}

TEST_P(StorageContract, LargeFileOfManyAppendsReadsBack) {
  std::string all;
  auto writer = storage_.Create("f");
  ASSERT_TRUE(writer.ok());
  for (int i = 0; i < 60; ++i) {
    const std::string part(100'000 + static_cast<size_t>(i), static_cast<char>('A' + i));
    ASSERT_TRUE((*writer)->Append(part).ok());
    all += part;
  }
  ASSERT_TRUE((*writer)->Finish().ok());
  EXPECT_TRUE(Read("f") == all);
  EXPECT_EQ(storage_.Stat("f")->length, all.size());
}

// Who asks for much and gets less has read to the end (Storage::ReadFile).
TEST_P(StorageContract, OneReadOfMuchGivesAllThatIsThere) {
  constexpr size_t kLength = (size_t{9} << 20) + 1;
  Write("f", std::string(kLength, 'x'));
  const auto reader = storage_.Open("f");
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->Read(0, kLength - 1)->size(), kLength - 1);
  EXPECT_EQ((*reader)->Read(1, size_t{64} << 20)->size(), kLength - 1);
}

TEST_P(StorageContract, WholeFilesOfAnyNumberOfPartsReadBack) {
  for (const size_t length : {(size_t{4} << 20) - 1, size_t{4} << 20, (size_t{8} << 20) + 1}) {
    const std::string name = std::to_string(length);
    Write(name, std::string(length, 'x'));
    EXPECT_EQ(Read(name).size(), length);
    EXPECT_EQ(storage_.ReadFile(name, length - 1).code(), Code::kInvalid);
  }
}

TEST_P(StorageContract, AnyBytesAndNoBytesAreContent) {
  std::string bytes;
  for (int i = 0; i < 512; ++i) bytes += static_cast<char>(i);
  Write("bytes", bytes);
  Write("nothing", "");
  EXPECT_EQ(Read("bytes"), bytes);
  EXPECT_EQ(storage_.ReadFile("nothing").value(), "");
}

TEST_P(StorageContract, ReadFileRefusesWhatIsLongerThanAsked) {
  Write("f", "12345");
  EXPECT_EQ(storage_.ReadFile("f", 5).value(), "12345");
  EXPECT_EQ(storage_.ReadFile("f", 4).code(), Code::kInvalid);
}

TEST_P(StorageContract, OpenOfNoFileIsNotFoundAndOfADirectoryRefused) {
  MakeDir("d");
  Write("f", "");
  EXPECT_EQ(storage_.Open("a").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Open("a/b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Open("f/b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Open("d").code(), Code::kRefused);
}

TEST_P(StorageContract, OpensAnswersEachFileAsOpenDoes) {
  MakeDir("d");
  const std::string large(300'000, 'x');
  Write("large", large);
  Write("empty", "");
  std::vector<std::string> paths;
  for (int i = 0; i < 40; ++i) {
    paths.push_back("d/" + std::to_string(i));
    Write(paths.back(), "content " + std::to_string(i));
  }
  paths.insert(paths.end(), {"no", "large", "d", "./x", "empty", "large/b", "d/7"});
  const auto readers = storage_.Opens(paths);
  ASSERT_EQ(readers.size(), paths.size());
  const auto content = [&](size_t i) {
    return readers[i].ok() ? *(*readers[i])->Read(0, 1'000'000) : readers[i].status().ToString();
  };
  for (size_t i = 0; i < 40; ++i) EXPECT_EQ(content(i), "content " + std::to_string(i));
  EXPECT_EQ(readers[40].code(), Code::kNotFound);
  EXPECT_TRUE(content(41) == large);
  EXPECT_EQ(readers[42].code(), Code::kRefused);
  EXPECT_EQ(readers[43].code(), Code::kInvalid);
  EXPECT_EQ(content(44), "");
  EXPECT_EQ(readers[45].code(), Code::kNotFound);
  EXPECT_EQ(content(46), "content 7");
  EXPECT_TRUE(storage_.Opens({}).empty());
}

TEST_P(StorageContract, ReaderGoesOnWhenItsFileOrDirectoryIsRenamed) {
  MakeDir("d");
  Write("d/f", "0123456789");
  const auto reader = storage_.Open("d/f");
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->Read(0, 5).value(), "01234");
  ASSERT_TRUE(storage_.Rename("d/f", "d/g").ok());
  ASSERT_TRUE(storage_.Rename("d", "e").ok());
  MakeDir("d");
  Write("d/f", "other text");
  EXPECT_EQ((*reader)->Read(5, 5).value(), "56789");
}

TEST_P(StorageContract, ManyReadersReadOneFileAtOnce) {
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += static_cast<char>('a' + i % 26);
  Write("f", content);
  std::atomic<int> same{0};
  {
    std::vector<Thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back("reader", [&] {
        for (int j = 0; j < 20; ++j) same += Read("f") == content ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(same, 80);
}

TEST_P(StorageContract, CreateRefusesATakenName) {
  MakeDir("d");
  Write("f", "kept");
  EXPECT_EQ(storage_.Create("f").code(), Code::kExists);
  EXPECT_EQ(storage_.Create("d").code(), Code::kExists);
  EXPECT_EQ(Read("f"), "kept");
}

TEST_P(StorageContract, CreateRefusesTheNameOfAFileStillBeingWritten) {
  const auto writer = storage_.Create("f");
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(storage_.Create("f").code(), Code::kExists);
}

TEST_P(StorageContract, CreateMakesNoParents) {
  Write("f", "kept");
  EXPECT_EQ(storage_.Create("a/b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Create("a/b/c").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Create("f/b").code(), Code::kNotFound);
  EXPECT_THAT(Names(""), ElementsAre("f"));
}

TEST_P(StorageContract, DroppedWriterLeavesAPrefix) {
  {
    const auto writer = storage_.Create("f");
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Append("0123456789").ok());
  }
  const std::string left = storage_.ReadFile("f").value();
  EXPECT_EQ(left, std::string("0123456789").substr(0, left.size()));
}

// P5: what a stale holder writes goes along with its fenced directory.
TEST_P(StorageContract, FileIsNeverSeenInADirectoryThatWasRenamedAway) {
  MakeDir("epoch");
  const auto writer = storage_.Create("epoch/f");
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(storage_.Rename("epoch", "epoch.fenced").ok());
  static_cast<void>((*writer)->Append("late"));
  static_cast<void>((*writer)->Finish());
  EXPECT_EQ(StatCode("epoch"), Code::kNotFound);
  EXPECT_EQ(storage_.Create("epoch/g").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Rename("epoch/f", "f").code(), Code::kNotFound);
  EXPECT_THAT(Names(""), ElementsAre("epoch.fenced"));
}

// --- Directories

TEST_P(StorageContract, MakeDirMakesAnEmptyDirectory) {
  MakeDir("d");
  MakeDir("d/e");
  EXPECT_THAT(Names("d"), ElementsAre("e"));
  EXPECT_THAT(Names("d/e"), IsEmpty());
}

TEST_P(StorageContract, MakeDirRefusesATakenName) {
  MakeDir("d");
  Write("f", "kept");
  EXPECT_EQ(storage_.MakeDir("d").code(), Code::kExists);
  EXPECT_EQ(storage_.MakeDir("f").code(), Code::kExists);
  EXPECT_EQ(Read("f"), "kept");
}

TEST_P(StorageContract, MakeDirMakesNoParents) {
  Write("f", "");
  EXPECT_EQ(storage_.MakeDir("a/b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.MakeDir("f/b").code(), Code::kNotFound);
  EXPECT_THAT(Names(""), ElementsAre("f"));
}

// --- Renames

TEST_P(StorageContract, RenameMovesAFile) {
  MakeDir("d");
  Write("f", "content");
  ASSERT_TRUE(storage_.Rename("f", "d/g").ok());
  EXPECT_EQ(StatCode("f"), Code::kNotFound);
  EXPECT_EQ(Read("d/g"), "content");
}

TEST_P(StorageContract, RenameMovesAWholeDirectory) {
  MakeDir("a");
  MakeDir("a/b");
  MakeDir("c");
  Write("a/b/f", "content");
  ASSERT_TRUE(storage_.Rename("a", "c/d").ok());
  EXPECT_EQ(StatCode("a"), Code::kNotFound);
  EXPECT_EQ(StatCode("a/b/f"), Code::kNotFound);
  EXPECT_EQ(Read("c/d/b/f"), "content");
}

TEST_P(StorageContract, RenameOfWhatIsNotThereIsNotFound) {
  MakeDir("d");
  Write("f", "kept");
  EXPECT_EQ(storage_.Rename("a", "b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Rename("a/c", "b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Rename("f/c", "b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Rename("a", "f").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Rename("a", "d").code(), Code::kNotFound);
  EXPECT_THAT(Names(""), ElementsAre("d", "f"));
  EXPECT_EQ(Read("f"), "kept");
}

TEST_P(StorageContract, RenameMakesNoParents) {
  MakeDir("d");
  Write("f", "kept");
  EXPECT_EQ(storage_.Rename("f", "a/b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Rename("d", "a/b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Rename("d", "f/b").code(), Code::kNotFound);
  EXPECT_THAT(Names(""), ElementsAre("d", "f"));
  EXPECT_EQ(Read("f"), "kept");
}

TEST_P(StorageContract, RenameNeverOverwrites) {
  MakeDir("full");
  Write("full/x", "x");
  MakeDir("empty");
  MakeDir("empty2");
  Write("f", "f");
  Write("g", "g");
  const std::pair<const char*, const char*> moves[] = {
      {"f", "g"},    {"f", "empty"}, {"f", "full"},     {"full", "empty"}, {"empty", "empty2"},
      {"full", "f"}, {"empty", "f"}, {"empty", "full"}, {"f", "f"},        {"full", "full"}};
  for (const auto& [from, to] : moves) {
    EXPECT_EQ(storage_.Rename(from, to).code(), Code::kExists) << from << " to " << to;
  }
  EXPECT_THAT(Names(""), ElementsAre("empty", "empty2", "f", "full", "g"));
  EXPECT_THAT(Names("empty"), IsEmpty());
  EXPECT_THAT(Names("empty2"), IsEmpty());
  EXPECT_THAT(Names("full"), ElementsAre("x"));
  EXPECT_EQ(Read("f"), "f");
  EXPECT_EQ(Read("g"), "g");
}

TEST_P(StorageContract, RenameOfADirectoryIntoItselfIsRefused) {
  MakeDir("a");
  MakeDir("a/b");
  EXPECT_EQ(storage_.Rename("a", "a/c").code(), Code::kRefused);
  EXPECT_EQ(storage_.Rename("a", "a/b/c").code(), Code::kRefused);
  EXPECT_THAT(Names(""), ElementsAre("a"));
  EXPECT_THAT(Names("a"), ElementsAre("b"));
  EXPECT_TRUE(storage_.Rename("a", "ab").ok());
}

TEST_P(StorageContract, OneOfManyRenamesToOneNameWins) {
  for (int i = 0; i < 4; ++i) Write("from" + std::to_string(i), std::to_string(i));
  std::atomic<int> won{0};
  std::atomic<int> refused{0};
  {
    std::vector<Thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back("renamer", [&, i] {
        const Status answer = storage_.Rename("from" + std::to_string(i), "to");
        won += answer.ok() ? 1 : 0;
        refused += answer.code() == Code::kExists ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(Names("").size(), 4u);
}

TEST_P(StorageContract, OneOfManyCreationsOfOneNameWins) {
  std::atomic<int> won{0};
  {
    std::vector<Thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back("creator", [&] { won += storage_.WriteFile("f", "x").ok() ? 1 : 0; });
    }
  }
  EXPECT_EQ(won, 1);
}

// A lease is renewed by a rename; whoever lists at that moment must see it under one of the names.
TEST_P(StorageContract, ListDuringRenamesSeesTheFileExactlyOnce) {
  MakeDir("d");
  for (int i = 0; i < 500; ++i) MakeDir("d/" + std::to_string(1000 + i));
  Write("d/lease-0", "");
  std::atomic<bool> done{false};
  Thread renamer("renamer", [&] {
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(storage_
                      .Rename("d/lease-" + std::to_string(i * 7919),
                              "d/lease-" + std::to_string((i + 1) * 7919))
                      .ok());
    }
    done = true;
  });
  // "Cannot tell" is a true answer while names change all the time; a wrong listing is not.
  do {
    const auto entries = storage_.List("d");
    if (entries.ok()) {
      EXPECT_EQ(entries->size(), 501u);
    } else {
      EXPECT_EQ(entries.code(), Code::kUnavailable);
    }
  } while (!done);
  EXPECT_EQ(Names("d").size(), 501u);
}

// --- Removes

TEST_P(StorageContract, RemoveTakesFilesAndEmptyDirectories) {
  MakeDir("d");
  Write("f", "");
  EXPECT_TRUE(storage_.Remove("d").ok());
  EXPECT_TRUE(storage_.Remove("f").ok());
  EXPECT_THAT(Names(""), IsEmpty());
}

TEST_P(StorageContract, RemoveOfWhatIsNotThereIsNotFound) {
  Write("f", "");
  EXPECT_EQ(storage_.Remove("a").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Remove("a/b").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Remove("f/b").code(), Code::kNotFound);
}

TEST_P(StorageContract, RemoveRefusesADirectoryWithEntries) {
  MakeDir("d");
  Write("d/f", "kept");
  EXPECT_EQ(storage_.Remove("d").code(), Code::kRefused);
  EXPECT_EQ(Read("d/f"), "kept");
}

// --- Batches

TEST_P(StorageContract, BatchesAnswerEachItemInTheOrderGiven) {
  MakeDir("d");
  Write("f", "");
  EXPECT_THAT(Codes(storage_.MakeDirs(std::vector<std::string>{"a", "d", "x/y", "", "d/e"})),
              ElementsAre(Code::kOk, Code::kExists, Code::kNotFound, Code::kExists, Code::kOk));
  EXPECT_THAT(
      Codes(storage_.Renames(
          std::vector<Move>{{"no", "b"}, {"f", "d/f"}, {"a", "d"}, {"a", "x/y"}, {"a", "a/b"}})),
      ElementsAre(Code::kNotFound, Code::kOk, Code::kExists, Code::kNotFound, Code::kRefused));
  EXPECT_THAT(Codes(storage_.Removes(std::vector<std::string>{"d", "d/f", "no", "a"})),
              ElementsAre(Code::kRefused, Code::kOk, Code::kNotFound, Code::kOk));
  EXPECT_THAT(Names(""), ElementsAre("d"));
  EXPECT_THAT(Names("d"), ElementsAre("e"));
}

TEST_P(StorageContract, DirectoriesOfOneParentAreAnsweredOneByOne) {
  MakeDir("d");
  MakeDir("d/b");
  Write("d/c", "");
  EXPECT_THAT(Codes(storage_.MakeDirs(std::vector<std::string>{"d/a", "d/b", "d/c", "d/e"})),
              ElementsAre(Code::kOk, Code::kExists, Code::kExists, Code::kOk));
  EXPECT_THAT(Names("d"), ElementsAre("a", "b", "c", "e"));
  EXPECT_THAT(Codes(storage_.MakeDirs(std::vector<std::string>{"no/a", "no/b", "no/c"})),
              ElementsAre(Code::kNotFound, Code::kNotFound, Code::kNotFound));
  EXPECT_THAT(Names(""), ElementsAre("d"));
}

TEST_P(StorageContract, EmptyBatchesHaveNoAnswers) {
  EXPECT_THAT(storage_.MakeDirs({}), IsEmpty());
  EXPECT_THAT(storage_.Renames({}), IsEmpty());
  EXPECT_THAT(storage_.Removes({}), IsEmpty());
  EXPECT_THAT(storage_.WriteFiles({}), IsEmpty());
}

TEST_P(StorageContract, LargeBatchesAreDoneWhole) {
  std::vector<std::string> directories;
  std::vector<Move> moves;
  for (int i = 0; i < 1000; ++i) {
    directories.push_back("from" + std::to_string(i));
    moves.push_back({directories.back(), "to" + std::to_string(i)});
  }
  for (const Status& answer : storage_.MakeDirs(directories)) ASSERT_TRUE(answer.ok());
  for (const Status& answer : storage_.Renames(moves)) ASSERT_TRUE(answer.ok());
  for (std::string& directory : directories) directory.replace(0, 4, "to");
  std::sort(directories.begin(), directories.end());
  EXPECT_EQ(Names(""), directories);
  for (const Status& answer : storage_.Removes(directories)) ASSERT_TRUE(answer.ok());
  EXPECT_THAT(Names(""), IsEmpty());
}

TEST_P(StorageContract, BatchesInManyDirectoriesAreDoneWhole) {
  std::vector<std::string> directories;
  std::vector<SmallFile> files;
  std::vector<Move> moves;
  std::vector<std::string> moved;
  for (int i = 0; i < 100; ++i) {
    directories.push_back("d" + std::to_string(i));
    files.push_back({directories.back() + "/f", std::to_string(i)});
    moved.push_back(directories.back() + "/g");
    moves.push_back({files.back().path, moved.back()});
  }
  MakeDir("d100");
  directories.push_back("d100/e/none");
  files.push_back({"none/f", ""});
  moves.push_back({"d100/f", "d100/g"});
  moved.push_back("d100/g");
  for (const std::vector<Status>& answers :
       {storage_.MakeDirs(directories), storage_.WriteFiles(files), storage_.Renames(moves)}) {
    ASSERT_EQ(answers.size(), 101u);
    for (size_t i = 0; i < 100; ++i) ASSERT_TRUE(answers[i].ok()) << answers[i].ToString();
    EXPECT_EQ(answers[100].code(), Code::kNotFound);
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Read(moved[static_cast<size_t>(i)]), std::to_string(i));
  const std::vector<Status> removed = storage_.Removes(moved);
  for (size_t i = 0; i < 100; ++i) ASSERT_TRUE(removed[i].ok()) << removed[i].ToString();
  EXPECT_EQ(removed[100].code(), Code::kNotFound);
}

// --- WriteFiles

TEST_P(StorageContract, WriteFilesCreatesEachFileWithItsContent) {
  MakeDir("d");
  const std::string large(300'000, 'x');
  EXPECT_THAT(
      Codes(storage_.WriteFiles(std::vector<SmallFile>{{"d/b", "two"}, {"d/a", ""}, {"c", large}})),
      ElementsAre(Code::kOk, Code::kOk, Code::kOk));
  EXPECT_THAT(Names("d"), ElementsAre("a", "b"));
  EXPECT_EQ(Read("d/a"), "");
  EXPECT_EQ(Read("d/b"), "two");
  EXPECT_TRUE(Read("c") == large);
}

TEST_P(StorageContract, WriteFilesAnswersEachFileAsCreateDoes) {
  MakeDir("d");
  Write("f", "kept");
  EXPECT_THAT(Codes(storage_.WriteFiles(std::vector<SmallFile>{{"a", "1"},
                                                               {"f", "2"},
                                                               {"no/b", "3"},
                                                               {"f/b", "4"},
                                                               {"d", "5"},
                                                               {"", "6"},
                                                               {"./x", "7"},
                                                               {"a", "8"},
                                                               {"z", "9"}})),
              ElementsAre(Code::kOk, Code::kExists, Code::kNotFound, Code::kNotFound, Code::kExists,
                          Code::kExists, Code::kInvalid, Code::kExists, Code::kOk));
  EXPECT_THAT(Names(""), ElementsAre("a", "d", "f", "z"));
  EXPECT_EQ(Read("a"), "1");
  EXPECT_EQ(Read("f"), "kept");
  EXPECT_EQ(Read("z"), "9");
}

TEST_P(StorageContract, WriteFilesTakesMoreFilesThanMayBeOpen) {
  std::vector<SmallFile> files;
  for (int i = 0; i < 2000; ++i)
    files.push_back({std::to_string(i), "content " + std::to_string(i)});
  for (const Status& answer : storage_.WriteFiles(files)) {
    ASSERT_TRUE(answer.ok()) << answer.ToString();
  }
  for (const SmallFile& file : files) ASSERT_EQ(Read(file.path), file.content);
}

// --- SyncAll

TEST_P(StorageContract, SyncAllAnswersOkAndChangesNothing) {
  ASSERT_TRUE(storage_.MakeDir("d").ok());
  ASSERT_TRUE(storage_.WriteFile("d/f", "content").ok());
  EXPECT_TRUE(storage_.SyncAll().ok());
  EXPECT_EQ(*storage_.ReadFile("d/f"), "content");
}

// --- Replace

TEST_P(StorageContract, ReplaceMakesAndOverwritesAFile) {
  MakeDir("d");
  ASSERT_TRUE(storage_.Replace("d/f", "the first content").ok());
  EXPECT_EQ(Read("d/f"), "the first content");
  ASSERT_TRUE(storage_.Replace("d/f", "second").ok());
  EXPECT_EQ(Read("d/f"), "second");
  EXPECT_THAT(Names("d"), ElementsAre("f"));
}

TEST_P(StorageContract, ReplaceMakesNoParentsAndSparesDirectories) {
  MakeDir("d");
  Write("f", "kept");
  EXPECT_EQ(storage_.Replace("a/b", "x").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Replace("f/b", "x").code(), Code::kNotFound);
  EXPECT_EQ(storage_.Replace("d", "x").code(), Code::kRefused);
  EXPECT_THAT(Names(""), ElementsAre("d", "f"));
  EXPECT_THAT(Names("d"), IsEmpty());
}

TEST_P(StorageContract, ReaderOfAReplacedFileSeesOneWholeContent) {
  const std::string contents[] = {std::string(5000, 'a'), std::string(7000, 'b')};
  ASSERT_TRUE(storage_.Replace("f", contents[0]).ok());
  const auto reader = storage_.Open("f");
  ASSERT_TRUE(reader.ok());
  Thread writer("writer", [&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(storage_.Replace("f", contents[i % 2]).ok());
  });
  for (int i = 0; i < 50; ++i) {
    const std::string seen = Read("f");
    EXPECT_TRUE(seen == contents[0] || seen == contents[1]) << seen.size();
  }
  writer.Join();
  EXPECT_EQ((*reader)->Read(0, 10'000).value(), contents[0]);
}

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StorageContract);

}  // namespace databus
