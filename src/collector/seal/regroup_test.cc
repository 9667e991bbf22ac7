#include "collector/seal/regroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "net/entry_list.h"

namespace databus {
namespace {

using testing::ElementsAre;
using Entries = std::vector<std::pair<std::string, std::string>>;

WallTime At(int64_t ms) { return WallTime(Milliseconds(ms)); }

std::string List(const Entries& entries) {
  EntryList list;
  for (const auto& [stream, message] : entries) list.Add(stream, message);
  return std::string(list.bytes());
}

RC_GTEST_PROP(Regrouped, EachStreamHasItsMessagesInTheOrderOfTheSpool,
              (const std::vector<Entries>& records)) {
  std::map<std::string, std::vector<std::string>> expected;
  Regrouped regrouped;
  for (const Entries& record : records) {
    for (const auto& [stream, message] : record) expected[stream].push_back(message);
    RC_ASSERT(regrouped.Add(List(record), At(5)).ok());
  }
  std::map<std::string, std::vector<std::string>> found;
  std::vector<std::string> order;
  for (const StreamMessages* stream : regrouped.Streams()) {
    order.push_back(stream->stream);
    found[stream->stream].assign(stream->messages.begin(), stream->messages.end());
  }
  RC_ASSERT(found == expected);
  RC_ASSERT(std::is_sorted(order.begin(), order.end()));
}

TEST(Regrouped, TheRecordMayBeOverwrittenAfterwards) {
  std::string record = List({{"clicks", "one"}, {"orders", ""}});
  Regrouped regrouped;
  ASSERT_TRUE(regrouped.Add(record, At(1)).ok());
  std::fill(record.begin(), record.end(), 'x');
  EXPECT_THAT(regrouped.Streams()[0]->messages, ElementsAre("one"));
  EXPECT_THAT(regrouped.Streams()[1]->messages, ElementsAre(""));
}

TEST(Regrouped, RecordsLargerThanAChunkAreKeptWhole) {
  Regrouped regrouped;
  const std::string large(9 << 20, 'l');
  ASSERT_TRUE(regrouped.Add(List({{"a", "first"}}), At(1)).ok());
  ASSERT_TRUE(regrouped.Add(List({{"a", large}}), At(1)).ok());
  ASSERT_TRUE(regrouped.Add(List({{"a", "last"}}), At(1)).ok());
  EXPECT_THAT(regrouped.Streams()[0]->messages, ElementsAre("first", large, "last"));
}

TEST(Regrouped, OneRecordOfThousandStreamsMakesThousandStreams) {
  Entries entries;
  for (int i = 0; i < 3000; ++i) entries.emplace_back("s" + std::to_string(i % 1000), "m");
  Regrouped regrouped;
  ASSERT_TRUE(regrouped.Add(List(entries), At(1)).ok());
  EXPECT_EQ(regrouped.Streams().size(), 1000U);
  EXPECT_EQ(regrouped.messages(), 3000U);
}

TEST(Regrouped, ADamagedListGivesWhatStandsBeforeTheDamage) {
  std::string record = List({{"a", "kept"}, {"a", "cut off"}});
  record.resize(record.size() - 3);
  Regrouped regrouped;
  EXPECT_EQ(regrouped.Add(record, At(1)).code(), Code::kInvalid);
  EXPECT_THAT(regrouped.Streams()[0]->messages, ElementsAre("kept"));
}

}  // namespace
}  // namespace databus
