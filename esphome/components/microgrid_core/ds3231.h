// The battery-backed clock DS3231: time at a cold start, until something better is there. Maxim 19-5170.
// Its 1 Hz output falls when its seconds change: the interrupt takes that edge, the registers say which
// second it was.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "clock_sources.h"
#include "clock_timeline.h"

namespace esphome::microgrid {

class I2cDevice {
 public:
  virtual bool write(std::span<const uint8_t> bytes) = 0;
  /// Writes `address` and reads on from there.
  virtual bool read(uint8_t address, std::span<uint8_t> bytes) = 0;

 protected:
  ~I2cDevice() = default;
};

/// Registers 0x00 … 0x06.
using Ds3231Time = std::array<uint8_t, 7>;

/// Seconds since 1970. nullopt when the registers are no time between 2000 and 2199.
std::optional<int64_t> read_ds3231_time(const Ds3231Time &registers);
Ds3231Time write_ds3231_time(int64_t unix_s);

struct Ds3231Counters {
  uint32_t observations;
  uint32_t nonsense;  // registers that were no time
  uint32_t failures;  // of the I2C bus
  uint32_t settings;
};

/// Main loop, but for edge().
class Ds3231 final {
 public:
  explicit Ds3231(I2cDevice &device) : device_(device) {}

  /// Starts the oscillator and its 1 Hz output. False without a chip; may be repeated.
  bool begin();

  /// From the interrupt, at the falling edge.
  void edge(uint64_t mono_us);

  /// Once for each edge: what the RTC shows, unless its oscillator has stopped meanwhile.
  std::optional<Observation> poll(uint64_t now_us);

  /// Sets the RTC once a day by a clock that did not get its time from it. It is done right after a full
  /// second of UTC: to be called in each loop.
  void keep(const Timeline &timeline, uint64_t now_us);

  const Ds3231Counters &counters() const { return this->counters_; }

 protected:
  std::optional<int64_t> read_mark();
  uint32_t error_us(int64_t unix_s) const;
  bool set(int64_t unix_s);

  I2cDevice &device_;
  Published<uint64_t> edge_us_;
  uint64_t seen_edge_us_{0};
  bool trusted_{false};           // the oscillator has not stopped since the time was set
  std::optional<int64_t> set_s_;  // when that was, by the RTC
  uint64_t kept_from_us_{0};      // not tried again before this
  Ds3231Counters counters_{};
};

}  // namespace esphome::microgrid
