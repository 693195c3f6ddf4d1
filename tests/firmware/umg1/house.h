// The channels of a house node, as the log budget assumes them: 166 samples a second.
#pragma once

#include <array>

#include "esphome/components/microgrid_core/umg1_crc.h"
#include "esphome/components/microgrid_core/umg1_recorder.h"

namespace esphome::microgrid {

inline constexpr Channel fast(uint8_t id, std::string_view name, std::string_view unit, int8_t exponent,
                              uint32_t period_us, int32_t offset = 0) {
  return {.id = id,
          .name = name,
          .unit = unit,
          .exponent = exponent,
          .offset = offset,
          .period_us = period_us,
          .group = Group::FAST,
          .width = 2};
}
inline constexpr Channel slow(uint8_t id, std::string_view name, std::string_view unit, int8_t exponent,
                              uint32_t period_us = 1'000'000) {
  return {.id = id,
          .name = name,
          .unit = unit,
          .exponent = exponent,
          .period_us = period_us,
          .group = Group::SLOW,
          .width = 2};
}

inline constexpr std::array<Channel, 32> HOUSE_CHANNELS = {{
    fast(1, "frequency", "Hz", -3, 10'000, 50'000),
    fast(2, "ac_voltage", "V", -2, 100'000),
    fast(3, "ac_current", "A", -2, 100'000),
    fast(4, "dc_voltage", "V", -2, 100'000),
    fast(5, "battery_current", "A", -2, 100'000),
    slow(10, "cell_voltage_1", "V", -3),
    slow(11, "cell_voltage_2", "V", -3),
    slow(12, "cell_voltage_3", "V", -3),
    slow(13, "cell_voltage_4", "V", -3),
    slow(14, "cell_voltage_5", "V", -3),
    slow(15, "cell_voltage_6", "V", -3),
    slow(16, "cell_voltage_7", "V", -3),
    slow(17, "cell_voltage_8", "V", -3),
    slow(18, "cell_voltage_9", "V", -3),
    slow(19, "cell_voltage_10", "V", -3),
    slow(20, "cell_voltage_11", "V", -3),
    slow(21, "cell_voltage_12", "V", -3),
    slow(22, "cell_voltage_13", "V", -3),
    slow(23, "cell_voltage_14", "V", -3),
    slow(24, "cell_voltage_15", "V", -3),
    slow(25, "cell_voltage_16", "V", -3),
    slow(30, "inverter_temperature_1", "°C", -1),
    slow(31, "inverter_temperature_2", "°C", -1),
    slow(32, "cell_temperature_1", "°C", -1),
    slow(33, "cell_temperature_2", "°C", -1),
    slow(34, "cell_temperature_3", "°C", -1),
    slow(35, "cell_temperature_4", "°C", -1),
    slow(40, "pv_voltage", "V", -2),
    slow(41, "pv_current", "A", -2),
    slow(42, "mppt_voltage", "V", -2),
    slow(43, "mppt_current", "A", -2),
    slow(50, "state_of_charge", "%", -1, 10'000'000),
}};

inline constexpr Schema HOUSE = {.node = "house_1", .cluster = "east", .channels = HOUSE_CHANNELS};

inline constexpr size_t HOUSE_ARENA_BYTES = Recorder::arena_bytes(HOUSE_CHANNELS);
inline constexpr size_t HOUSE_FRAME_BYTES = Recorder::max_frame_bytes(HOUSE_CHANNELS);
inline constexpr size_t HOUSE_RECORDER_BYTES = sizeof(Recorder) + HOUSE_ARENA_BYTES + HOUSE_FRAME_BYTES;
static_assert(HOUSE_RECORDER_BYTES <= 16'000, "recorder and encoder of a house must fit in 16 kB");

}  // namespace esphome::microgrid
