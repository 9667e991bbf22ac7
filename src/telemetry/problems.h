// What is wrong at present, for status, heartbeats and log: each problem once, under a topic, with
// since when and what happens next. It goes when whoever raised it clears it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/sync.h"
#include "telemetry/heartbeat.h"

namespace databus {

// Whether the topic tells a reader something that the texts do not: the place, "merge group 3".
enum class ShowTopic : uint8_t { kYes, kNo };

// Thread-safe.
class ProblemBoard {
 public:
  // `process` is the name in the log: "worker".
  ProblemBoard(const Clock& clock, std::string process, ShowTopic show_topic)
      : clock_(clock), process_(std::move(process)), show_topic_(show_topic) {}

  // A new text under a known topic keeps its since. Details of a text (a number, a temporary name)
  // may change at every try; the log hears of a change once a minute at most.
  // `streams`: those that wait until it is mended.
  void Raise(const std::string& topic, const std::string& what, const std::string& next,
             std::vector<std::string> streams = {});
  void Clear(const std::string& topic);
  // Hides all that was raised until it is raised again, with its since: whoever raised it may have
  // no more to do with it.
  void DoubtAll();
  // For what happened once and needs a look: kept until the process ends, the newest 50.
  void Report(const std::string& what, const std::string& next);

  // Raises or clears a topic for things that are named: raised while there are any.
  void RaiseEach(const std::string& topic, const std::vector<std::string>& whats,
                 const std::string& next, std::vector<std::string> streams = {});

  // The same of what keeps streams waiting, by stream.
  void RaiseByStream(const std::string& topic, const std::map<std::string, std::string>& by_stream,
                     const std::string& next);

  // The oldest first.
  std::vector<Problem> List() const;

 private:
  struct Standing {
    Problem problem;
    std::string logged;
    BootTime logged_at;
    bool doubted = false;
  };
  const Clock& clock_;
  const std::string process_;
  const ShowTopic show_topic_;
  mutable Mutex mutex_;  // guards what follows
  std::map<std::string, Standing> standing_;
  std::vector<Problem> reported_;
};

}  // namespace databus
