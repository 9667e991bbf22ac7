// The hand-overs to other collectors that are under an intent (P22): each is carried to the
// receiver it was made for, as often as needed and under the same numbers, until that receiver has
// it all.
//
//            +-------- refused, or never sent --------+
//            v                                        |
//   unsent --given to a courier--> under way --all acknowledged--> settled
//     |                              |      ^
//     | the route is another one     | answer lost; a restart
//     v                              v      |
//   returned: deferred again       unknown -+  pinned: until the receiver it was made for answers a
//                                              repeat, or says in its heartbeat that it has it
//
// Towards receivers of another make, which remember nothing, what is unknown is sent again and
// counted as possible duplicates.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/sync.h"
#include "collector/deliver/batches.h"
#include "collector/deliver/courier.h"
#include "collector/deliver/delivery.h"
#include "collector/deliver/hand_over_note.h"

namespace databus {

enum class HandOverState : uint8_t { kUnsent, kUnderWay, kUnknown };

// One thread at a time, but NoteMarks: any.
class HandOvers {
 public:
  HandOvers(const DeliverySeams& seams, const DeliverySettings& settings, DeliveryCounts& counts)
      : seams_(seams), settings_(settings), counts_(counts) {}

  // Couriers work on threads of their own, and call `wake` when there is news. Before anything
  // else.
  void UseThreads(std::function<void()> wake) { wake_ = std::move(wake); }

  // Takes charge of the hand-overs of a cut.
  void Take(const SpoolCut& cut, HandOverState state);

  // Who of them takes messages at present: the one that did so far, else any. Null: none yet.
  Courier* Choose(const std::vector<Endpoint>& receivers);
  // Adds the intent to hand these batches over. REQUIRES: Choose gave the courier just now.
  void AddTo(SpoolPlan& plan, const Courier& courier, const BatchPlan& batches,
             std::vector<SpoolDeferral> streams);

  // Brings every hand-over as far as it goes now. kStopped as of Mover; others: of the spool.
  Status Run();
  // Those of which certainly nothing is with the receiver, and whose way `is_barred`, are given
  // back: adds the cuts in which their streams are deferred again. Errors as of Run.
  using IsBarred =
      std::function<bool(const Endpoint& receiver, const std::vector<SpoolDeferral>& streams)>;
  Status ReturnUnsent(const IsBarred& is_barred, std::vector<SpoolCut>& returned);
  // The same with those of unknown outcome whose receiver does not answer: an operator's decision,
  // counted as possible duplicates.
  Status ReleaseUnknown(std::vector<SpoolCut>& released);

  // A collector says that it has kept so much of each sender.
  void NoteMarks(const std::string& incarnation, const std::map<uint64_t, uint64_t>& marks);
  void Hurry();

  bool idle() const { return open_.empty(); }
  // Whether waiting may help.
  bool hopeful() const;
  bool has_unknown() const;
  std::optional<WallTime> OldestAccepted() const;
  // Adds one for each stream of each hand-over.
  void CountIntents(std::map<std::string, uint64_t>& intents) const;

 private:
  struct Open {
    SpoolIntent intent;
    HandOverNote note;
    uint64_t cut = 0;
    std::vector<SpoolRange> ranges;
    HandOverState state = HandOverState::kUnknown;
    uint64_t doubtful = 0;  // batches that may be with the receiver without its answer
    BootTime not_before{};  // of the next read
  };
  Courier& CourierTo(const Endpoint& receiver);
  bool AnySender(uint64_t sender, HandOverState state) const;
  void TakeReport(const CourierReport& report, std::vector<uint64_t>& done);
  void TakeMarks(std::vector<uint64_t>& done);
  Status Settle(const std::vector<uint64_t>& done);
  Status RecordProgress(Open& open);
  // The oldest hand-over for this receiver that can be given; null: none.
  Open* NextFor(const Courier& courier, const std::string& peer);
  Status Give();
  bool Answers(const Open& open) const;
  Status Return(uint64_t id, std::vector<SpoolCut>& returned);
  void TellTroubles();

  const DeliverySeams seams_;
  const DeliverySettings& settings_;
  DeliveryCounts& counts_;
  std::function<void()> wake_;     // empty: by hand
  std::map<uint64_t, Open> open_;  // by the intent's id, which ascends with the numbers of a sender
  std::map<std::string, Endpoint> kept_to_;      // of several receivers, by all their names
  std::map<std::string, std::string> troubles_;  // raised at present
  bool given_ = false;
  // What is numbered in one life has a sender of its own, drawn when it is needed: so no number is
  // given twice, though the spool may be an older copy of itself.
  std::optional<uint64_t> life_;
  std::map<uint64_t, uint64_t> numbered_;  // by sender: the last number

  Mutex mutex_;  // guards what follows
  std::map<std::pair<std::string, uint64_t>, uint64_t> marks_;

  std::map<std::string, std::unique_ptr<Courier>> couriers_;  // last: their threads end first
};

}  // namespace databus
