// The cuts of the network do what they are called.
#include "tests/torture/proxy.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>

#include "tests/torture/loopback.h"

namespace databus {
namespace {

constexpr int kLongMs = 10'000;

class ProxyTest : public testing::Test {
 protected:
  void SetUp() override {
    auto listener = ListenOnLoopback(0);
    ASSERT_TRUE(listener.ok());
    listener_ = std::move(listener->fd);
    auto started = Proxy::Start(listener->port);
    ASSERT_TRUE(started.ok());
    proxy_ = *std::move(started);
    client_ = Fd(::socket(AF_INET, SOCK_STREAM, 0));
    const SocketAddress near = Loopback(proxy_->port());
    ASSERT_EQ(::connect(client_.get(), near.get(), near.size), 0);
    server_ = Fd(::accept(listener_.get(), nullptr, nullptr));
    ASSERT_TRUE(server_.open());
    ASSERT_EQ(Ask(client_, server_, kLongMs), "x");
    ASSERT_EQ(Ask(server_, client_, kLongMs), "x");
  }

  // What comes out at `to` of an x put in at `from`, within so long: "x", "end", "reset" or "".
  static std::string Ask(const Fd& from, const Fd& to, int within_ms) {
    if (::send(from.get(), "x", 1, MSG_NOSIGNAL) != 1) return "reset";
    return Hear(to, within_ms);
  }
  static std::string Hear(const Fd& at, int within_ms) {
    pollfd polled{at.get(), POLLIN, 0};
    if (::poll(&polled, 1, within_ms) == 0) return "";
    char byte = 0;
    const ssize_t got = ::recv(at.get(), &byte, 1, 0);
    return got == 1 ? std::string(1, byte) : got == 0 ? "end" : "reset";
  }

  Fd listener_;
  std::unique_ptr<Proxy> proxy_;
  Fd client_;
  Fd server_;
};

TEST_F(ProxyTest, AResetEndsBothSides) {
  proxy_->Set(Cut::kReset);
  EXPECT_EQ(Hear(client_, kLongMs), "reset");
  EXPECT_EQ(Hear(server_, kLongMs), "reset");
}

TEST_F(ProxyTest, WithoutAnswersRequestsPassAndTheEndIsAReset) {
  proxy_->SetAndWait(Cut::kNoAnswers);
  EXPECT_EQ(Ask(client_, server_, kLongMs), "x");
  EXPECT_EQ(Ask(server_, client_, 100), "");
  proxy_->Set(Cut::kNone);
  EXPECT_EQ(Hear(client_, kLongMs), "reset");
}

TEST_F(ProxyTest, WhatIsHeldPassesAfterwards) {
  proxy_->SetAndWait(Cut::kHold);
  EXPECT_EQ(Ask(client_, server_, 100), "");
  proxy_->Set(Cut::kNone);
  EXPECT_EQ(Hear(server_, kLongMs), "x");
}

TEST_F(ProxyTest, HalfOpenEndsTheServersSideOnly) {
  proxy_->Set(Cut::kHalfOpen);
  EXPECT_EQ(Hear(server_, kLongMs), "reset");
  EXPECT_EQ(Hear(client_, 100), "");
}

}  // namespace
}  // namespace databus
