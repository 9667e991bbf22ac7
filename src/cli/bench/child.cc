#include "cli/bench/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>
#include <utility>

namespace databus {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// utime and stime are the 14th and 15th field of /proc/PID/stat; the second one, the name in
// parentheses, may hold blanks.
Result<double> CpuSeconds(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return Status(Code::kNotFound, "no such process");
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  fields >> user >> system;
  return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

uint64_t ResidentBytesMax(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string key; file >> key;) {
    uint64_t kibibytes = 0;
    if (key == "VmHWM:" && file >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

// Between fork and exec: system calls only.
[[noreturn]] void Become(std::vector<char*>& args, int output, int log) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);  // Ctrl-C is the parent's to handle
  ::dup2(output, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execvp(args[0], args.data());
  ::_exit(127);
}

}  // namespace

Result<ProcessUse> UseOf(pid_t pid) {
  DATABUS_ASSIGN_OR_RETURN(const double cpu_s, CpuSeconds(pid));
  return ProcessUse{cpu_s, ResidentBytesMax(pid)};
}

Result<Child> Child::Start(std::string_view program, const std::vector<std::string>& args,
                           const std::string& log) {
  std::vector<std::string> texts{std::string(program)};
  texts.insert(texts.end(), args.begin(), args.end());
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);

  Fd errors;
  if (!log.empty()) {
    errors = Fd(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!errors.open()) return ErrnoStatus(Code::kRefused, "open " + log, errno);
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(Code::kRefused, "pipe", errno);
  Fd read_end(ends[0]);
  const Fd write_end(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoStatus(Code::kRefused, "fork", errno);
  if (pid == 0) Become(pointers, write_end.get(), (log.empty() ? write_end : errors).get());
  return Child(pid, std::move(read_end));
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), output_(std::move(other.output_)) {}

Child::~Child() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Result<std::string> Child::ReadLine() {
  std::string line;
  char byte = 0;
  while (::read(output_.get(), &byte, 1) == 1) {
    if (byte == '\n') return line;
    line += byte;
  }
  return Status(Code::kUnavailable, "the child ended: " + line);
}

bool Child::HasOutput() const {
  pollfd output{output_.get(), POLLIN, 0};
  return ::poll(&output, 1, 0) == 1;
}

bool Child::Running() const {
  siginfo_t info{};
  const int flags = WEXITED | WNOHANG | WNOWAIT;
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, flags) == 0 && info.si_pid == 0;
}

void Child::Terminate() const { ::kill(pid_, SIGTERM); }

Result<ChildEnd> Child::Wait() {
  ChildEnd end;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(output_.get(), buffer, sizeof buffer)) > 0;) {
    end.output.append(buffer, static_cast<size_t>(got));
  }
  int status = 0;
  rusage use{};
  if (::wait4(pid_, &status, 0, &use) != pid_)
    return ErrnoStatus(Code::kUnavailable, "wait", errno);
  pid_ = -1;
  end.cpu_s = Seconds(use.ru_utime) + Seconds(use.ru_stime);
  end.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return end;
}

}  // namespace databus
