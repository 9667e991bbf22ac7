#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/all_commands.h"
#include "cli/app.h"
#include "cli/installation.h"
#include "cli/signals.h"
#include "lease/zookeeper_group_leases.h"
#include "lease/zookeeper_lease.h"
#include "storage/open.h"

namespace {

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

bool WaitForInput(databus::Milliseconds most) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, static_cast<int>(most.count())) != 0;
}

bool ReaderIsGone() {
  pollfd output{STDOUT_FILENO, 0, 0};
  return poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

// A container shares the boot with its host but not the numbers of processes.
std::string MachineName() {
  const auto boot = databus::ReadTextFile("/proc/sys/kernel/random/boot_id");
  std::array<char, 64> pids{};
  if (!boot.ok() || readlink("/proc/self/ns/pid", pids.data(), pids.size() - 1) < 0) return "";
  return boot->substr(0, boot->find('\n')) + "-" + pids.data();
}

std::shared_ptr<void> ListenForStop(std::function<void()> stop) {
  return std::make_shared<databus::SignalWatch>(std::move(stop));
}

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

// As Hadoop's own clients on this machine have it.
databus::StorageEnvironment HadoopsEnvironment() {
  return {.hadoop_conf_dir = Variable("HADOOP_CONF_DIR"),
          .hadoop_user_name = Variable("HADOOP_USER_NAME"),
          .calls = std::make_shared<databus::StorageCalls>(),
          .hurry = std::make_shared<databus::Hurry>()};
}

bool ProcessIsGone(int64_t pid) { return kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH; }

std::shared_ptr<databus::Lease> ZooKeeper(const std::string& servers,
                                          const databus::LeaseRequest& request) {
  databus::Clock& clock = databus::SystemClock();
  databus::Random& random = databus::SystemRandom();
  const databus::ZooKeeperMember::Options options{.servers = servers, .request = request};
  if (request.spread_groups > 0) {
    return std::make_shared<databus::ZooKeeperGroupLeases>(clock, random, options);
  }
  return std::make_shared<databus::ZooKeeperLease>(clock, random, options);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == databus::kCollector.name) databus::HoldHangUps();
  std::ios::sync_with_stdio(false);
  std::cin.tie(nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error of ours, not a death
  databus::Io io{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .terminal = isatty(STDERR_FILENO) != 0 ? databus::Terminal::kYes : databus::Terminal::kNo,
      .wait_for_input = &WaitForInput,
      .reader_is_gone = &ReaderIsGone,
      .listen_for_stop = &ListenForStop};
  const databus::StorageEnvironment environment = HadoopsEnvironment();
  databus::Seams seams{.clock = databus::SystemClock(),
                       .random = databus::SystemRandom(),
                       .disk = databus::LocalDisk(),
                       .network = databus::TcpNetwork(),
                       .open_storage =
                           [&](const std::string& url, const std::string& root_dir) {
                             return databus::OpenStorageIn(environment, url, root_dir);
                           },
                       .create_root =
                           [&](const std::string& url, const std::string& root_dir) {
                             return databus::CreateRootIn(environment, url, root_dir);
                           },
                       .read_file = &databus::ReadTextFile,
                       .host = HostName(),
                       .pid = getpid(),
                       .machine = MachineName(),
                       .process_is_gone = &ProcessIsGone,
                       .zookeeper_lease = &ZooKeeper,
                       .storage_calls = environment.calls.get(),
                       .hurry = [&] { environment.hurry->Begin(); }};
  return databus::RunProgram({argv + 1, argv + argc}, io, seams);
}
