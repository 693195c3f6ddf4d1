// What a gateway logs of its houses: frames of a minute with one sample a second, see "Summary" in
// contract/log.md. All in the bus task; one house after the other, so that no beat has to build more than one
// frame.
#pragma once

#include <array>

#include "cluster.h"
#include "esphome/components/microgrid_can/bulk_relay.h"
#include "esphome/components/microgrid_core/clock.h"
#include "esphome/components/microgrid_core/umg1_samples.h"

namespace esphome::microgrid {

/// The channels of a summary; id, name, unit and step are those of the house's own log.
inline constexpr std::array SUMMARY_METRICS = {
    HouseMetric::INVERTER_FREQUENCY, HouseMetric::INVERTER_VOLTAGE,   HouseMetric::INVERTER_CURRENT,
    HouseMetric::INVERTER_POWER,     HouseMetric::DC_BUS_VOLTAGE,     HouseMetric::MOSFET_TEMPERATURE_1,
    HouseMetric::STATE_OF_CHARGE,    HouseMetric::BATTERY_CURRENT,    HouseMetric::BATTERY_TEMPERATURE_1,
    HouseMetric::MPPT_INPUT_VOLTAGE, HouseMetric::MPPT_INPUT_CURRENT, HouseMetric::LOAD_POWER,
};
constexpr uint32_t SUMMARY_SAMPLES = 60;
constexpr uint32_t SUMMARY_PERIOD_US = 1'000'000;

constexpr std::array<Channel, SUMMARY_METRICS.size()> summary_channels() {
  std::array<Channel, SUMMARY_METRICS.size()> channels{};
  for (size_t i = 0; i < channels.size(); i++) {
    const MetricRow &row = HOUSE_METRICS[static_cast<size_t>(SUMMARY_METRICS[i])];
    channels[i] = {.id = row.channel,
                   .name = row.key,
                   .unit = row.unit,
                   .exponent = row.exponent,
                   .offset = row.offset,
                   .period_us = SUMMARY_PERIOD_US,
                   .group = Group::SLOW,
                   .width = row.width};
  }
  return channels;
}
inline constexpr auto SUMMARY_CHANNELS = summary_channels();

constexpr size_t summary_sample_bytes() {
  size_t bytes = 0;
  for (const Channel &channel : SUMMARY_CHANNELS) bytes += size_t{channel.width} * SUMMARY_SAMPLES;
  return bytes;
}
/// What the log's queue takes. Twelve channels of noise over the whole of their ranges would be 45 bytes
/// longer: such a minute is lost, and counted.
constexpr size_t SUMMARY_FRAME_BYTES = 2040;

/// One minute of one house.
class HouseSummary final {
 public:
  /// The sample of `slot` in the minute that begins at `start_us`.
  void take(uint32_t slot, uint64_t start_us, const Readings &readings);
  bool empty() const { return this->taken_ == 0; }
  uint64_t start_us() const { return this->start_us_; }
  void clear();

  /// The frame in `room`; empty when it does not fit.
  std::span<uint8_t> build(std::string_view node, uint32_t schema_hash, const ClockReading &clock,
                           std::span<uint8_t> room) const;

 protected:
  static constexpr size_t VALID_WORDS = (SUMMARY_SAMPLES + 31) / 32;

  std::array<uint8_t, summary_sample_bytes()> values_{};
  std::array<std::array<uint32_t, VALID_WORDS>, SUMMARY_CHANNELS.size()> valid_{};
  uint64_t start_us_{0};
  uint32_t taken_{0};
};

/// Where finished frames go; false when it has no room just now.
class SummarySink {
 public:
  virtual bool take(std::span<const uint8_t> frame) = 0;

 protected:
  ~SummarySink() = default;
};

class SummaryLog final {
 public:
  static constexpr uint32_t SCHEMA_EVERY_MINUTES = 60;

  SummaryLog(const Cluster &cluster, const HouseDirectory &directory, const Identity &identity,
             const DisciplinedClock &clock, SummarySink &sink)
      : cluster_(cluster), directory_(directory), identity_(identity), clock_(clock), sink_(sink) {}

  /// Every 10 ms.
  void tick(uint64_t mono_us);
  /// Minutes of a house that the sink did not take within a second.
  uint32_t lost() const { return this->lost_; }

 protected:
  struct House {
    HouseSummary minute;
    uint32_t schema_hash{0};  // of the schema that was logged last; 0: none
    uint32_t minutes_until_schema{0};
    bool complete{false};
  };

  void sample(uint64_t second);
  /// True when nothing is left to be done for this house.
  bool hand_over(uint8_t number, House &house, uint64_t mono_us);

  const Cluster &cluster_;
  const HouseDirectory &directory_;
  const Identity &identity_;
  const DisciplinedClock &clock_;
  SummarySink &sink_;
  std::array<House, Cluster::HOUSES> houses_{};
  std::array<uint8_t, SUMMARY_FRAME_BYTES> room_{};
  uint64_t second_{0};
  uint32_t lost_{0};
};

}  // namespace esphome::microgrid
