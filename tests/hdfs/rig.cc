#include "tests/hdfs/rig.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iterator>
#include <sstream>

namespace databus {
namespace {

constexpr int kUnavailableExit = 77;

std::vector<std::string> Words(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

std::vector<int> Numbers(const std::string& list) {
  std::vector<int> numbers;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) numbers.push_back(std::stoi(part));
  return numbers;
}

RigCluster Parse(const std::string& line) {
  std::map<std::string, std::string> values;
  for (const std::string& word : Words(line)) {
    const size_t equals = word.find('=');
    if (equals != std::string::npos) values[word.substr(0, equals)] = word.substr(equals + 1);
  }
  RigCluster cluster;
  cluster.url = values["url"];
  cluster.rpc_port = static_cast<uint16_t>(Numbers(values["rpc"]).front());
  cluster.web_port = static_cast<uint16_t>(Numbers(values["web"]).front());
  cluster.conf = values["conf"];
  cluster.name_nodes = Numbers(values["namenode"]);
  cluster.data_nodes = Numbers(values["datanodes"]);
  return cluster;
}

}  // namespace

HdfsOptions RigCluster::Options(const std::string& root, uint16_t port) const {
  using std::chrono_literals::operator""ms;
  HdfsOptions options;
  options.url = url;
  options.root = root;
  options.name_nodes.name_nodes = {{"127.0.0.1", port}};
  options.name_nodes.user = ::getuid() == 0 ? "root" : ::getlogin();
  options.name_nodes.patience.unsent = 5000ms;
  options.replication = 1;
  options.block_bytes = 1u << 20;
  return options;
}

Rig::Outcome Rig::Start(const std::string& options) {
  directory_ = testing::TempDir() + "databus-rig-XXXXXX";
  if (::mkdtemp(directory_.data()) == nullptr) return Outcome::kFailed;
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) return Outcome::kFailed;
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(input[0], 0);
    ::dup2(output[1], 1);
    const std::string place = directory_ + "/rig";
    std::vector<std::string> arguments = {"hdfs-rig", "start", "--foreground", "--datanodes",
                                          "2",        "--dir", place};
    for (std::string& word : Words(options)) arguments.push_back(std::move(word));
    std::vector<char*> raw;
    for (std::string& argument : arguments) raw.push_back(argument.data());
    raw.push_back(nullptr);
    ::execv(DATABUS_HDFS_RIG, raw.data());
    ::_exit(127);
  }
  ::close(input[0]);
  ::close(output[1]);
  input_ = input[1];
  output_ = ::fdopen(output[0], "r");
  // One line for each.
  const auto wanted = options.find("--clusters=2") != std::string::npos ? 2u : 1u;
  while (clusters_.size() < wanted) {
    const std::string line = ReadLine();
    if (line.empty()) break;
    clusters_.push_back(Parse(line));
  }
  if (clusters_.size() == wanted) return Outcome::kReady;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == kUnavailableExit ? Outcome::kUnavailable
                                                                      : Outcome::kFailed;
}

Rig::~Rig() {
  if (input_ >= 0) ::close(input_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  if (output_ != nullptr) ::fclose(output_);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string Rig::ReadLine() {
  char line[4096];
  return ::fgets(line, sizeof line, output_) != nullptr ? line : "";
}

void Rig::Obey(const std::string& line) {
  const std::string bytes = line + "\n";
  ASSERT_EQ(::write(input_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  ASSERT_EQ(ReadLine(), "ok\n") << line;
}

std::string Rig::Shell(const std::string& arguments) const {
  std::string command = DATABUS_HDFS_RIG " shell --dir ";
  command.append(directory_).append("/rig ").append(arguments).append(" 2>/dev/null");
  FILE* const output = ::popen(command.c_str(), "r");
  std::string text;
  char buffer[4096];
  for (size_t got; (got = ::fread(buffer, 1, sizeof buffer, output)) > 0;) text.append(buffer, got);
  EXPECT_EQ(::pclose(output), 0) << command;
  return text;
}

Rig& TheRig() {
  static Rig rig;
  return rig;
}

}  // namespace databus

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  switch (databus::TheRig().Start(DATABUS_RIG_OPTIONS)) {
    case databus::Rig::Outcome::kReady: return RUN_ALL_TESTS();
    case databus::Rig::Outcome::kUnavailable:
      std::puts("skipped: Hadoop cannot be had here (tools/hdfs-rig says why)");
      return databus::kUnavailableExit;
    case databus::Rig::Outcome::kFailed: break;
  }
  std::puts("the rig did not start");
  return 1;
}
