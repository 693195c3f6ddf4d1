// The machine under the firmware: FreeRTOS and esp_timer on the ESP32, CLOCK_MONOTONIC and threads on a PC.
#include "platform.h"

#ifdef USE_ESP32
#include <esp_attr.h>
#include <esp_heap_caps.h>
#include <esp_random.h>
#include <esp_timer.h>
#include <freertos/FreeRTOS.h>
#include <freertos/semphr.h>
#include <freertos/task.h>
#else
#include <pthread.h>
#include <sys/random.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#endif

namespace esphome::microgrid {

#ifdef USE_ESP32

uint64_t IRAM_ATTR mono_us() { return static_cast<uint64_t>(esp_timer_get_time()); }

uint32_t random_u32() { return esp_random(); }

namespace {

uint8_t *allocate(size_t bytes) {
  // The second kind is what chips without PSRAM have.
  return static_cast<uint8_t *>(heap_caps_calloc_prefer(1, bytes, 2, MALLOC_CAP_SPIRAM | MALLOC_CAP_8BIT,
                                                        MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT));
}
void release(uint8_t *memory) { heap_caps_free(memory); }

}  // namespace

Signal::Signal() : semaphore_(xSemaphoreCreateBinary()) {}
Signal::~Signal() { vSemaphoreDelete(static_cast<SemaphoreHandle_t>(this->semaphore_)); }

void Signal::give() { xSemaphoreGive(static_cast<SemaphoreHandle_t>(this->semaphore_)); }

void IRAM_ATTR Signal::give_from_interrupt() {
  BaseType_t woken = pdFALSE;
  xSemaphoreGiveFromISR(static_cast<SemaphoreHandle_t>(this->semaphore_), &woken);
  portYIELD_FROM_ISR(woken);
}

bool Signal::wait(uint32_t timeout_us) {
  // Up to the next tick: a wait of less than a tick must not become none, or the task would keep the core to
  // itself.
  const uint32_t tick_us = portTICK_PERIOD_MS * 1000;
  const TickType_t ticks = timeout_us / tick_us + (timeout_us % tick_us != 0 ? 1 : 0);
  return xSemaphoreTake(static_cast<SemaphoreHandle_t>(this->semaphore_), ticks) == pdTRUE;
}

namespace {

struct Place {
  UBaseType_t priority;
  BaseType_t core;
};

// Wi-Fi has priority 23 and core 0 to itself, ESPHome's main loop priority 1. The bus takes the other core,
// where there are two: the interrupts of the controller, installed by this task, are served there as well.
// The log shares the time that is left over with the idle tasks, so that their watchdog never barks.
constexpr Place place_of(Priority priority) {
  return priority == Priority::BUS ? Place{20, portNUM_PROCESSORS - 1}
                                   : Place{tskIDLE_PRIORITY, tskNO_AFFINITY};
}

}  // namespace

bool Task::start(const char *name, Body body, void *context, Priority priority, size_t stack_bytes) {
  if (this->handle_ != nullptr) return false;
  this->body_ = body;
  this->context_ = context;
  const Place place = place_of(priority);
  TaskHandle_t handle = nullptr;
  // ESP-IDF counts stacks in bytes.
  const BaseType_t created = xTaskCreatePinnedToCore(Task::run, name, static_cast<uint32_t>(stack_bytes),
                                                     this, place.priority, &handle, place.core);
  if (created != pdPASS) return false;
  this->handle_ = handle;
  return true;
}

void Task::run(void *self) {
  const auto *task = static_cast<const Task *>(self);
  while (true) task->body_(task->context_);
}

size_t Task::stack_reserve() const {
  return this->handle_ == nullptr ? 0 : uxTaskGetStackHighWaterMark(static_cast<TaskHandle_t>(this->handle_));
}

Task::~Task() {
  if (this->handle_ != nullptr) vTaskDelete(static_cast<TaskHandle_t>(this->handle_));
}

#else

namespace {

int64_t monotonic_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

struct Oscillator {
  int64_t origin_ns;
  int64_t start_us;
  double fast;  // share by which it runs fast

  uint64_t reading(int64_t at_ns) const {
    const int64_t elapsed_ns = at_ns - this->origin_ns;
    const int64_t gained_ns = static_cast<int64_t>(static_cast<double>(elapsed_ns) * this->fast);
    const int64_t us = this->start_us + (elapsed_ns + gained_ns) / 1000;
    return us < 0 ? 0 : static_cast<uint64_t>(us);
  }
};

// From 1 µs on: a time of 0 says "not known" in places.
Oscillator &oscillator() {
  static Oscillator the{.origin_ns = monotonic_ns(), .start_us = 1, .fast = 0};
  return the;
}

}  // namespace

void set_oscillator(double ppm, uint64_t start_us) {
  oscillator() = {
      .origin_ns = monotonic_ns(), .start_us = static_cast<int64_t>(start_us), .fast = ppm * 1e-6};
}

uint64_t mono_of_monotonic_ns(int64_t monotonic_ns) { return oscillator().reading(monotonic_ns); }

uint64_t mono_us() {
  const Oscillator &here = oscillator();  // before the time is read: its origin may be now
  return here.reading(monotonic_ns());
}

namespace {

uint8_t *allocate(size_t bytes) { return static_cast<uint8_t *>(std::calloc(1, bytes)); }
void release(uint8_t *memory) { std::free(memory); }

}  // namespace

uint32_t random_u32() {
  uint32_t bits = 0;
  while (getrandom(&bits, sizeof(bits), 0) != static_cast<ssize_t>(sizeof(bits))) {
  }
  return bits;
}

Signal::Signal() = default;
Signal::~Signal() = default;

void Signal::give() {
  {
    const std::scoped_lock lock{this->mutex_};
    this->given_ = true;
  }
  this->condition_.notify_one();
}

void Signal::give_from_interrupt() { this->give(); }

bool Signal::wait(uint32_t timeout_us) {
  std::unique_lock lock{this->mutex_};
  const bool given =
      this->condition_.wait_for(lock, std::chrono::microseconds{timeout_us}, [this] { return this->given_; });
  this->given_ = false;
  return given;
}

bool Task::start(const char *name, Body body, void *context, Priority /*priority*/, size_t /*stack_bytes*/) {
  if (this->thread_.joinable()) return false;
  this->body_ = body;
  this->context_ = context;
  this->thread_ = std::thread{[this] {
    while (!this->ending_.load(std::memory_order_acquire)) this->body_(this->context_);
  }};
  pthread_setname_np(this->thread_.native_handle(), name);
  return true;
}

size_t Task::stack_reserve() const { return 0; }

Task::~Task() {
  this->ending_.store(true, std::memory_order_release);
  if (this->thread_.joinable()) this->thread_.join();
}

#endif

bool BigMemory::take(size_t bytes) {
  if (this->memory_ != nullptr) return false;
  this->memory_ = allocate(bytes);
  this->size_ = this->memory_ == nullptr ? 0 : bytes;
  return this->memory_ != nullptr;
}

BigMemory::~BigMemory() { release(this->memory_); }

}  // namespace esphome::microgrid
