// A server, or several, for one test program: a rig of tools/, which runs in the foreground, obeys
// lines, and ends with the program.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace databus {

enum class RigOutcome { kReady, kUnavailable, kFailed };

class RigProcess {
 public:
  RigProcess() = default;
  RigProcess(const RigProcess&) = delete;
  ~RigProcess();

  // Runs `program start --foreground --dir <its own> arguments...`. False: it cannot.
  bool Begin(const std::string& program, const std::vector<std::string>& arguments);
  // The next line of what it says; "" at its end.
  std::string ReadLine();
  // When it has said less than was expected: waits for its end. kUnavailable: what it needs cannot
  // be had here.
  RigOutcome AwaitEnd();
  // Has it obey a line, as "kill 1 datanode1"; fails the test when it does not.
  void Obey(const std::string& line);
  // The directory that it was given.
  std::string place() const { return directory_ + "/rig"; }

 private:
  int input_ = -1;  // closed to end it
  FILE* output_ = nullptr;
  int pid_ = -1;
  std::string directory_;
};

// A main(): runs the tests on what `start` starts. Where that is not to be had they are skipped,
// with a word about it.
int RunTestsOnRig(int argc, char** argv, const std::function<RigOutcome()>& start,
                  const std::string& what);

}  // namespace databus
