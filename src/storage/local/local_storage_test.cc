// What only the local back end can get wrong. The rest is in contract_test.cc.

#include "storage/local/local_storage.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "storage/contract.h"
#include "storage/posix.h"
#include "storage/test_directory.h"

namespace databus {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

class LocalStorageTest : public testing::Test {
 protected:
  const TestDirectory directory_;
  const std::string root_ = directory_.path() + "/root";
  const std::unique_ptr<Storage> storage_ = OpenLocalStorage(root_);
};

// P1: a disk that is not mounted is not an empty tree.
TEST_F(LocalStorageTest, EveryCallIsUnavailableWhileTheRootIsMissing) {
  EXPECT_EQ(storage_->Stat("").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Stat("a").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->List("").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->List("a").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Open("a").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Create("a").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Create("").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->MakeDir("a").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->MakeDir("").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Rename("a", "b").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Rename("", "b").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Rename("a", "").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Remove("a").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Remove("").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Replace("a", "x").code(), Code::kUnavailable);
  EXPECT_THAT(storage_->Stat("a").status().message(), HasSubstr("unmounted?"));
  EXPECT_FALSE(std::filesystem::exists(root_));
}

TEST_F(LocalStorageTest, EveryCallIsUnavailableWhileTheRootIsAFile) {
  ASSERT_TRUE(OpenLocalStorage(directory_.path())->WriteFile("root", "").ok());
  EXPECT_EQ(storage_->Stat("a").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->List("a").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Create("a").code(), Code::kUnavailable);
  EXPECT_EQ(storage_->Rename("a", "b").code(), Code::kUnavailable);
}

TEST_F(LocalStorageTest, WhyTheRootIsNotThereIsSaidWithHowMuchOfItsPathIs) {
  EXPECT_THAT(storage_->Stat("a").status().message(),
              EndsWith("No such file or directory; of its path " + directory_.path() +
                       " exists; unmounted?"));
  ASSERT_TRUE(OpenLocalStorage(directory_.path())->WriteFile("root", "").ok());
  const std::string why = ": Not a directory; of its path " + root_ + " exists";
  EXPECT_THAT(storage_->Stat("a").status().message(), EndsWith(why));
  const auto below = OpenLocalStorage(root_ + "/tree/x");
  EXPECT_THAT(below->MakeDir("").message(), EndsWith(why));
  EXPECT_THAT(below->List("a").status().message(), HasSubstr("the root is not there"));
}

TEST_F(LocalStorageTest, TreeIsThereAgainWhenTheRootIs) {
  ASSERT_EQ(storage_->MakeDir("a").code(), Code::kUnavailable);
  ASSERT_TRUE(CreateLocalRoot(root_).ok());
  EXPECT_EQ(storage_->Stat("a").code(), Code::kNotFound);
  EXPECT_TRUE(storage_->MakeDir("a").ok());
}

TEST_F(LocalStorageTest, CreateLocalRootMakesParentsAndIsOkWhenItIsThere) {
  const std::string deep = root_ + "/a/b";
  EXPECT_TRUE(CreateLocalRoot(deep).ok());
  EXPECT_TRUE(CreateLocalRoot(deep).ok());
  EXPECT_TRUE(OpenLocalStorage(deep)->Stat("").ok());
}

TEST_F(LocalStorageTest, CreateLocalRootRefusesAFileInTheWay) {
  ASSERT_TRUE(CreateLocalRoot(root_).ok());
  ASSERT_TRUE(storage_->WriteFile("f", "").ok());
  EXPECT_EQ(CreateLocalRoot(root_ + "/f").code(), Code::kRefused);
}

TEST_F(LocalStorageTest, RootMayBeALinkToADirectory) {
  const std::string target = directory_.path() + "/target";
  ASSERT_TRUE(CreateLocalRoot(target).ok());
  ASSERT_EQ(::symlink(target.c_str(), root_.c_str()), 0);
  ASSERT_TRUE(storage_->WriteFile("f", "content").ok());
  EXPECT_EQ(storage_->Stat("")->kind, NodeKind::kDirectory);
  EXPECT_EQ(storage_->List("")->size(), 1u);
  EXPECT_EQ(OpenLocalStorage(target)->ReadFile("f").value(), "content");
}

TEST_F(LocalStorageTest, OpenRefusesAFifoWithoutWaitingForItsWriter) {
  ASSERT_TRUE(CreateLocalRoot(root_).ok());
  ASSERT_EQ(::mkfifo((root_ + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(storage_->Open("fifo").code(), Code::kRefused);
  EXPECT_EQ(storage_->List("fifo").code(), Code::kRefused);
  EXPECT_EQ(storage_->Stat("fifo")->kind, NodeKind::kOther);
}

TEST_F(LocalStorageTest, LinksAreNeitherFilesNorDirectories) {
  ASSERT_TRUE(CreateLocalRoot(root_).ok());
  ASSERT_TRUE(storage_->MakeDir("d").ok());
  ASSERT_TRUE(storage_->WriteFile("f", "").ok());
  ASSERT_EQ(::symlink("d", (root_ + "/to_d").c_str()), 0);
  ASSERT_EQ(::symlink("f", (root_ + "/to_f").c_str()), 0);
  EXPECT_EQ(storage_->Stat("to_d")->kind, NodeKind::kOther);
  EXPECT_EQ(storage_->Stat("to_f")->kind, NodeKind::kOther);
  EXPECT_EQ(storage_->List("to_d").code(), Code::kRefused);
  EXPECT_EQ(storage_->Open("to_f").code(), Code::kRefused);
  EXPECT_EQ(storage_->List("")->at(2).info.kind, NodeKind::kOther);
}

TEST_F(LocalStorageTest, ReplaceStepsOverWhatADeadProcessLeft) {
  ASSERT_TRUE(CreateLocalRoot(root_).ok());
  const std::string left = ".replace-" + std::to_string(::getpid()) + "-1";
  ASSERT_TRUE(storage_->WriteFile(left, "half").ok());
  EXPECT_TRUE(storage_->Replace("f", "whole").ok());
  EXPECT_EQ(storage_->ReadFile("f").value(), "whole");
  EXPECT_EQ(storage_->ReadFile(left).value(), "half");
}

TEST_F(LocalStorageTest, FinishIsUnknownWhenTheDirectoryIsGone) {
  ASSERT_TRUE(CreateLocalRoot(root_).ok());
  ASSERT_TRUE(storage_->MakeDir("epoch").ok());
  const auto writer = storage_->Create("epoch/f");
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(storage_->Rename("epoch", "epoch.fenced").ok());
  EXPECT_EQ((*writer)->Finish().code(), Code::kUnavailable);
}

// Each entry takes 280 bytes of what the system answers, whose first buffer has 32 KB.
TEST_F(LocalStorageTest, ListOfAnyLengthIsComplete) {
  ASSERT_TRUE(CreateLocalRoot(root_).ok());
  size_t made = 0;
  for (const size_t upto : {110u, 116u, 117u, 118u, 930u, 936u, 940u, 2000u}) {
    std::vector<SmallFile> files;
    for (; made < upto; ++made)
      files.push_back({std::to_string(1000 + made) + std::string(251, 'x'), ""});
    for (const Status& answer : storage_->WriteFiles(files)) ASSERT_TRUE(answer.ok());
    EXPECT_EQ(storage_->List("")->size(), upto);
  }
}

TEST_F(LocalStorageTest, RenameIntoItselfIsNotBlamedOnTheFileSystem) {
  ASSERT_TRUE(CreateLocalRoot(root_).ok());
  ASSERT_TRUE(storage_->MakeDir("a").ok());
  EXPECT_THAT(storage_->Rename("a", "a/b").message(), HasSubstr("lies within what is moved"));
}

TEST_F(LocalStorageTest, TooLongPathIsRefused) {
  ASSERT_TRUE(CreateLocalRoot(root_).ok());
  std::string path = "a";
  for (int i = 0; i < 2500; ++i) path += "/a";
  EXPECT_EQ(storage_->Stat(path).code(), Code::kRefused);
  EXPECT_EQ(storage_->MakeDir(path).code(), Code::kRefused);
}

TEST_F(LocalStorageTest, DescribesItselfAsAUrl) {
  EXPECT_EQ(storage_->Describe(), "file://" + root_);
}

TEST(ErrnoTest, OnlyWhatIsCertainHasACertainCode) {
  EXPECT_EQ(posix::CodeOfErrno(ENOENT), Code::kNotFound);
  EXPECT_EQ(posix::CodeOfErrno(ENOTDIR), Code::kNotFound);
  EXPECT_EQ(posix::CodeOfErrno(EEXIST), Code::kExists);
  EXPECT_EQ(posix::CodeOfErrno(ENOSPC), Code::kNoSpace);
  EXPECT_EQ(posix::CodeOfErrno(EDQUOT), Code::kNoSpace);
  for (const int error : {EACCES, EPERM, EROFS, ENOTEMPTY, EISDIR, EINVAL, ENAMETOOLONG, ELOOP,
                          EXDEV, ENOSYS, EOPNOTSUPP}) {
    EXPECT_EQ(posix::CodeOfErrno(error), Code::kRefused) << error;
  }
  for (const int error : {EIO, ESTALE, ETIMEDOUT, EMFILE, ENFILE, ENOMEM, EBUSY, EINTR, EAGAIN}) {
    EXPECT_EQ(posix::CodeOfErrno(error), Code::kUnavailable) << error;
  }
}

}  // namespace
}  // namespace databus
