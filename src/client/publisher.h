// Sends messages to a collector over the Scribe protocol, exactly once: batches carry an identity
// by which the collector knows a repeat (P22), so after a lost answer a batch is simply sent again.
// A collector of another make ignores the identity; towards it a lost answer may double a batch.
//
//   Publisher publisher({.host = "collector1", .port = 1463}, {network, clock, random});
//   Status status = publisher.Publish("clicks", line, deadline);
//   ...
//   Status end = publisher.Close(deadline);   // ok: every message is durable at the collector
//
// Messages are gathered into batches. Several batches are under way at a time, on one connection; a
// connection that breaks and a collector that says TRY_LATER are tried again, in order, after a
// growing, jittered pause, until the caller's deadline.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "base/sync.h"
#include "net/entry_list.h"
#include "net/network.h"

namespace databus {

struct PublisherOptions {
  std::string host;
  uint16_t port = 1463;
  // A batch is complete at this size or count, or when its first message is this old.
  size_t batch_bytes = 256u << 10;
  uint32_t batch_messages_max = 10'000;
  Milliseconds batch_age_max{1000};
  // Batches that wait for an answer. Memory is at most about this many batches and one more.
  uint32_t in_flight_max = 8;
  // A larger message, its stream's name included, is refused.
  size_t message_bytes_max = 16u << 20;
  Milliseconds connect_timeout{5'000};
  // When the collector has not answered for so long, the connection is given up.
  Milliseconds answer_timeout{30'000};
  // The pause after a failure, doubled with each that follows, up to the second.
  Milliseconds pause_min{50};
  Milliseconds pause_max{5'000};
};

// In messages, since the start.
struct PublisherProgress {
  // Taken by Publish.
  uint64_t accepted = 0;
  // Durable at the collector.
  uint64_t acknowledged = 0;
  // Sent again, each time counted.
  uint64_t resent = 0;
  // Sent at least once without an answer, and not acknowledged: only they may or may not be there.
  uint64_t unanswered = 0;
  // Connections that were lost or not made, and calls that were refused.
  uint64_t failures = 0;
  // Of these, calls that were answered, and not with OK.
  uint64_t refused = 0;
  // The last of them; empty when there was none.
  std::string last_error;

  // Accepted, and not known to be durable.
  uint64_t unconfirmed() const { return accepted - acknowledged; }
  // Accepted, and certainly not at the collector: never sent, or refused each time.
  uint64_t not_kept() const { return unconfirmed() - unanswered; }
};

struct PublisherSeams {
  Network& network;
  const Clock& clock;
  Random& random;
};

// Used by one thread at a time, Interrupt excepted. Has no thread of its own: things move while one
// of its methods runs.
class Publisher {
 public:
  using ProgressCallback = std::function<void(const PublisherProgress&)>;

  // `on_progress` is called after every change of what is acknowledged, and after every failure.
  Publisher(PublisherOptions options, PublisherSeams seams, ProgressCallback on_progress = {});
  // Does not wait: see Close.
  ~Publisher();

  // Takes a message. Blocks while in_flight_max batches wait for their answers.
  //   kNoSpace  that did not change until `deadline`; the message was not taken.
  //   kInvalid  it is too large; not taken.
  //   kStopped  interrupted, or closed; not taken.
  Status Publish(std::string_view category, std::string_view message, BootTime deadline);

  // Sends a batch whose time has come and takes the answers that are there. `deadline` bounds
  // connecting and sending; answers are not waited for. To be called now and then by a caller that
  // has nothing to publish.
  void Poll(BootTime deadline);

  // Sends everything and waits for the answers. kUnavailable: some are still missing at `deadline`;
  // it may be called again. kStopped: interrupted.
  Status Flush(BootTime deadline);

  // Flush, then the end of the connection, whatever Flush says. Nothing is published after it.
  Status Close(BootTime deadline);

  // Makes the running and all later calls return kStopped: at once in a pause, within a fraction of
  // a second while they wait for answers, after the timeout while they connect. From any thread.
  void Interrupt();

  const PublisherProgress& progress() const { return progress_; }

 private:
  enum class BatchState : uint8_t { kToSend, kSent, kAcknowledged };
  struct Batch {
    uint64_t number = 0;
    EntryList entries;
    BatchState state = BatchState::kToSend;
    bool sent_before = false;
    uint32_t unanswered_calls = 0;
  };
  // Whether answers and pauses are waited for.
  enum class Patience : uint8_t { kWait, kTakeWhatIsThere };

  bool OpenBatchIsDue() const;
  void CompleteBatch();
  // Goes on until at most `most` batches are under way.
  Status PumpDownTo(size_t most, BootTime deadline);
  void Step(BootTime deadline, Patience patience);
  // True when there is something to send, a connection and no pause.
  bool Prepare(BootTime deadline, Patience patience);
  void SendBatches(BootTime deadline);
  void TakeAnswers(BootTime deadline, Patience patience);
  void OnAnswer(std::string_view frame);
  void Acknowledge(Batch& batch);
  void CallSent(Batch& batch);
  void CallAnswered(Batch& batch);
  void Disconnect(const Status& why);
  void Pause();
  void Failed(std::string_view what, std::string_view why);

  const PublisherOptions options_;
  const PublisherSeams seams_;
  const ProgressCallback on_progress_;
  const uint64_t sender_;

  // The batch that is being filled, and when it got its first message.
  EntryList open_;
  BootTime open_since_;
  // Complete batches that are not known to be durable, with ascending numbers; an acknowledged one
  // may be in the middle.
  std::deque<Batch> batches_;
  uint64_t next_number_ = 1;
  // The numbers that the collector owes an answer on this connection, oldest first.
  std::deque<uint64_t> owed_;
  // Since when the oldest of them is waited for.
  BootTime owed_since_;
  // Something was refused: nothing is sent until all answers are there, to keep the order.
  bool refused_ = false;
  std::unique_ptr<FrameClient> connection_;
  uint32_t failures_ = 0;
  BootTime pause_until_;
  bool closed_ = false;
  PublisherProgress progress_;
  StopFlag interrupted_;
};

}  // namespace databus
