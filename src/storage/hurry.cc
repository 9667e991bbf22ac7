#include "storage/hurry.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace databus {

// Without a descriptor (there are no more of them) nobody is woken: it only takes longer.
Hurry::Hurry() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Hurry::~Hurry() {
  if (fd_ >= 0) ::close(fd_);
}

void Hurry::Begin() {
  begun_.Stop();
  if (fd_ >= 0) ::eventfd_write(fd_, 1);
}

}  // namespace databus
