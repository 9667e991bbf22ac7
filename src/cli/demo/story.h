// What happens in a demo beside its traffic, one scene after the other: processes die and start
// again, a cluster's disk goes away, a command is given. A scene ends when what it waits for is
// seen.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace databus {

// One line for people.
using Tell = std::function<void(const std::string& line)>;

struct Scene {
  std::string title{};                      // told when it begins; empty: nothing is told
  std::function<Status()> begin{};          // once
  std::function<Result<bool>()> is_over{};  // several times a second; empty: at once
};

// One thread at a time.
class Story {
 public:
  explicit Story(std::vector<Scene> scenes) : scenes_(scenes.begin(), scenes.end()) {}

  bool IsOver() const { return scenes_.empty(); }
  // Goes on as far as it can without waiting. Not ok: a scene could not be played; the story does
  // not go on.
  Status Step(const Tell& tell);

 private:
  enum class State : uint8_t { kToBegin, kBegun };
  std::deque<Scene> scenes_;
  State state_ = State::kToBegin;  // of the first of them
};

// Nothing happens for so long.
Scene Pause(const Clock& clock, Milliseconds duration);

// A command of `program`, told itself and line by line as it speaks; what it says is also added to
// `said`, which may be null. It must end with 0.
struct CommandLine {
  std::string program;
  // Asked for when it begins: they may follow from what was said before.
  std::function<Result<std::vector<std::string>>()> args;
  std::string log{};  // for its standard error; empty: that is told, too
  // Asked all the time while it runs. True: kill -9, and it is begun again with other arguments.
  std::function<Result<bool>()> dies{};
  std::vector<std::string> again{};
};
Scene Play(CommandLine command, Tell tell, std::string* said = nullptr);

}  // namespace databus
