// The Scribe service of a collector: takes `Log` calls from the network to the spool, and answers
// when the spool has. Calls of one connection are answered in the order they came, whatever becomes
// of each; calls that one read brought share one group commit.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/sync.h"
#include "collector/config/reload.h"
#include "collector/service/entry_judge.h"
#include "collector/service/peer_gate.h"
#include "collector/spool/spool.h"
#include "net/fb303_client.h"
#include "net/fb303_handler.h"
#include "net/frame_server.h"
#include "net/scribe_codec.h"
#include "telemetry/problems.h"

namespace databus {

// Since the start.
struct ScribeCounts {
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> received_good{0};     // messages, acknowledged
  std::atomic<uint64_t> received_bad{0};      // entries that went to rejected/
  std::atomic<uint64_t> blank_categories{0};  // of those, without a stream's name
  std::atomic<uint64_t> try_later{0};         // calls
  std::atomic<uint64_t> undecodable{0};       // frames
};

// OnFrames and the other callbacks run on the network's thread, answers on the spool's. The server
// and the spool must have stopped before it is destroyed.
class ScribeHandler final : public FrameHandler, public Fb303Handler {
 public:
  // Called on the network's or the spool's thread; must not block. All must be set.
  struct Wishes {
    std::function<void()> deliver;   // an empty message came, or an empty list
    std::function<void()> reload;    // fb303 reinitialize
    std::function<void()> shutdown;  // fb303 shutdown
    std::function<void()> release;   // fb303 setOption of kReleaseOption
  };
  struct Seams {
    const Clock& clock;
    Spool& spool;
    const ProblemBoard& problems;
  };
  // `config` must outlive it. It is looked at once for the frames of a read.
  ScribeHandler(const ConfigInForce& config, const Seams& seams, Wishes wishes);

  // Where answers go. Before the server starts.
  void AnswerTo(FrameServer& server) { server_ = &server; }
  // From now on calls are answered TRY_LATER.
  void Stop() { stopping_ = true; }
  // After the allow-list has changed: ends the connections of peers that it does not hold any more,
  // each when what came from it is answered. Any thread.
  void EndRefused();

  const ScribeCounts& counts() const { return counts_; }
  uint64_t refused_peers() const { return gate_.refused(); }

  Admission OnOpen(ConnectionId connection, std::string_view peer_ip) override;
  void OnFrames(ConnectionId connection, std::vector<Frame> frames) override;
  std::string OnOversized(ConnectionId connection, std::string_view head, uint32_t length) override;
  void OnClose(ConnectionId connection) override;

  std::string Name() const override { return "Scribe"; }
  std::string Version() const override { return "2.2"; }
  Fb303Status Status() const override;
  std::string StatusDetails() const override;
  std::map<std::string, int64_t> Counters() const override;
  std::string Option(std::string_view key) const override;
  void SetOption(std::string_view key, std::string_view value) override {
    if (key == kReleaseOption && value == kReleaseNow) wishes_.release();
  }
  int64_t AliveSince() const override;
  void Reinitialize() override { wishes_.reload(); }
  void Shutdown() override { wishes_.shutdown(); }

 private:
  // A frame whose answer depends on the spool.
  struct Waiting {
    size_t answer = 0;  // its place in Exchange::answers
    ReplyTo reply_to;
    std::vector<StreamShare> shares;
    uint64_t rejected = 0;
  };
  // The frames of one read, in order.
  struct Exchange {
    ConnectionId connection = 0;
    std::vector<std::string> answers;
    std::vector<Waiting> waiting;  // in the order of the batches
    bool wants_delivery = false;
    bool close = false;     // after the answers
    bool complete = false;  // guarded by mutex_
  };
  struct Connection {
    std::optional<IpAddress> peer;
    std::deque<std::shared_ptr<Exchange>> open;  // the oldest first
    bool ending = false;                         // nothing more is taken from it
    bool closing = false;                        // all is answered
  };

  void Take(Frame& frame, Exchange& exchange, std::vector<SpoolBatch>& batches);
  void TakeLog(Frame& frame, const LogCall& call, Exchange& exchange,
               std::vector<SpoolBatch>& batches);
  ResultCode Probe();
  void Complete(Exchange& exchange, std::span<const SpoolOutcome> outcomes);
  void Answer(ConnectionId connection);  // needs mutex_

  const ConfigInForce& config_;
  const Seams seams_;
  const Wishes wishes_;
  const WallTime started_;
  EntryJudge judge_;
  PeerGate gate_;
  BootTime next_trial_{};  // when a probe is let through while the spool refuses
  ScribeCounts counts_;
  FrameServer* server_ = nullptr;
  std::atomic<bool> stopping_{false};

  Mutex mutex_;  // guards what follows
  std::unordered_map<ConnectionId, Connection> connections_;
};

}  // namespace databus
