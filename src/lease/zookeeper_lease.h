// The lease of a cluster in ZooKeeper: an election by ephemeral sequential nodes below
// `/databus/<cluster>_`, where the original keeps that of a worker for this one cluster
// (docs/decisions/0012). The lowest node holds; it is gone with its session.
//
// Held() asks nobody: it is true for two thirds of the session's time after the sending of the last
// write that was answered, by the boot clock. The servers forget a session only later than that, so
// nobody else is told that he holds it while this one may still believe it.
//
// Answers and events come on threads of the client library, and the next call is made there: who
// waits for a node that goes has the lease at once, not at the next Tick.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/sync.h"
#include "lease/lease.h"
#include "lease/zookeeper_session.h"

namespace databus {

class ZooKeeperLease final : public Lease {
 public:
  struct Options {
    std::string servers;  // as of ZooKeeperSession::Begin
    // The timeout is what is asked for; the servers may agree to less or more.
    LeaseRequest request;
  };
  ZooKeeperLease(Clock& clock, Random& random, Options options);
  // Gives the lease up.
  ~ZooKeeperLease() override;

  bool Held(View view, Group group) override;
  std::string Holder() override;
  Status Tick() override;
  // Ends the session when the last Tick is longer ago than the timeout.
  Status Skip() override;
  Status Release() override;
  std::chrono::nanoseconds Pace() override;
  std::string Where() const override;

 private:
  using Answer = ZooKeeperSession::Answer;
  enum class Step : uint8_t { kNone, kLeave, kParent, kList, kCreate, kRenew, kRead, kEvict };
  enum class Due : uint8_t { kNo, kYes };

  // What is known in one session.
  struct Known {
    std::string prefix{};   // of this session's nodes: "<random>-lock-"
    std::string own{};      // this session's node, by name; empty: none that is known of
    std::string lowest{};   // the holder's node
    std::string read{};     // the node that `holder` was read from
    std::string holder{};   // empty: not read yet
    std::string refusal{};  // why the last call was refused; nothing is tried before the next Tick
    bool leads = false;     // `own` is `lowest`, which no later node can change
    bool calls = false;     // a call is under way
    bool pauses = false;    // the last call was refused or lost
    bool leaves = false;    // the lease is being given up
    bool made = false;      // a node, since the last Tick: one that vanishes is not made on and on
    int parents = 0;        // nodes above that are still to be made
    Due list = Due::kYes;
    Due renew = Due::kNo;
    Due evict = Due::kNo;            // the holder is certainly no more
    std::optional<BootTime> sent{};  // the last write that was answered
    BootTime heard{};                // the last answer, or the session's beginning
    std::optional<Milliseconds> agreed{};
  };

  bool HeldNow() const;     // REQUIRES: mutex_
  bool IsHopeless() const;  // REQUIRES: mutex_
  Status Begin();           // a session, when there is none or it is hopeless
  void End();               // REQUIRES: mutex_ is not held
  Status GiveUp();
  void OnEvent(ZooKeeperSession::Event event);
  // Makes the next call, if there is one to make now.
  void Advance();
  Step Next() const;
  void Make(Step step, ZooKeeperSession& session, const Known& known);
  void OnAnswer(Step step, BootTime sent, const Answer& answer);
  void OnDone(Step step, BootTime sent, const Answer& answer);
  void Judge(const std::vector<std::string>& names);
  // Whether the holder that was read can be no other's any more.
  bool HolderIsOver() const;
  // Until nothing more is to be done for now, or until `most` has passed.
  void AwaitRest(std::chrono::nanoseconds most);
  Status State();
  std::chrono::nanoseconds SessionTime() const;

  Clock& clock_;
  Random& random_;
  const Options options_;
  const std::string root_;  // "/databus/dc1_"

  Mutex turn_;  // held through Tick, Skip and Release; taken before mutex_
  mutable Mutex mutex_;
  CondVar changed_;
  std::unique_ptr<ZooKeeperSession> session_;  // destroyed without mutex_
  Known known_;
  BootTime ticked_;
};

}  // namespace databus
