#include "storage/probe.h"

#include <gmock/gmock.h>

#include "storage/contract.h"
#include "storage/fault/fault_storage.h"
#include "storage/local/local_storage.h"
#include "storage/memory/memory_storage.h"
#include "storage/test_directory.h"

namespace databus {
namespace {

using testing::HasSubstr;

// Forwards everything; the liars below distort one call each.
class Forwarding : public Storage {
 public:
  std::string Describe() const override { return "liar:"; }
  Result<NodeInfo> Stat(const std::string& path) override { return base_.Stat(path); }
  Result<std::vector<DirEntry>> List(const std::string& path) override { return base_.List(path); }
  Result<std::unique_ptr<FileReader>> Open(const std::string& path) override {
    return base_.Open(path);
  }
  Result<std::unique_ptr<FileWriter>> Create(const std::string& path) override {
    return base_.Create(path);
  }
  std::vector<Status> MakeDirs(std::span<const std::string> paths) override {
    return base_.MakeDirs(paths);
  }
  std::vector<Status> Renames(std::span<const Move> moves) override { return base_.Renames(moves); }
  std::vector<Status> Removes(std::span<const std::string> paths) override {
    return base_.Removes(paths);
  }
  Status Replace(const std::string& path, std::string_view content) override {
    return base_.Replace(path, content);
  }
  Status SyncAll() override { return base_.SyncAll(); }

 protected:
  void MakeParent(const std::string& path) {
    const size_t slash = path.rfind('/');
    if (slash != std::string::npos) static_cast<void>(base_.MakeDir(path.substr(0, slash)));
  }
  MemoryStorage base_;
};

class OverwritesFilesOnRename final : public Forwarding {
  std::vector<Status> Renames(std::span<const Move> moves) override {
    if (base_.Stat(moves[0].from).ok() && base_.ReadFile(moves[0].to).ok()) {
      static_cast<void>(base_.Remove(moves[0].to));
    }
    return base_.Renames(moves);
  }
};

// Says that the name is taken, and has overwritten it all the same.
class OverwritesAndRefuses final : public Forwarding {
  std::vector<Status> Renames(std::span<const Move> moves) override {
    const auto content = base_.ReadFile(moves[0].from);
    if (content.ok() && base_.ReadFile(moves[0].to).ok()) {
      static_cast<void>(base_.Replace(moves[0].to, *content));
    }
    return base_.Renames(moves);
  }
};

class ReplacesEmptyDirectoriesOnRename final : public Forwarding {
  std::vector<Status> Renames(std::span<const Move> moves) override {
    if (base_.List(moves[0].to).ok()) static_cast<void>(base_.Remove(moves[0].to));
    return base_.Renames(moves);
  }
};

// As a shell's mv does, and HDFS by its older call.
class MovesIntoDirectoriesOnRename final : public Forwarding {
  std::vector<Status> Renames(std::span<const Move> moves) override {
    const Move& move = moves[0];
    if (!base_.List(move.to).ok()) return base_.Renames(moves);
    return {base_.Rename(move.from, move.to + move.from.substr(move.from.rfind('/')))};
  }
};

class MakesParentsOfFiles final : public Forwarding {
  Result<std::unique_ptr<FileWriter>> Create(const std::string& path) override {
    MakeParent(path);
    return base_.Create(path);
  }
};

// Says that there is no parent, and has made it all the same.
class MakesParentsAndRefuses final : public Forwarding {
  std::vector<Status> Renames(std::span<const Move> moves) override {
    auto answers = base_.Renames(moves);
    if (answers[0].code() == Code::kNotFound) MakeParent(moves[0].to);
    return answers;
  }
};

class MakesParentsOfDirectories final : public Forwarding {
  std::vector<Status> MakeDirs(std::span<const std::string> paths) override {
    MakeParent(paths[0]);
    return base_.MakeDirs(paths);
  }
};

class MakesParentsOnRename final : public Forwarding {
  std::vector<Status> Renames(std::span<const Move> moves) override {
    MakeParent(moves[0].to);
    return base_.Renames(moves);
  }
};

class TruncatesOnCreate final : public Forwarding {
  Result<std::unique_ptr<FileWriter>> Create(const std::string& path) override {
    static_cast<void>(base_.Remove(path));
    return base_.Create(path);
  }
};

class TakesAnyDirectoryForMade final : public Forwarding {
  std::vector<Status> MakeDirs(std::span<const std::string> paths) override {
    auto answers = base_.MakeDirs(paths);
    if (answers[0].code() == Code::kExists) answers[0] = Status::Ok();
    return answers;
  }
};

class ListsWhatItListedFirst final : public Forwarding {
  Result<std::vector<DirEntry>> List(const std::string& path) override {
    const auto [entry, first] = listed_.try_emplace(path);
    if (first) entry->second = *base_.List(path);
    return entry->second;
  }
  std::map<std::string, std::vector<DirEntry>> listed_;
};

class AnswersWithoutLengths final : public Forwarding {
  Result<NodeInfo> Stat(const std::string& path) override {
    Result<NodeInfo> info = base_.Stat(path);
    if (info.ok()) info->length = 0;
    return info;
  }
};

template <typename Liar>
std::string ProbeLiar() {
  Liar liar;
  Storage& storage = liar;
  EXPECT_TRUE(storage.MakeDir("system").ok());
  EXPECT_TRUE(storage.MakeDir("system/tmp").ok() || storage.Stat("system/tmp").ok());
  const Status status = ProbeStorage(storage, *SeededRandom(1));
  EXPECT_EQ(status.code(), Code::kRefused) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr("liar:"));
  EXPECT_THAT(status.message(), HasSubstr("Databus cannot run on this store"));
  return status.message();
}

class ProbeTest : public testing::Test {
 protected:
  static void MakeTmp(Storage& storage) {
    ASSERT_TRUE(storage.MakeDir("system").ok());
    ASSERT_TRUE(storage.MakeDir("system/tmp").ok());
  }
  const std::unique_ptr<Random> random_ = SeededRandom(7);
};

TEST_F(ProbeTest, MemoryKeepsThePromisesAndIsLeftClean) {
  MemoryStorage storage;
  MakeTmp(storage);
  const Status status = ProbeStorage(storage, *random_);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(storage.List("system/tmp")->empty());
}

TEST_F(ProbeTest, LocalDirectoryKeepsThePromisesAndIsLeftClean) {
  const TestDirectory directory;
  const auto storage = OpenLocalStorage(directory.path());
  MakeTmp(*storage);
  const Status status = ProbeStorage(*storage, *random_);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(storage->List("system/tmp")->empty());
}

TEST_F(ProbeTest, RunsTwiceOnOneTree) {
  MemoryStorage storage;
  MakeTmp(storage);
  EXPECT_TRUE(ProbeStorage(storage, *random_).ok());
  EXPECT_TRUE(ProbeStorage(storage, *random_).ok());
}

TEST_F(ProbeTest, CatchesAStoreThatOverwritesOnRename) {
  EXPECT_THAT(ProbeLiar<OverwritesFilesOnRename>(), HasSubstr("renaming a file over another"));
  EXPECT_THAT(ProbeLiar<OverwritesAndRefuses>(), HasSubstr("reads back differently"));
  EXPECT_THAT(ProbeLiar<ReplacesEmptyDirectoriesOnRename>(),
              HasSubstr("renaming a directory over an empty one"));
  EXPECT_THAT(ProbeLiar<MovesIntoDirectoriesOnRename>(),
              HasSubstr("renaming a directory over an empty one"));
}

TEST_F(ProbeTest, CatchesAStoreThatMakesParents) {
  EXPECT_THAT(ProbeLiar<MakesParentsOfFiles>(),
              HasSubstr("creating a file in a missing directory"));
  EXPECT_THAT(ProbeLiar<MakesParentsOfDirectories>(),
              HasSubstr("making a directory in a missing one"));
  EXPECT_THAT(ProbeLiar<MakesParentsAndRefuses>(), HasSubstr("a directory that nobody made"));
  EXPECT_THAT(ProbeLiar<MakesParentsOnRename>(),
              HasSubstr("renaming a file into a missing directory"));
}

TEST_F(ProbeTest, CatchesAStoreThatCreatesOverWhatIsThere) {
  EXPECT_THAT(ProbeLiar<TruncatesOnCreate>(), HasSubstr("creating a file over another"));
  EXPECT_THAT(ProbeLiar<TakesAnyDirectoryForMade>(), HasSubstr("making a directory over another"));
}

TEST_F(ProbeTest, CatchesAStoreThatAnswersFromTheDayBefore) {
  EXPECT_THAT(ProbeLiar<ListsWhatItListedFirst>(), HasSubstr("a listing is not current"));
  EXPECT_THAT(ProbeLiar<AnswersWithoutLengths>(), HasSubstr("wrong kind or length"));
}

TEST_F(ProbeTest, NamesTheMissingDirectoryWhenThereIsNoTmp) {
  MemoryStorage storage;
  const Status status = ProbeStorage(storage, *random_);
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("system/tmp/probe-"));
}

// A store that does not answer is no liar: whichever call it is, try again later.
TEST_F(ProbeTest, EverySilenceIsUnavailable) {
  MemoryStorage memory;
  MakeTmp(memory);
  FaultPlan counting;
  FaultStorage counted(memory, counting);
  ASSERT_TRUE(ProbeStorage(counted, *random_).ok());
  ASSERT_GT(counting.calls(), 40u);
  for (uint64_t call = 1; call <= counting.calls(); ++call) {
    FaultPlan plan;
    FaultStorage storage(memory, plan);
    plan.Add({.number = call, .fault = Fault::RequestLost()});
    EXPECT_EQ(ProbeStorage(storage, *random_).code(), Code::kUnavailable) << call;
  }
}

}  // namespace
}  // namespace databus
