#include "tests/rig/rig_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

namespace databus {
namespace {

constexpr int kUnavailableExit = 77;

[[noreturn]] void Become(const std::string& program, std::vector<std::string> arguments) {
  std::vector<char*> raw;
  for (std::string& argument : arguments) raw.push_back(argument.data());
  raw.push_back(nullptr);
  ::execv(program.c_str(), raw.data());
  ::_exit(127);
}

}  // namespace

bool RigProcess::Begin(const std::string& program, const std::vector<std::string>& arguments) {
  directory_ = testing::TempDir() + "databus-rig-XXXXXX";
  if (::mkdtemp(directory_.data()) == nullptr) return false;
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) return false;
  std::vector<std::string> all = {program, "start", "--foreground", "--dir", place()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(input[0], 0);
    ::dup2(output[1], 1);
    Become(program, std::move(all));
  }
  ::close(input[0]);
  ::close(output[1]);
  input_ = input[1];
  output_ = ::fdopen(output[0], "r");
  return pid_ > 0;
}

RigProcess::~RigProcess() {
  if (input_ >= 0) ::close(input_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  if (output_ != nullptr) ::fclose(output_);
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

std::string RigProcess::ReadLine() {
  char line[4096];
  return ::fgets(line, sizeof line, output_) != nullptr ? line : "";
}

RigOutcome RigProcess::AwaitEnd() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == kUnavailableExit ? RigOutcome::kUnavailable
                                                                      : RigOutcome::kFailed;
}

void RigProcess::Obey(const std::string& line) {
  const std::string bytes = line + "\n";
  ASSERT_EQ(::write(input_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  ASSERT_EQ(ReadLine(), "ok\n") << line;
}

int RunTestsOnRig(int argc, char** argv, const std::function<RigOutcome()>& start,
                  const std::string& what) {
  std::signal(SIGPIPE, SIG_IGN);
  testing::InitGoogleTest(&argc, argv);
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  switch (start()) {
    case RigOutcome::kReady: return RUN_ALL_TESTS();
    case RigOutcome::kUnavailable:
      std::printf("skipped: %s cannot be had here (its rig in tools/ says why)\n", what.c_str());
      return kUnavailableExit;
    case RigOutcome::kFailed: break;
  }
  std::puts("the rig did not start");
  return 1;
}

}  // namespace databus
