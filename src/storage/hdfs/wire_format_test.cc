#include "storage/hdfs/wire_format.h"

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "storage/contract.h"
#include "storage/hdfs/errors.h"
#include "storage/hdfs/hdfs_url.h"
#include "storage/hdfs/packets.h"
#include "storage/hdfs/wire/rpc.pb.h"

namespace databus::hdfs {
namespace {

TEST(DelimitedTest, WholeMessagesAreTakenAndOthersLeftAlone) {
  wire::UserInformation user;
  user.set_effective_user(std::string(200, 'x'));
  std::string bytes;
  AppendDelimited(user, bytes);
  bytes += "rest";
  wire::UserInformation taken;
  std::string_view view = bytes;
  EXPECT_EQ(TakeDelimited(view, taken, 1000), Taken::kWhole);
  EXPECT_EQ(view, "rest");
  EXPECT_EQ(taken.effective_user(), user.effective_user());
  for (size_t size = 0; size < bytes.size() - 4; ++size) {
    view = std::string_view(bytes).substr(0, size);
    EXPECT_EQ(TakeDelimited(view, taken, 1000), Taken::kPartial) << size;
    EXPECT_EQ(view.size(), size);
  }
  view = bytes;
  EXPECT_EQ(TakeDelimited(view, taken, 100), Taken::kDamaged);
  view = "\xff\xff\xff\xff\xff\x01";
  EXPECT_EQ(TakeDelimited(view, taken, 1000), Taken::kDamaged);
}

TEST(Utf8Test, OnlyWhatHadoopKeepsIsText) {
  for (const char* text : {"", "a", "\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                           "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  for (const char* text :
       {"\x80", "\xff\xfe", "\xc3", "\xc3(", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80",
        "\xf0\x80\x80\xaf", "\xf4\x90\x80\x80", "\xf0\x9f\x98", "a\xe9 latin"}) {
    EXPECT_FALSE(IsUtf8(text)) << text;
  }
}

// Taken from what a real data node accepted and said.
TEST(PacketTest, PacketsAreThoseOfHadoop) {
  ASSERT_EQ(Crc32c("123456789"), 0xe3069283u);
  std::string packet;
  AppendDataPacket({.offset = 0, .sequence = 0}, "hello", packet);
  const char data[] =
      "\x00\x00\x00\x0d\x00\x19\x09\x00\x00\x00\x00\x00\x00\x00\x00\x11\x00\x00\x00\x00\x00\x00"
      "\x00\x00\x18\x00\x25\x05\x00\x00\x00\x9a\x71\xbb\x4chello";
  EXPECT_EQ(packet, std::string(data, sizeof data - 1));
  packet.clear();
  AppendEndPacket({.offset = 5, .sequence = 1}, packet);
  const char end[] =
      "\x00\x00\x00\x04\x00\x1b\x09\x05\x00\x00\x00\x00\x00\x00\x00\x11\x01\x00\x00\x00\x00\x00"
      "\x00\x00\x18\x01\x25\x00\x00\x00\x00\x28\x01";
  EXPECT_EQ(packet, std::string(end, sizeof end - 1));
  packet.clear();
  AppendHeartbeat(packet);
  const char heartbeat[] =
      "\x00\x00\x00\x04\x00\x19\x09\x00\x00\x00\x00\x00\x00\x00\x00\x11\xff\xff\xff\xff\xff\xff"
      "\xff\xff\x18\x00\x25\x00\x00\x00\x00";
  EXPECT_EQ(packet, std::string(heartbeat, sizeof heartbeat - 1));
}

TEST(PacketTest, SumsOfBothKindsAreChecked) {
  const std::string data(600, 'x');
  std::string sums;
  AppendBigEndian32(Crc32c(std::string(512, 'x')), sums);
  AppendBigEndian32(Crc32c(std::string(88, 'x')), sums);
  EXPECT_TRUE(SumsAreRight(data, sums, ChecksumKind::kCrc32c, 512));
  EXPECT_FALSE(SumsAreRight(data, sums, ChecksumKind::kCrc32, 512));
  EXPECT_FALSE(SumsAreRight(data, sums.substr(0, 4), ChecksumKind::kCrc32c, 512));
  EXPECT_FALSE(SumsAreRight(data, sums + "....", ChecksumKind::kCrc32c, 512));
  sums.back() ^= 1;
  EXPECT_FALSE(SumsAreRight(data, sums, ChecksumKind::kCrc32c, 512));
  std::string zip;
  AppendBigEndian32(0xcbf43926u, zip);  // CRC-32 of "123456789"
  EXPECT_TRUE(SumsAreRight("123456789", zip, ChecksumKind::kCrc32, 512));
}

TEST(ErrorsTest, ExceptionsMeanWhatTheyAreKnownToMean) {
  const auto code = [](const char* exception, const char* message) {
    return StatusOf({exception, message}).code();
  };
  EXPECT_EQ(code("java.io.FileNotFoundException", "x"), Code::kNotFound);
  EXPECT_EQ(code("org.apache.hadoop.fs.FileAlreadyExistsException", "x"), Code::kExists);
  EXPECT_EQ(code("org.apache.hadoop.hdfs.protocol.AlreadyBeingCreatedException", "x"),
            Code::kExists);
  EXPECT_EQ(code("org.apache.hadoop.hdfs.protocol.NSQuotaExceededException", "x"), Code::kNoSpace);
  EXPECT_EQ(code("org.apache.hadoop.hdfs.protocol.DSQuotaExceededException", "x"), Code::kNoSpace);
  EXPECT_EQ(code("org.apache.hadoop.security.AccessControlException", "Permission denied: user=x"),
            Code::kRefused);
  EXPECT_EQ(code("org.apache.hadoop.security.AccessControlException", "/f (is not a directory)"),
            Code::kNotFound);
  EXPECT_EQ(code("org.apache.hadoop.hdfs.server.namenode.SafeModeException", "x"),
            Code::kUnavailable);
  EXPECT_EQ(
      code("org.apache.hadoop.hdfs.protocol.FSLimitException$PathComponentTooLongException", "x"),
      Code::kRefused);
  // What nobody knows may mean anything.
  EXPECT_EQ(code("java.io.IOException", "x"), Code::kUnavailable);
  EXPECT_EQ(code("java.lang.NullPointerException", ""), Code::kUnavailable);
  EXPECT_EQ(code("", ""), Code::kUnavailable);
}

TEST(ErrorsTest, ServersStackStaysOutOfTheMessage) {
  const Status status = StatusOf({"java.io.IOException", "first line\n\tat x.y.Z(Z.java:1)"});
  EXPECT_EQ(status.message(), "IOException: first line");
}

TEST(HdfsUrlTest, PartsAreFound) {
  const auto parse = [](std::string_view url) {
    const auto parsed = ParseHdfsUrl(url);
    return parsed.ok() ? parsed->name_node.ToString() + " " + parsed->directory
                       : std::string(CodeName(parsed.code()));
  };
  EXPECT_EQ(parse("hdfs://nn:9000"), "nn:9000 ");
  EXPECT_EQ(parse("hdfs://nn"), "nn:8020 ");
  EXPECT_EQ(parse("hdfs://nn:9000/"), "nn:9000 ");
  EXPECT_EQ(parse("hdfs://nn:9000/a/b/"), "nn:9000 /a/b");
  EXPECT_EQ(parse("hdfs://[::1]:9000/a"), "::1:9000 /a");
  for (const char* wrong :
       {"hdfs://", "hdfs:///a", "hdfs://:9000", "hdfs://nn:", "hdfs://nn:0", "hdfs://nn:65536",
        "hdfs://nn:80x", "hdfs://me@nn", "hdfs://[::1", "hdfs://[::1]x", "http://nn"}) {
    EXPECT_EQ(parse(wrong), CodeName(Code::kInvalid)) << wrong;
  }
}

}  // namespace
}  // namespace databus::hdfs
