#include "net/receive_buffers.h"

#include <sys/eventfd.h>

namespace databus {

ReceiveBuffers::Buffer::~Buffer() {
  home_->held_ -= counted_;
  home_->TakeBack(std::move(bytes_), size_);
}

void ReceiveBuffers::Buffer::Count(size_t frame_bytes) {
  counted_ += frame_bytes;
  home_->held_ += frame_bytes;
}

std::shared_ptr<ReceiveBuffers::Buffer> ReceiveBuffers::Chunk() {
  std::unique_ptr<char[]> bytes;
  {
    MutexLock lock(mutex_);
    if (!spare_.empty()) {
      bytes = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  if (bytes == nullptr) bytes = std::make_unique_for_overwrite<char[]>(kChunkBytes);
  return std::make_shared<Buffer>(shared_from_this(), std::move(bytes), kChunkBytes);
}

std::shared_ptr<ReceiveBuffers::Buffer> ReceiveBuffers::Large(size_t size) {
  return std::make_shared<Buffer>(shared_from_this(), std::make_unique_for_overwrite<char[]>(size),
                                  size);
}

void ReceiveBuffers::TakeBack(std::unique_ptr<char[]> bytes, size_t size) {
  if (size == kChunkBytes) {
    MutexLock lock(mutex_);
    if (spare_.size() < kSpareChunksMax) spare_.push_back(std::move(bytes));
  }
  if (wake_wanted_.exchange(false)) ::eventfd_write(wake_->get(), 1);
}

}  // namespace databus
