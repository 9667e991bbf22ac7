// Queue lines for a cluster that is not the primary of their streams any more (P31): they are put
// into the queue of the cluster that is, by the local service of the cluster where they lie.
#pragma once

#include <map>
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
    std::string cluster;
  };
  explicit Requeue(Options options) : options_(std::move(options)) {}

  // Looks through `system/consumers/`. As in worker/queue_join.h a line stands in at least one
  // entry at any moment, and a repeated one is recognised by its reader (P19).
  void RunOnce();

 private:
  Status MoveLines(const std::string& consumer);
  Status MoveEntry(const std::string& consumer, const std::string& name, const std::string& text);
  // The queue that a line belongs into.
  std::string ConsumerOf(const QueueLine& line, const std::string& consumer) const;

  const Options options_;
  std::map<std::string, std::set<std::string>> judged_;  // entries that lie right, by consumer
};

}  // namespace databus
