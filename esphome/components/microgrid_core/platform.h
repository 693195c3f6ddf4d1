// What the firmware asks of the machine: a counter of microseconds, tasks, a way to wake one, random numbers.
// FreeRTOS on the ESP32, threads on a PC.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#ifndef USE_ESP32
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#endif

namespace esphome::microgrid {

/// Microseconds since the node started; the same counter in every task and interrupt.
uint64_t mono_us();

/// 32 random bits from the hardware.
uint32_t random_u32();

#ifndef USE_ESP32
/// The oscillator of a PC is shared by all nodes on it. A test or simulator gives each its own: the counter
/// begins at `start_us` and runs `ppm` fast. To be called before anything asks for the time.
void set_oscillator(double ppm, uint64_t start_us);
/// The counter's reading at a time of CLOCK_MONOTONIC, such as that of a receive stamp.
uint64_t mono_of_monotonic_ns(int64_t monotonic_ns);
#endif

/// Memory for large buffers, taken once while setting up: from the PSRAM of a board that has one, which
/// leaves the chip's own memory to stacks and Wi-Fi. Not for what DMA or interrupts touch.
class BigMemory final {
 public:
  BigMemory() = default;
  BigMemory(const BigMemory &) = delete;
  BigMemory &operator=(const BigMemory &) = delete;
  ~BigMemory();

  /// Zeroed and aligned to 8 bytes. False when there is not as much, or it was taken already.
  bool take(size_t bytes);
  std::span<uint8_t> bytes() const { return {this->memory_, this->size_}; }

 protected:
  uint8_t *memory_{nullptr};
  size_t size_{0};
};

/// Wakes one waiting task; a signal that comes before the wait is not lost.
class Signal final {
 public:
  Signal();
  Signal(const Signal &) = delete;
  Signal &operator=(const Signal &) = delete;
  ~Signal();

  void give();
  /// From an interrupt of the ESP32; on a PC the same as give().
  void give_from_interrupt();
  /// True when it was given, false after `timeout_us`.
  bool wait(uint32_t timeout_us);

 protected:
#ifdef USE_ESP32
  void *semaphore_;
#else
  std::mutex mutex_;
  std::condition_variable condition_;
  bool given_{false};
#endif
};

enum class Priority : uint8_t {
  BACKGROUND,  // the log: below the main loop
  BUS,         // CAN and sampling: above everything but Wi-Fi
};

/// A task that runs until the node stops. On a PC the destructor asks it to end and waits.
class Task final {
 public:
  using Body = void (*)(void *context);

  Task() = default;
  Task(const Task &) = delete;
  Task &operator=(const Task &) = delete;
  ~Task();

  /// Calls body(context) over and over; the body waits by itself, on a PC never for long. False when it runs
  /// already or when there is no memory for it. Names have up to 15 letters.
  bool start(const char *name, Body body, void *context, Priority priority, size_t stack_bytes);
  /// Least stack that was ever free, bytes; 0 when unknown.
  size_t stack_reserve() const;

 protected:
  Body body_{nullptr};
  void *context_{nullptr};
#ifdef USE_ESP32
  static void run(void *self);
  void *handle_{nullptr};
#else
  std::thread thread_;
  std::atomic<bool> ending_{false};
#endif
};

}  // namespace esphome::microgrid
