#include "net/cidr.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bitset>

namespace databus {
namespace {

bool Contains(std::string_view block, std::string_view address) {
  const auto parsed = IpBlock::Parse(block);
  const auto ip = IpAddress::Parse(address);
  EXPECT_TRUE(parsed) << block;
  EXPECT_TRUE(ip) << address;
  return parsed && ip && parsed->Contains(*ip);
}

TEST(IpBlockTest, HoldsTheAddressesWithItsPrefix) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(Contains("192.0.2.128/25", "192.0.2.129"));
  EXPECT_FALSE(Contains("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(Contains("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(Contains("192.0.2.7", "192.0.2.6"));
  EXPECT_TRUE(Contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(Contains("2001:db8::/33", "2001:db8:8000::"));
  EXPECT_TRUE(Contains("::1", "::1"));
}

TEST(IpBlockTest, IsOfOneFamilyOnly) {
  EXPECT_TRUE(Contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_TRUE(Contains("::/0", "2001:db8::1"));
  EXPECT_FALSE(Contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_FALSE(Contains("::/0", "203.0.113.9"));
}

TEST(IpBlockTest, AnIpv4AddressInIpv6sClothesIsTheIpv4Address) {
  EXPECT_EQ(IpAddress::Parse("::ffff:192.0.2.7"), IpAddress::Parse("192.0.2.7"));
  EXPECT_EQ(IpAddress::Parse("::ffff:c000:207"), IpAddress::Parse("192.0.2.7"));
  EXPECT_TRUE(Contains("192.0.2.0/24", "::ffff:192.0.2.7"));
  EXPECT_FALSE(Contains("::/0", "::ffff:192.0.2.7"));
  EXPECT_EQ(IpBlock::Parse("::ffff:192.0.2.0/120"), IpBlock::Parse("192.0.2.0/24"));
  EXPECT_EQ(IpBlock::Parse("::ffff:0:0/96"), IpBlock::Parse("0.0.0.0/0"));
  EXPECT_EQ(IpBlock::Parse("::ffff:192.0.2.7")->ToString(), "192.0.2.7");
}

TEST(IpBlockTest, WhatIsNoBlockIsRefused) {
  for (const char* text : {"",
                           "/",
                           "/8",
                           "10",
                           "10.0.0",
                           "10.0.0.0/",
                           "10.0.0.0/33",
                           "10.0.0.0/-1",
                           "10.0.0.0/+8",
                           "10.0.0.0/08",
                           "10.0.0.0/8 ",
                           " 10.0.0.0/8",
                           "10.0.0.0/8/8",
                           "10.0.0.1/8",
                           "010.0.0.0/8",
                           "256.0.0.0/8",
                           "1.2.3.4.5",
                           "::/129",
                           "2001:db8::1/64",
                           "::g",
                           ":::",
                           "fe80::1%eth0",
                           "host.example.com",
                           "10.0.0.0/99999999999",
                           "::ffff:192.0.2.1/120"}) {
    EXPECT_FALSE(IpBlock::Parse(text)) << text;
  }
  EXPECT_FALSE(IpBlock::Parse(std::string_view("10.0.0.1\0", 9)));
  EXPECT_FALSE(IpBlock::Parse(std::string(1000, ':')));
}

TEST(IpBlocksTest, AreSeparatedByCommasAndNoneIsEmpty) {
  const auto list = IpBlocks::Parse("10.0.0.0/8, 192.0.2.7\t,2001:db8::/32");
  ASSERT_TRUE(list);
  EXPECT_EQ(list->ToString(), "10.0.0.0/8,192.0.2.7,2001:db8::/32");
  EXPECT_TRUE(list->Contains(*IpAddress::Parse("10.1.2.3")));
  EXPECT_TRUE(list->Contains(*IpAddress::Parse("2001:db8::9")));
  EXPECT_FALSE(list->Contains(*IpAddress::Parse("192.0.2.8")));
  for (const char* text : {"", ",", "10.0.0.0/8,", ",10.0.0.0/8", "10.0.0.0/8 192.0.2.7"}) {
    EXPECT_FALSE(IpBlocks::Parse(text)) << text;
  }
}

rc::Gen<IpAddress> AddressGen(IpAddress::Family family) {
  const size_t size = family == IpAddress::Family::kV4 ? 4 : 16;
  return rc::gen::map(rc::gen::container<std::vector<uint8_t>>(size, rc::gen::arbitrary<uint8_t>()),
                      [family](const std::vector<uint8_t>& bytes) {
                        IpAddress address{.family = family};
                        std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
                        return address;
                      });
}

// The bits as text: a prefix is then a prefix.
std::string Bits(const IpAddress& address) {
  std::string text;
  for (int i = 0; i < address.bits() / 8; ++i) {
    text += std::bitset<8>(address.bytes[i]).to_string();
  }
  return text;
}

RC_GTEST_PROP(IpBlockTest, ContainsWhatTheBitsSayAndIsReadAsItWasWritten, ()) {
  const auto family = *rc::gen::element(IpAddress::Family::kV4, IpAddress::Family::kV6);
  IpAddress first = *AddressGen(family);
  const int prefix = *rc::gen::inRange(0, first.bits() + 1);
  for (int bit = prefix; bit < first.bits(); ++bit) {
    first.bytes[bit / 8] &= static_cast<uint8_t>(~(1 << (7 - bit % 8)));
  }
  const IpBlock block{first, prefix};
  RC_ASSERT(IpBlock::Parse(block.ToString()) == block);

  // Mostly the same bits, so that both answers are met.
  IpAddress other = *AddressGen(family);
  const int same = *rc::gen::inRange(0, first.bits() + 1);
  for (int bit = 0; bit < same; ++bit) {
    const auto mask = static_cast<uint8_t>(1 << (7 - bit % 8));
    other.bytes[bit / 8] = (other.bytes[bit / 8] & ~mask) | (first.bytes[bit / 8] & mask);
  }
  RC_ASSERT(IpAddress::Parse(other.ToString()) == other);
  RC_ASSERT(block.Contains(other) == Bits(other).starts_with(Bits(first).substr(0, prefix)));
  RC_ASSERT(IpBlocks{{block}}.Contains(other) == block.Contains(other));
}

}  // namespace
}  // namespace databus
