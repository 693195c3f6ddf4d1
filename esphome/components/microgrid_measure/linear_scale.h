// What a count of an ADC stands for.
#pragma once

namespace esphome::microgrid {

/// value = count × per_count + offset
struct LinearScale {
  float per_count{0};
  float offset{0};
};

}  // namespace esphome::microgrid
