// A child process of a benchmark or a demo: this same program with other arguments.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "net/tcp_socket.h"

namespace databus {

// What the system says about a running process.
struct ProcessUse {
  double cpu_s = 0;  // user and system time
  uint64_t resident_bytes_max = 0;
};
// kNotFound: there is no such process.
Result<ProcessUse> UseOf(pid_t pid);

// How a child ended.
struct ChildEnd {
  std::string output;  // what it printed and nobody has read yet
  double cpu_s = 0;
  int exit_code = 0;  // 128 + the signal's number where a signal ended it
};

// Killed and waited for by the destructor if it still runs then, and by the system if this process
// dies before. One thread at a time.
class Child {
 public:
  // This program.
  static constexpr std::string_view kSelf = "/proc/self/exe";

  // Starts `program`, searched as a shell would, with standard output to a pipe and standard error
  // to the file `log`, or to the same pipe when that is empty. REQUIRES: the calling thread
  // outlives the child, which the system kills when that thread ends.
  static Result<Child> Start(std::string_view program, const std::vector<std::string>& args,
                             const std::string& log);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  pid_t pid() const { return pid_; }
  // The next line of its output, without the newline. kUnavailable: it ended without one.
  Result<std::string> ReadLine();
  // Whether ReadLine has something to say now; its lines are taken to come whole.
  bool HasOutput() const;
  bool Running() const;
  // Sends TERM.
  void Terminate() const;
  // Waits for its end.
  Result<ChildEnd> Wait();

 private:
  Child(pid_t pid, Fd output) : pid_(pid), output_(std::move(output)) {}

  pid_t pid_ = -1;
  Fd output_;
};

}  // namespace databus
