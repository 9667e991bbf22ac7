#include "sim/producer.h"

#include <deque>
#include <vector>

#include "base/sync.h"
#include "client/publisher.h"
#include "net/scribe_codec.h"

namespace databus::sim {
namespace {

constexpr uint16_t kPort = 1463;
constexpr std::chrono::seconds kPatience{20};

class Producer {
 public:
  Producer(const ProducerTask& task, const ProducerSeams& seams) : task_(task), seams_(seams) {}

  void Run() { task_.plan.kind == ClientKind::kPublisher ? RunPublisher() : RunPlain(); }

 private:
  struct Message {
    MessageId id;
    std::string stream;
  };

  Message NextMessage() {
    const auto& streams = task_.plan.streams;
    Message message{{task_.number, next_++}, streams[seams_.random.Below(streams.size())]};
    seams_.checker.Sent(message.id, task_.cluster, message.stream);
    return message;
  }
  bool TimeIsUp() const { return seams_.scheduler.now() >= task_.until; }
  BootTime In(std::chrono::nanoseconds time) const { return seams_.clock.Boot() + time; }
  void Pause() {
    const auto most = static_cast<uint64_t>(task_.plan.pause_max.count());
    StopFlag never;
    never.SleepUntil(seams_.clock, In(std::chrono::nanoseconds(seams_.random.Below(most))));
  }

  void RunPublisher();
  void RunPlain();
  void SendOnce(std::unique_ptr<FrameClient>& connection);

  const ProducerTask& task_;
  const ProducerSeams& seams_;
  uint32_t next_ = 0;
};

void Producer::RunPublisher() {
  PublisherOptions options;
  options.host = task_.host;
  options.port = kPort;
  options.batch_messages_max = 4;
  options.in_flight_max = 3;
  options.answer_timeout = std::chrono::seconds(10);
  uint32_t told = 0;
  Publisher publisher(options, {seams_.network, seams_.clock, seams_.random});
  // Acknowledgements may come out of order within what is in flight; when nothing is unconfirmed,
  // all before are durable.
  const auto tell = [&] {
    if (publisher.progress().unconfirmed() > 0) return;
    for (; told < next_; ++told) seams_.checker.Acknowledged({task_.number, told});
  };
  while (!TimeIsUp()) {
    const uint64_t burst = 1 + seams_.random.Below(task_.plan.burst_max);
    for (uint64_t i = 0; i < burst; ++i) {
      const Message message = NextMessage();
      while (!publisher.Publish(message.stream, MessageText(message.id), In(kPatience)).ok()) {
      }
    }
    static_cast<void>(publisher.Flush(In(kPatience)));
    tell();
    Pause();
  }
  while (!publisher.Flush(In(kPatience)).ok()) {
  }
  tell();
}

void Producer::SendOnce(std::unique_ptr<FrameClient>& connection) {
  if (connection == nullptr) {
    auto connected = seams_.network.Connect(
        {.host = task_.host, .port = kPort, .deadline = In(std::chrono::seconds(5))});
    if (!connected.ok()) return;
    connection = *std::move(connected);
  }
  std::vector<Message> batch;
  EntryList entries;
  for (uint64_t i = 0, count = 1 + seams_.random.Below(task_.plan.burst_max); i < count; ++i) {
    batch.push_back(NextMessage());
    entries.Add(batch.back().stream, MessageText(batch.back().id));
  }
  const std::string call = EncodeLogCall({.header = {}, .entries = entries.bytes(), .batch = {}});
  const std::string_view frame = call;
  const Status sent = connection->Send({&frame, 1}, In(kPatience));
  auto answer =
      sent.ok() ? connection->Receive(In(kPatience)) : Result<std::optional<std::string>>(sent);
  const bool came = answer.ok() && answer->has_value();
  const Result<LogReply> reply =
      came ? DecodeLogReply(**answer) : Result<LogReply>(Status(Code::kUnavailable, "none"));
  if (!reply.ok() || !reply->code) {
    connection.reset();  // nobody knows
    return;
  }
  for (const Message& message : batch) {
    if (*reply->code == ResultCode::kOk) {
      seams_.checker.Acknowledged(message.id);
    } else {
      seams_.checker.Refused(message.id);
    }
  }
}

void Producer::RunPlain() {
  std::unique_ptr<FrameClient> connection;
  while (!TimeIsUp()) {
    SendOnce(connection);
    Pause();
  }
}

}  // namespace

void Produce(const ProducerTask& task, const ProducerSeams& seams) { Producer(task, seams).Run(); }

}  // namespace databus::sim
