#include "storage/open.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "storage/contract.h"
#include "storage/test_directory.h"
#include "storage/tree_path.h"

namespace databus {
namespace {

using testing::HasSubstr;

std::string Described(const std::string& url, const std::string& root_dir) {
  const auto storage = OpenStorage(url, root_dir);
  return storage.ok() ? (*storage)->Describe() : storage.status().ToString();
}

TEST(OpenStorageTest, FileUrlIsADirectoryWithTheRootDirBelowIt) {
  EXPECT_EQ(Described("file:///srv/dc1", "databus"), "file:///srv/dc1/databus");
  EXPECT_EQ(Described("file:///srv/dc1/", "/databus"), "file:///srv/dc1/databus");
  EXPECT_EQ(Described("file:///srv/dc1", "/a/b/"), "file:///srv/dc1/a/b");
  EXPECT_EQ(Described("file:///srv/dc1", ""), "file:///srv/dc1");
  EXPECT_EQ(Described("file:///", "databus"), "file:///databus");
}

TEST(OpenStorageTest, OtherSchemesAreInvalidAndTheMessageNamesWhatIsSupported) {
  for (const char* url :
       {"webhdfs://nn:50070", "swebhdfs://nn:50470", "s3://bucket", "/srv/dc1", "local", ""}) {
    const auto storage = OpenStorage(url, "databus");
    EXPECT_EQ(storage.code(), Code::kInvalid) << url;
    EXPECT_THAT(storage.status().message(), HasSubstr("file:///dir")) << url;
    EXPECT_EQ(CreateRoot(url, "databus").code(), Code::kInvalid) << url;
  }
  EXPECT_THAT(OpenStorage("webhdfs://nn", "databus").status().message(),
              HasSubstr("webhdfs:// is not supported yet; use hdfs://"));
}

TEST(OpenStorageTest, HdfsUrlIsANameNodeWithTheRootDirBelowIt) {
  EXPECT_EQ(Described("hdfs://nn:9000", "databus"), "hdfs://nn:9000/databus");
  EXPECT_EQ(Described("hdfs://nn", "/databus/"), "hdfs://nn:8020/databus");
  EXPECT_EQ(Described("hdfs://nn/a/b/", "c"), "hdfs://nn:8020/a/b/c");
  for (const char* url : {"hdfs://", "hdfs:///a", "hdfs://nn:x", "hdfs://nn/a/../b"}) {
    EXPECT_EQ(OpenStorage(url, "databus").code(), Code::kInvalid) << url;
    EXPECT_EQ(CreateRoot(url, "databus").code(), Code::kInvalid) << url;
  }
}

TEST(OpenStorageTest, UrlWithAHostOrWithoutADirectoryIsInvalid) {
  EXPECT_EQ(OpenStorage("file://host/dir", "databus").code(), Code::kInvalid);
  EXPECT_EQ(OpenStorage("file://", "databus").code(), Code::kInvalid);
  EXPECT_EQ(OpenStorage("file:///", "").code(), Code::kInvalid);
  EXPECT_EQ(OpenStorage("file:///srv/../etc", "databus").code(), Code::kInvalid);
  EXPECT_EQ(OpenStorage("file:///srv", "../etc").code(), Code::kInvalid);
}

TEST(OpenStorageTest, OpeningMakesNothingAndCreateRootMakesTheRoot) {
  const TestDirectory directory;
  const std::string url = "file://" + directory.path() + "/dc1";
  const auto storage = OpenStorage(url, "databus");
  ASSERT_TRUE(storage.ok());
  EXPECT_EQ((*storage)->Stat("").code(), Code::kUnavailable);
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/dc1"));
  EXPECT_TRUE(CreateRoot(url, "databus").ok());
  EXPECT_TRUE((*storage)->Stat("").ok());
}

TEST(TreePathTest, ParentIsWhatPrecedesTheLastSlash) {
  EXPECT_EQ(ParentOf("a/b/c"), "a/b");
  EXPECT_EQ(ParentOf("a"), "");
  EXPECT_EQ(ParentOf(""), "");
}

TEST(TreePathTest, WithinGoesByComponents) {
  EXPECT_TRUE(IsWithin("a/b", "a"));
  EXPECT_TRUE(IsWithin("a", "a"));
  EXPECT_TRUE(IsWithin("a", ""));
  EXPECT_FALSE(IsWithin("ab", "a"));
  EXPECT_FALSE(IsWithin("a", "a/b"));
}

}  // namespace
}  // namespace databus
