// Queue lines that lie where nobody takes them any more, put right by the local service of the
// cluster where they lie:
//
// system/consumers/  of streams that another cluster merges now (P31): they are put into its queue.
// system/mirrors/    of streams that another cluster publishes now, or for a cluster that is no
//                    mirror of them (it is the primary, perhaps): they are dropped. For a mirror
//                    the queue is a hint only (P16); what it lacks after a change of primary it
//                    finds by comparing its minutes with those of the new primary, without any
//                    queue (P32), and what the new primary lacks is salvaged (P34). That holds as
//                    soon as this cluster obeys the epoch that begins the stream's new era, and not
//                    before: until then its mirrors wait for these lines.
//
// By an epoch that is not the newest one in this tree nothing is put right: another worker here may
// obey that already, and have written the lines by it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "cluster/queue_lines.h"
#include "cluster/topology.h"
#include "worker/queue_join.h"
#include "worker/writers.h"

namespace databus {

// One thread at a time.
class Requeue {
 public:
  struct Options {
    Storage& storage;
    Writers& writers;  // of View::kLocal
    ProblemBoard& problems;
    const Topology& topology;
    uint64_t epoch;  // that the topology is of
    std::string cluster;
  };
  explicit Requeue(Options options) : options_(std::move(options)) {}

  // Looks through the queues. As in worker/queue_join.h a line that is kept stands in at least one
  // entry at any moment, and a repeated one is recognised by its reader (P19).
  void RunOnce();

 private:
  struct Queue {
    View view;  // of the files that its lines name
    std::string reader;
    std::string path;
  };
  void PutRight(const Queue& queue);
  Status MoveLines(const Queue& queue);
  // Whether it lies right from now on.
  Result<bool> MoveEntry(const Queue& queue, const std::string& name, const std::string& text);
  Result<bool> ObeysTheNewest();
  // The queue that a line belongs into. Nothing: none.
  std::optional<std::string> PlaceOf(const Queue& queue, const QueueLine& line) const;
  bool IsNeedless(const Queue& queue, const paths::MinutePath& line) const;

  const Options options_;
  std::map<std::string, std::set<std::string>> judged_;  // entries that lie right, by queue
  // Of the queue that is looked at.
  size_t dropped_ = 0;                      // lines
  std::optional<bool> obeys_the_newest_{};  // nothing: not asked yet
};

}  // namespace databus
