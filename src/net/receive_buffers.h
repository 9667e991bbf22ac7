// The memory that received frames live in: shared, counted and bounded.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/sync.h"
#include "net/tcp_socket.h"

namespace databus {

// Hands out buffers and counts the bytes of the frames in those that are still in use. Thread-safe;
// outlives the server as long as somebody holds a frame.
class ReceiveBuffers : public std::enable_shared_from_this<ReceiveBuffers> {
 public:
  static constexpr size_t kChunkBytes = 256u << 10;

  // `wake` is an eventfd: see AskToBeWoken.
  explicit ReceiveBuffers(std::shared_ptr<const Fd> wake) : wake_(std::move(wake)) {}

  // A buffer with many small frames in it, or one with a large one. `Count` is to be called, by one
  // thread, for every frame that is handed out in it; when the last owner lets go, what was counted
  // is taken back.
  class Buffer {
   public:
    Buffer(std::shared_ptr<ReceiveBuffers> home, std::unique_ptr<char[]> bytes, size_t size)
        : home_(std::move(home)), bytes_(std::move(bytes)), size_(size) {}
    ~Buffer();
    char* data() { return bytes_.get(); }
    size_t size() const { return size_; }
    void Count(size_t frame_bytes);

   private:
    std::shared_ptr<ReceiveBuffers> home_;
    std::unique_ptr<char[]> bytes_;
    size_t size_;
    uint64_t counted_ = 0;
  };

  std::shared_ptr<Buffer> Chunk();
  std::shared_ptr<Buffer> Large(size_t size);

  uint64_t held() const { return held_.load(); }
  // The next return of a buffer writes to the eventfd. Look at held() again after the call.
  void AskToBeWoken() { wake_wanted_.store(true); }

 private:
  // 16 MiB of chunks are kept for the next use.
  static constexpr size_t kSpareChunksMax = 64;

  void TakeBack(std::unique_ptr<char[]> bytes, size_t size);

  const std::shared_ptr<const Fd> wake_;
  std::atomic<uint64_t> held_ = 0;
  std::atomic<bool> wake_wanted_ = false;
  Mutex mutex_;
  std::vector<std::unique_ptr<char[]>> spare_;
};

}  // namespace databus
