#include "cluster/queue_lines.h"

#include <gtest/gtest.h>

namespace databus {
namespace {

TEST(QueueLinesTest, WhatAnEditorAddsMeansNothing) {
  const auto lines = QueueLines("streams/clicks/2031/05/06/10/04/a.gz\r\n\n  \r\nodd one  \nlast");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].text, "streams/clicks/2031/05/06/10/04/a.gz");
  ASSERT_TRUE(lines[0].path);
  EXPECT_EQ(lines[0].path->file, "a.gz");
  EXPECT_EQ(lines[1].text, "odd one");
  EXPECT_FALSE(lines[1].path);
  EXPECT_EQ(lines[2].text, "last");
}

TEST(QueueLinesTest, NothingIsInAnEmptyEntry) {
  EXPECT_TRUE(QueueLines("").empty());
  EXPECT_TRUE(QueueLines("\r\n").empty());
}

}  // namespace
}  // namespace databus
