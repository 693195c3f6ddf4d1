// Readings on their way into a recorder: at each beat those channels whose period begins.
#pragma once

#include "esphome/components/microgrid_core/readings.h"
#include "esphome/components/microgrid_core/umg1_recorder.h"
#include "sample_grid.h"

namespace esphome::microgrid {

// The periods of all logs; one decimator each.
constexpr std::array<uint32_t, 5> RECORDED_PERIODS_US{10'000, 100'000, 1'000'000, 10'000'000, 60'000'000};

constexpr size_t period_index(uint32_t period_us) {
  size_t i = 0;
  while (i < RECORDED_PERIODS_US.size() && RECORDED_PERIODS_US[i] != period_us) i++;
  return i;
}
constexpr bool periods_are_known(std::span<const Channel> channels) {
  for (const Channel &channel : channels) {
    if (period_index(channel.period_us) == RECORDED_PERIODS_US.size()) return false;
  }
  return true;
}

/// All channels of one recorder; `METRICS` says whose reading each of them is.
template <const auto &CHANNELS, const auto &METRICS>
class RecordedReadings final {
 public:
  static_assert(CHANNELS.size() == METRICS.size() && periods_are_known(CHANNELS));

  /// At each beat.
  void record(const Readings &readings, Recorder &recorder, uint64_t mono_us) {
    if (recorder.start_us() == 0) return;  // not set up yet
    if (recorder.start_us() != this->grid_.start_us()) this->grid_ = SampleGrid{recorder.start_us()};
    const auto slot = this->grid_.slot(mono_us);
    if (!slot) return;
    std::array<bool, RECORDED_PERIODS_US.size()> due{};
    for (size_t i = 0; i < due.size(); i++) due[i] = this->decimators_[i].due(*slot);
    for (size_t i = 0; i < CHANNELS.size(); i++) {
      if (!due[period_index(CHANNELS[i].period_us)]) continue;
      if (const auto integer = readings.get(static_cast<size_t>(METRICS[i])))
        recorder.put(i, this->grid_.time_us(*slot), log_integer(*integer, CHANNELS[i].offset));
    }
  }

 protected:
  SampleGrid grid_{0};
  std::array<Decimator, RECORDED_PERIODS_US.size()> decimators_{
      Decimator{RECORDED_PERIODS_US[0]}, Decimator{RECORDED_PERIODS_US[1]}, Decimator{RECORDED_PERIODS_US[2]},
      Decimator{RECORDED_PERIODS_US[3]}, Decimator{RECORDED_PERIODS_US[4]}};
};

}  // namespace esphome::microgrid
