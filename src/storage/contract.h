// The contract suite of Storage: contract_test.cc holds the claims of storage.h, and a back end
// joins by compiling it into a test program with
//
//   INSTANTIATE_TEST_SUITE_P(Hdfs, StorageContract, testing::Values(factory), FactoryName);
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "storage/storage.h"

namespace databus {

inline void PrintTo(Code code, std::ostream* out) { *out << CodeName(code); }

// A storage and whatever must live as long.
class StorageUnderTest {
 public:
  virtual ~StorageUnderTest() = default;
  virtual Storage& storage() = 0;
};

struct StorageFactory {
  std::string name;  // letters and digits
  // A tree with nothing but its root.
  std::function<std::unique_ptr<StorageUnderTest>()> make;
  // Names that are hard, and legal there.
  std::vector<std::string> odd_names;
};

inline void PrintTo(const StorageFactory& factory, std::ostream* out) { *out << factory.name; }

inline std::string FactoryName(const testing::TestParamInfo<StorageFactory>& info) {
  return info.param.name;
}

class StorageContract : public testing::TestWithParam<StorageFactory> {
 protected:
  StorageContract() : under_test_(GetParam().make()), storage_(under_test_->storage()) {}

  void MakeDir(const std::string& path) {
    const Status status = storage_.MakeDir(path);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Write(const std::string& path, std::string_view content) {
    const Status status = storage_.WriteFile(path, content);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  // The content, or the failure in words.
  std::string Read(const std::string& path) {
    const Result<std::string> content = storage_.ReadFile(path);
    return content.ok() ? *content : content.status().ToString();
  }
  Code StatCode(const std::string& path) { return storage_.Stat(path).code(); }
  std::vector<std::string> Names(const std::string& path) {
    const Result<std::vector<DirEntry>> entries = storage_.List(path);
    if (!entries.ok()) return {entries.status().ToString()};
    std::vector<std::string> names;
    for (const DirEntry& entry : *entries) names.push_back(entry.name);
    return names;
  }

  const std::unique_ptr<StorageUnderTest> under_test_;
  Storage& storage_;
};

}  // namespace databus
