// What somebody does to ZooKeeper who is no worker.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "lease/zookeeper_session.h"
#include "tests/zookeeper/rig.h"

namespace databus {

// What an operator does by hand.
class ByHand {
 public:
  explicit ByHand(const std::string& servers) {
    auto begun =
        ZooKeeperSession::Begin(servers, std::chrono::seconds(3), [](ZooKeeperSession::Event) {});
    EXPECT_TRUE(begun.ok());
    session_ = *std::move(begun);
    EXPECT_TRUE(
        Eventually([this] { return session_->state() == ZooKeeperSession::State::kConnected; }));
  }
  using Answer = ZooKeeperSession::Answer;
  Answer Create(const std::string& path, const std::string& data, ZooKeeperSession::Kind kind) {
    return Wait([&](auto then) { session_->Create(path, data, kind, then); });
  }
  std::vector<std::string> List(const std::string& path) {
    return Wait([&](auto then) { session_->List(path, then); }).names;
  }
  Answer Delete(const std::string& path) {
    return Wait([&](auto then) { session_->Delete(path, then); });
  }

 private:
  template <typename Call>
  Answer Wait(Call&& call) {
    Answer answered;
    std::atomic<bool> done = false;
    call([&](const Answer& answer) {
      answered = answer;
      done = true;
    });
    EXPECT_TRUE(Eventually([&] { return done.load(); }));
    return answered;
  }
  std::unique_ptr<ZooKeeperSession> session_;
};

}  // namespace databus
