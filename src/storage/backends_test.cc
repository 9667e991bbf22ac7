// The back ends of this area under the contract suite.

#include "storage/contract.h"
#include "storage/fault/fault_storage.h"
#include "storage/local/local_storage.h"
#include "storage/memory/memory_storage.h"
#include "storage/test_directory.h"

namespace databus {
namespace {

class Memory final : public StorageUnderTest {
 public:
  Storage& storage() override { return storage_; }

 private:
  MemoryStorage storage_;
};

class Local final : public StorageUnderTest {
 public:
  Storage& storage() override { return *storage_; }

 private:
  TestDirectory directory_;
  const std::unique_ptr<Storage> storage_ = OpenLocalStorage(directory_.path());
};

// A plan without faults: it forwards everything.
class Faultless final : public StorageUnderTest {
 public:
  Storage& storage() override { return storage_; }

 private:
  MemoryStorage memory_;
  FaultPlan plan_;
  FaultStorage storage_{memory_, plan_};
};

template <typename T>
StorageFactory FactoryOf(std::string name) {
  return {.name = std::move(name),
          .make = [] { return std::make_unique<T>(); },
          .odd_names = {" ", "...", ".a", "-rf", "a b", "a:b", "*", "\\", "\n", "\x01", "\xff\xfe",
                        "%2F", "\xc3\xa9", "~", "'\"", std::string(255, 'x')}};
}

INSTANTIATE_TEST_SUITE_P(All, StorageContract,
                         testing::Values(FactoryOf<Memory>("Memory"), FactoryOf<Local>("Local"),
                                         FactoryOf<Faultless>("Faultless")),
                         FactoryName);

}  // namespace
}  // namespace databus
