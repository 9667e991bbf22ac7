#include "tests/zookeeper/rig.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string_view>

namespace databus {
namespace {

constexpr int kUnavailableExit = 77;
constexpr const char* kTickMs = "500";
constexpr const char* kSessionMs = "300000";  // the longest: slow machines are no fault

}  // namespace

ZooKeeperRig::Outcome ZooKeeperRig::Start() {
  directory_ = testing::TempDir() + "databus-zookeeper-XXXXXX";
  if (::mkdtemp(directory_.data()) == nullptr) return Outcome::kFailed;
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) return Outcome::kFailed;
  const std::string place = directory_ + "/rig";
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(input[0], 0);
    ::dup2(output[1], 1);
    ::execl(DATABUS_ZOOKEEPER_RIG, "zookeeper-rig", "start", "--foreground", "--tick", kTickMs,
            "--session", kSessionMs, "--dir", place.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(input[0]);
  ::close(output[1]);
  input_ = input[1];
  output_ = ::fdopen(output[0], "r");
  const std::string line = ReadLine();
  const size_t port = line.find(" port=");
  if (port != std::string::npos) {
    port_ = static_cast<uint16_t>(std::stoi(line.substr(port + 6)));
    return Outcome::kReady;
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == kUnavailableExit ? Outcome::kUnavailable
                                                                      : Outcome::kFailed;
}

ZooKeeperRig::~ZooKeeperRig() {
  if (input_ >= 0) ::close(input_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  if (output_ != nullptr) ::fclose(output_);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string ZooKeeperRig::ReadLine() {
  char line[4096];
  return ::fgets(line, sizeof line, output_) != nullptr ? line : "";
}

void ZooKeeperRig::Obey(const std::string& line) {
  const std::string bytes = line + "\n";
  ASSERT_EQ(::write(input_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  ASSERT_EQ(ReadLine(), "ok\n") << line;
}

ZooKeeperRig& TheRig() {
  static ZooKeeperRig rig;
  return rig;
}

}  // namespace databus

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  if (argc > 1 && std::string_view(argv[1]) == "--as-holder" && databus::kHolderMain != nullptr) {
    return databus::kHolderMain(argc, argv);
  }
  testing::InitGoogleTest(&argc, argv);
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  switch (databus::TheRig().Start()) {
    case databus::ZooKeeperRig::Outcome::kReady: return RUN_ALL_TESTS();
    case databus::ZooKeeperRig::Outcome::kUnavailable:
      std::puts("skipped: ZooKeeper cannot be had here (tools/zookeeper-rig says why)");
      return databus::kUnavailableExit;
    case databus::ZooKeeperRig::Outcome::kFailed: break;
  }
  std::puts("the rig did not start");
  return 1;
}
