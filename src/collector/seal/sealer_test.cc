#include "collector/seal/sealer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "base/crc32c.h"
#include "collector/seal/base64.h"
#include "net/entry_list.h"

namespace databus {
namespace {

using testing::ElementsAre;

WallTime At(int64_t ms) { return WallTime(Milliseconds(ms)); }

const Sealer::Origin kOrigin{{"0123456789abcdef0123456789abcdef", "00000000000000aa", 7}, "c1"};

class Stream {
 public:
  Stream& Add(const std::vector<std::string>& messages, WallTime accepted = At(1000)) {
    EntryList list;
    for (const std::string& message : messages) list.Add("clicks", message);
    EXPECT_TRUE(regrouped_.Add(list.bytes(), accepted).ok());
    return *this;
  }
  const StreamMessages& operator*() { return *regrouped_.Streams().front(); }

 private:
  Regrouped regrouped_;
};

std::string Whole(const SealedFile& file) { return file.head + std::string(file.body); }

std::string Unsealed(const SealedFile& file) {
  const auto text = GunzipAll(Whole(file));
  EXPECT_TRUE(text.ok()) << text.status().ToString();
  return text.ok() ? *text : "";
}

std::string Base64(std::string_view bytes) {
  std::string out;
  AppendBase64(bytes, out);
  return out;
}

// The test vectors of RFC 4648, section 10.
TEST(Base64, MatchesTheStandard) {
  std::vector<std::string> encoded;
  for (const char* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar", "\xff\xfe\xfd"}) {
    encoded.push_back(Base64(text));
    EXPECT_EQ(encoded.back().size(), Base64Length(std::string_view(text).size()));
  }
  EXPECT_THAT(encoded,
              ElementsAre("", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy", "//79"));
}

TEST(Sealer, EveryMessageBecomesALineAndAnEmptyOneAnEmptyLine) {
  Stream stream;
  stream.Add({"one", "", "two\n", std::string("nul\0", 4)});
  Sealer sealer;
  const SealedFile file = sealer.Seal(*stream, {0, 4}, {.bytes_max = 100}, kOrigin);
  EXPECT_EQ(Unsealed(file), std::string("one\n\ntwo\n\nnul\0\n", 15));
}

TEST(Sealer, WithoutNewlinesMessagesFollowEachOther) {
  Stream stream;
  stream.Add({"one", "", "two"});
  Sealer sealer;
  EXPECT_EQ(Unsealed(sealer.Seal(*stream, {0, 3}, {.framing = Framing::kNone}, kOrigin)), "onetwo");
}

TEST(Sealer, Base64ComesBeforeTheNewline) {
  Stream stream;
  stream.Add({"foob", "a\nb"});
  Sealer sealer;
  EXPECT_EQ(Unsealed(sealer.Seal(*stream, {0, 2}, {.encoding = Encoding::kBase64}, kOrigin)),
            "Zm9vYg==\nYQpi\n");
}

TEST(Sealer, TheHeaderDescribesTheFile) {
  Stream stream;
  stream.Add({"one"}, At(5000)).Add({"two", "three"}, At(4000)).Add({"four"}, At(9000));
  Sealer sealer;
  const SealedFile file = sealer.Seal(*stream, {0, 3}, {}, kOrigin);
  const auto decoded = DecodeSealedHeader(Whole(file));
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  const SealedHeader& header = decoded->header;
  EXPECT_EQ(header, file.header);
  EXPECT_EQ(header.identity, kOrigin.identity);
  EXPECT_EQ(header.collector, "c1");
  EXPECT_EQ(header.stream, "clicks");
  EXPECT_EQ(header.messages, 3U);
  EXPECT_EQ(header.first_accepted, At(4000));
  EXPECT_EQ(header.last_accepted, At(5000));
  EXPECT_EQ(header.raw_bytes, std::string("one\ntwo\nthree\n").size());
  EXPECT_EQ(decoded->header_bytes, file.head.size());
  EXPECT_EQ(header.payload_bytes, file.body.size());
  EXPECT_EQ(header.payload_crc32c, Crc32c(file.body));
  EXPECT_EQ(file.crc32c, Crc32c(Whole(file)));
  EXPECT_EQ(file.length(), Whole(file).size());
}

TEST(Sealer, TimesAreThoseOfTheMessagesInTheRange) {
  Stream stream;
  stream.Add({"a", "b"}, At(1)).Add({"c"}, At(2)).Add({"d", "e"}, At(3));
  Sealer sealer;
  const auto times = [&](SealRange range) {
    const SealedHeader header = sealer.Seal(*stream, range, {}, kOrigin).header;
    return std::pair(header.first_accepted, header.last_accepted);
  };
  EXPECT_EQ(times({0, 2}), std::pair(At(1), At(1)));
  EXPECT_EQ(times({1, 3}), std::pair(At(1), At(2)));
  EXPECT_EQ(times({2, 3}), std::pair(At(2), At(2)));
  EXPECT_EQ(times({3, 5}), std::pair(At(3), At(3)));
}

TEST(Sealer, WithoutCompressionTheFileIsItsText) {
  Stream stream;
  stream.Add({"one", "two"});
  Sealer sealer;
  const SealedFile file =
      sealer.Seal(*stream, {0, 2}, {.compression = Compression::kNone}, kOrigin);
  EXPECT_EQ(Whole(file), "one\ntwo\n");
  EXPECT_EQ(file.crc32c, Crc32c("one\ntwo\n"));
}

TEST(Sealer, OneSealerServesManyFiles) {
  Sealer sealer;
  for (int i = 0; i < 1000; ++i) {
    Stream stream;
    const std::string message = "message " + std::to_string(i);
    stream.Add({message});
    ASSERT_EQ(Unsealed(sealer.Seal(*stream, {0, 1}, {}, kOrigin)), message + "\n");
  }
}

TEST(Sealer, WhatIsLargerThanOneFeedComesOutWhole) {
  Stream stream;
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    const std::string message = std::string(static_cast<size_t>(i % 200), 'm') + std::to_string(i);
    stream.Add({message});
    text += message + "\n";
  }
  Sealer sealer;
  EXPECT_EQ(Unsealed(sealer.Seal(*stream, {0, 20'000}, {}, kOrigin)), text);
}

// No message is lost or doubled between files, none but a single message exceeds the size.
RC_GTEST_PROP(NextRange, CoversTheStreamWithoutGapsWithinTheSize,
              (const std::vector<std::string>& messages)) {
  RC_PRE(!messages.empty());
  const auto bytes_max = *rc::gen::inRange<uint64_t>(1, 200);
  const SealFormat format{.encoding = *rc::gen::element(Encoding::kPlain, Encoding::kBase64),
                          .bytes_max = bytes_max};
  Stream stream;
  stream.Add(messages);
  Sealer sealer;
  size_t next = 0;
  while (next < messages.size()) {
    const SealRange range = NextRange(*stream, next, format);
    RC_ASSERT(range.first == next);
    RC_ASSERT(range.last > range.first);
    const SealedFile file = sealer.Seal(*stream, range, format, kOrigin);
    RC_ASSERT(range.last == range.first + 1 || file.header.raw_bytes <= bytes_max);
    next = range.last;
  }
  RC_ASSERT(next == messages.size());
}

}  // namespace
}  // namespace databus
