// A process as a member of what lies below one path of ZooKeeper: one session at a time, in it
// nodes of its own, and one call at a time, until what has to be done for the moment is done. What
// the nodes mean is for whoever derives from it: one lease (zookeeper_lease.h), or one for each
// group (zookeeper_group_leases.h).
//
// Answers and events come on threads of the client library, and the next call is made there: who
// waits for a node that goes has its turn at once, not at the next Tick.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/sync.h"
#include "lease/lease.h"
#include "lease/zookeeper_session.h"

namespace databus {

class ZooKeeperMember : public Lease {
 public:
  struct Options {
    std::string servers;  // as of ZooKeeperSession::Begin
    // The timeout is what is asked for; the servers may agree to less or more.
    LeaseRequest request;
  };
  ZooKeeperMember(const ZooKeeperMember&) = delete;
  ZooKeeperMember& operator=(const ZooKeeperMember&) = delete;

  Status Tick() override;
  // Ends the session when the last Tick is longer ago than the timeout.
  Status Skip() override;
  Status Release() override;
  std::chrono::nanoseconds Pace() override;
  std::string Where() const override;

 protected:
  using Answer = ZooKeeperSession::Answer;
  enum class Do : uint8_t {
    kMakeParent,
    kList,
    kCreate,  // of an ephemeral sequential node; a sign of life
    kWrite,   // a sign of life
    kRead,
    kDelete,
  };
  // A node is named by its name below the path; one that is to be made by the beginning of its
  // name.
  struct Call {
    Do what = Do::kList;
    std::string node{};
  };

  // `directory`: the path below /databus, "dc1_".
  ZooKeeperMember(Clock& clock, Random& random, Options options, std::string_view directory);
  // Whoever derives calls this in its destructor: nothing of it is called any more afterwards.
  void End();  // REQUIRES: mutex_ is not held

  // What whoever derives does. REQUIRES of all: mutex_ is held.
  //
  // Nothing of the last session is true any more.
  virtual void Forget() = 0;
  // What the path holds: the whole of it, as old as the last call that was answered at most.
  virtual void Judge(const std::vector<std::string>& names) = 0;
  // What is to be called next, now that this is known; nothing: nothing for the moment. While
  // Leaves(): whatever takes our nodes away.
  virtual std::optional<Call> Next() const = 0;
  virtual void OnDone(const Call& call, const Answer& answer) = 0;
  // The node was not there.
  virtual void OnGone(const Call& call) = 0;
  virtual void OnTick() = 0;
  // The servers answer again.
  virtual void OnConnected() = 0;
  virtual bool HasNodes() const = 0;

  // Whether the servers cannot have forgotten the session: for two thirds of its time after the
  // sending of the last sign of life that was answered, by the boot clock. They forget it only
  // later than that, so nobody else is told that what is ours is his while this is true.
  bool IsFresh() const;
  bool Leaves() const { return leaves_; }
  void ListAgain() { list_is_due_ = true; }
  const std::string& token() const { return token_; }  // of this session: 16 hexadecimal digits
  const LeaseRequest& request() const { return options_.request; }
  // Whether a process is certainly no more, or is this one, of another session.
  bool IsOver(const std::string& holder) const;

  mutable Mutex mutex_;

 private:
  bool IsHopeless() const;  // REQUIRES: mutex_
  Status Begin();           // a session, when there is none or it is hopeless
  Status GiveUp();
  void OnEvent(ZooKeeperSession::Event event);
  // Makes the next call, if there is one to make now.
  void Advance();
  std::optional<Call> NextCall() const;  // REQUIRES: mutex_
  void Make(const Call& call, ZooKeeperSession& session, int parents);
  void OnAnswer(const Call& call, BootTime sent, const Answer& answer);
  void OnMissing(const Call& call);  // REQUIRES: mutex_
  // Until nothing more is to be done for now, or until `most` has passed.
  void AwaitRest(std::chrono::nanoseconds most);
  Status State();
  std::chrono::nanoseconds SessionTime() const;
  void ForgetSession();  // REQUIRES: mutex_

  Clock& clock_;
  Random& random_;
  const Options options_;
  const std::string root_;  // "/databus/dc1_"

  Mutex turn_;  // held through Tick, Skip and Release; taken before mutex_
  CondVar changed_;
  std::unique_ptr<ZooKeeperSession> session_;  // destroyed without mutex_
  BootTime ticked_;
  // What is known in one session.
  std::string token_;
  std::string refusal_;  // why the last call was refused; nothing is tried before the next Tick
  bool calls_ = false;   // a call is under way
  bool pauses_ = false;  // the last call was refused or lost
  bool leaves_ = false;  // all is being given up
  bool list_is_due_ = true;
  int parents_ = 0;               // nodes above that are still to be made
  std::optional<BootTime> sent_;  // the last sign of life that was answered
  BootTime heard_;                // the last answer, or the session's beginning
  std::optional<Milliseconds> agreed_;
};

// The number that the servers gave to a node, the last ten digits of its name; nothing for what has
// none.
std::optional<uint64_t> NumberOfNode(std::string_view name, std::string_view before);

}  // namespace databus
