#include "tests/hdfs/rig.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <sstream>

#include "storage/hdfs/hdfs_url.h"

namespace databus {
namespace {

constexpr int kUnavailableExit = 77;

uint16_t PortOf(const std::string& url) {
  return static_cast<uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
}

std::vector<int> Numbers(const std::string& list) {
  std::vector<int> numbers;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) numbers.push_back(std::stoi(part));
  return numbers;
}

RigCluster Parse(const std::string& line) {
  std::map<std::string, std::string> values;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals != std::string::npos) values[word.substr(0, equals)] = word.substr(equals + 1);
  }
  RigCluster cluster;
  cluster.url = values["url"];
  cluster.rpc_port = PortOf(values["url"]);
  cluster.web_port = PortOf(values["web"]);
  cluster.conf = values["conf"];
  cluster.name_node = std::stoi(values["namenode"]);
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

Rig::Outcome Rig::Start() {
  directory_ = testing::TempDir() + "databus-rig-XXXXXX";
  if (::mkdtemp(directory_.data()) == nullptr) return Outcome::kFailed;
  int input[2];
  int output[2];
  if (::pipe(input) != 0 || ::pipe(output) != 0) return Outcome::kFailed;
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(input[0], 0);
    ::dup2(output[1], 1);
    for (const int fd : {input[0], input[1], output[0], output[1]}) ::close(fd);
    const std::string place = directory_ + "/rig";
    ::execl(DATABUS_HDFS_RIG, "hdfs-rig", "start", "--foreground", "--datanodes", "2", "--dir",
            place.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(input[0]);
  ::close(output[1]);
  input_ = input[1];
  FILE* lines = ::fdopen(output[0], "r");
  char line[4096];
  const bool ready = ::fgets(line, sizeof line, lines) != nullptr;
  ::fclose(lines);
  if (ready) {
    cluster_ = Parse(line);
    return Outcome::kReady;
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == kUnavailableExit ? Outcome::kUnavailable
                                                                      : Outcome::kFailed;
}

Rig::~Rig() {
  if (input_ >= 0) ::close(input_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Rig& TheRig() {
  static Rig rig;
  return rig;
}

}  // namespace databus

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  switch (databus::TheRig().Start()) {
    case databus::Rig::Outcome::kReady: return RUN_ALL_TESTS();
    case databus::Rig::Outcome::kUnavailable:
      std::puts("skipped: Hadoop cannot be had here (tools/hdfs-rig says why)");
      return databus::kUnavailableExit;
    case databus::Rig::Outcome::kFailed: break;
  }
  std::puts("the rig did not start");
  return 1;
}
