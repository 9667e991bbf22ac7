#include "audit/gzip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "base/random.h"

namespace databus {
namespace {

// The smallest gzip header (RFC 1952).
constexpr std::string_view kPlainHeader("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);

std::string Gzip(GzipCompressor& compressor, std::string_view text) {
  compressor.Start();
  compressor.Append(text);
  return std::string(kPlainHeader) + std::string(compressor.Finish());
}

std::string Noise(size_t bytes) {
  const auto random = SeededRandom(7);
  std::string noise;
  while (noise.size() < bytes) noise += static_cast<char>(random->Next());
  return noise;
}

RC_GTEST_PROP(Gzip, WhatIsCompressedComesBack, (const std::string& text)) {
  GzipCompressor compressor;
  const auto back = GunzipAll(Gzip(compressor, text));
  RC_ASSERT(back.ok());
  RC_ASSERT(*back == text);
}

TEST(Gzip, OneCompressorServesManyFiles) {
  GzipCompressor compressor;
  for (const std::string& text :
       {std::string(3 << 20, 'a'), std::string(), Noise(3 << 20), std::string("one line\n")}) {
    const auto back = GunzipAll(Gzip(compressor, text));
    ASSERT_TRUE(back.ok()) << back.status().ToString();
    EXPECT_EQ(*back, text);
  }
}

TEST(Gzip, AFileThatWasNotFinishedLeavesNoTraceInTheNext) {
  GzipCompressor compressor;
  compressor.Start();
  compressor.Append(Noise(1 << 20));
  EXPECT_EQ(*GunzipAll(Gzip(compressor, "next")), "next");
}

TEST(Gzip, PartsAreJoined) {
  GzipCompressor compressor;
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    const std::string part = Noise(static_cast<size_t>(i));
    compressor.Append(part);
    text += part;
  }
  EXPECT_EQ(*GunzipAll(std::string(kPlainHeader) + std::string(compressor.Finish())), text);
}

TEST(Gzip, AFileOfSeveralMembersIsReadToItsEnd) {
  GzipCompressor compressor;
  std::string file = Gzip(compressor, "one ");
  file += Gzip(compressor, "");
  file += Gzip(compressor, "two");
  file += std::string(5, '\0');
  EXPECT_EQ(*GunzipAll(file), "one two");
}

TEST(Gzip, EveryCutIsNoticed) {
  GzipCompressor compressor;
  const std::string file = Gzip(compressor, Noise(500));
  for (size_t length = 0; length < file.size(); ++length) {
    EXPECT_EQ(GunzipAll(file.substr(0, length)).code(), Code::kCorrupt) << length;
  }
}

TEST(Gzip, EveryFlippedBitOfTheBodyIsNoticed) {
  GzipCompressor compressor;
  const std::string text = Noise(300);
  std::string file = Gzip(compressor, text);
  for (size_t bit = kPlainHeader.size() * 8; bit < file.size() * 8; ++bit) {
    file[bit / 8] ^= static_cast<char>(1 << bit % 8);
    // A bit that no decoder reads (padding) may go unnoticed, but never changes the text.
    if (const auto back = GunzipAll(file); back.ok()) {
      EXPECT_EQ(*back, text) << bit;
    }
    file[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

TEST(Gzip, WhatIsNoGzipIsRefused) {
  EXPECT_EQ(GunzipAll("plain text, certainly not gzip").code(), Code::kCorrupt);
}

TEST(Gzip, ABombIsRefused) {
  GzipCompressor compressor;
  EXPECT_EQ(GunzipAll(Gzip(compressor, std::string(8 << 20, 'x')), 1 << 20).code(), Code::kInvalid);
}

}  // namespace
}  // namespace databus
