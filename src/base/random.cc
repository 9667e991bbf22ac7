#include "base/random.h"

#include <random>

#include "base/sync.h"

namespace databus {
namespace {

class Device final : public Random {
 public:
  uint64_t Next() override {
    MutexLock lock(mutex_);
    return (static_cast<uint64_t>(device_()) << 32) | device_();
  }

 private:
  Mutex mutex_;
  std::random_device device_;
};

class Seeded final : public Random {
 public:
  explicit Seeded(uint64_t seed) : engine_(seed) {}
  uint64_t Next() override {
    MutexLock lock(mutex_);
    return engine_();
  }

 private:
  Mutex mutex_;
  std::mt19937_64 engine_;
};

}  // namespace

std::string Random::Hex(int digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  uint64_t bits = 0;
  for (int i = 0; i < digits; ++i) {
    if (i % 16 == 0) bits = Next();
    text += kDigits[bits & 15];
    bits >>= 4;
  }
  return text;
}

Random& SystemRandom() {
  static Device device;
  return device;
}

std::unique_ptr<Random> SeededRandom(uint64_t seed) { return std::make_unique<Seeded>(seed); }

}  // namespace databus
