// For tests of the collector: a network of one server that the test plays, and a collector over a
// world of memory, driven by hand.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collector/deliver/test_delivery_world.h"
#include "collector/service/collector.h"
#include "net/scribe_codec.h"

namespace databus::testing_collector {

using testing_delivery::Entries;
using testing_delivery::World;

// A network of one server, whose frames the test hands over and whose answers it collects.
class OneServer final : public Network {
 public:
  class Server final : public FrameServer {
   public:
    explicit Server(OneServer& net) : net_(net) {}
    void Start(FrameHandler& handler) override { net_.handler = &handler; }
    uint16_t port() const override { return 1463; }
    void Send(std::vector<Reply> replies) override {
      for (Reply& reply : replies) {
        if (!reply.payload.empty()) net_.answers[reply.connection].push_back(reply.payload);
      }
    }
    void CloseConnection(ConnectionId connection) override { net_.closed.push_back(connection); }
    void SetLimits(const FrameLimits& limits) override { net_.limits = limits; }
    void StopAccepting() override {}
    void Shutdown(BootTime) override { net_.handler = nullptr; }
    FrameServerStats Stats() const override { return {}; }

   private:
    OneServer& net_;
  };
  Result<std::unique_ptr<FrameServer>> Listen(const ListenOptions& options) override {
    listened = options;
    return std::unique_ptr<FrameServer>(std::make_unique<Server>(*this));
  }
  Result<std::unique_ptr<FrameClient>> Connect(const ConnectOptions&) override {
    return Status(Code::kUnavailable, "nobody listens");
  }

  ListenOptions listened;
  FrameHandler* handler = nullptr;
  std::map<ConnectionId, std::vector<std::string>> answers;
  std::vector<ConnectionId> closed;
  FrameLimits limits;
};

inline constexpr char kConf[] = R"(port=1463
check_interval=1
max_queue_size=1000
databus.collector.disk_reserve_bytes=0
databus.collector.message_bytes_max=2000
<store>
category=default
type=buffer
retry_interval=2
retry_interval_range=1
buffer_send_rate=5
<primary>
type=file
fs_type=hdfs
file_path=file:///srv/dc1/databus/data
sub_directory=c1
rotate_period=1s
max_size=128000000
add_newlines=1
</primary>
<secondary>
type=file
fs_type=std
file_path=/spool/c1
max_size=128000000
</secondary>
</store>
)";

inline CollectorConfig Config(const std::string& text = kConf) {
  auto config = ParseScribeConf(text, "scribe.conf");
  EXPECT_TRUE(config.ok()) << config.status().ToString();
  return *std::move(config);
}

inline std::string OnlyStream(const std::string& stream) {
  std::string text = kConf;
  text.replace(text.find("category=default"), 16, "category=" + stream);
  return text;
}

inline std::string LogFrame(const Entries& entries, int32_t seqid = 1,
                            std::optional<BatchId> batch = {}) {
  EntryList list;
  for (const auto& [stream, message] : entries) list.Add(stream, message);
  return EncodeLogCall({.header = {.seqid = seqid}, .entries = list.bytes(), .batch = batch});
}

// No tree but its own can be opened.
inline OpenClusterStorage OpenNone() {
  return [](const ClusterSpec& spec) {
    return Result<std::unique_ptr<Storage>>(Status(Code::kUnavailable, spec.url + ": away"));
  };
}

class CollectorTest : public testing::Test {
 protected:
  void Open(const std::string& conf = kConf) {
    collector_.reset();
    net_ = {};
    plan_ = std::make_unique<FaultPlan>();
    disk_ = std::make_unique<FaultDisk>(world_.disk, *plan_);
    cluster_ = std::make_unique<FaultStorage>(world_.cluster, *plan_);
    auto opened = Collector::Open(
        {world_.clock, *world_.random, *disk_, net_, cluster_.get(), OpenNone()}, Config(conf),
        {.host = "h1",
         .pid = 42,
         .on_shutdown = [this] { ++shutdowns_; },
         .on_reload = [this] { ++reloads_; }});
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    collector_ = *std::move(opened);
  }
  void Start(const std::string& conf = kConf) {
    Open(conf);
    ASSERT_FALSE(HasFatalFailure());
    const Status started = collector_->Start(Drive::kByHand);
    ASSERT_TRUE(started.ok()) << started.ToString();
  }
  Status Reload(const std::string& conf) {
    return collector_->Reload(ParseScribeConf(conf, "scribe.conf"));
  }
  Admission Connect(ConnectionId connection, const std::string& peer) {
    return net_.handler->OnOpen(connection, peer);
  }
  // The frames arrive in one read.
  void Arrive(ConnectionId connection, const std::vector<std::string>& calls) {
    std::vector<Frame> frames;
    for (const std::string& call : calls) frames.push_back(Frame::Copy(call));
    net_.handler->OnFrames(connection, std::move(frames));
  }
  void Flush() {
    while (collector_->FlushOnce()) continue;
  }
  void Run(int seconds) {
    for (int i = 0; i < seconds * 4; ++i) {
      collector_->Step();
      world_.clock.Advance(std::chrono::milliseconds(250));
    }
  }
  // What a connection was answered: "<seqid>:ok", "<seqid>:later", "<seqid>:<error>".
  std::vector<std::string> Answers(ConnectionId connection) {
    std::vector<std::string> texts;
    for (const std::string& answer : net_.answers[connection]) {
      const auto reply = DecodeLogReply(answer);
      EXPECT_TRUE(reply.ok()) << reply.status().ToString();
      if (!reply.ok()) continue;
      const std::string outcome = !reply->code                      ? reply->error
                                  : *reply->code == ResultCode::kOk ? "ok"
                                                                    : "later";
      texts.push_back(std::to_string(reply->seqid) + ":" + outcome);
    }
    return texts;
  }
  // One answered call.
  std::string Log(const Entries& entries, std::optional<BatchId> batch = {}) {
    net_.answers.clear();
    Arrive(1, {LogFrame(entries, 1, batch)});
    Flush();
    const auto answers = Answers(1);
    return answers.empty() ? "" : answers[0];
  }
  std::string Rejected() {
    std::string text;
    const auto names = world_.disk.List("/spool/c1/rejected");
    if (!names.ok()) return text;
    for (const std::string& name : *names) {
      const auto file = world_.disk.Open("/spool/c1/rejected/" + name);
      std::string bytes;
      EXPECT_TRUE((*file)->ReadAt(0, 1 << 20, bytes).ok());
      text += bytes;
    }
    return text;
  }

  World world_;
  OneServer net_;
  std::unique_ptr<FaultPlan> plan_;
  std::unique_ptr<FaultDisk> disk_;
  std::unique_ptr<FaultStorage> cluster_;
  std::unique_ptr<Collector> collector_;
  int shutdowns_ = 0;
  int reloads_ = 0;
};

}  // namespace databus::testing_collector
