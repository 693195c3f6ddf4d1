// Energy from power, and charge from current, in whole numbers: nothing is lost however long they are added
// up.
#pragma once

#include <cstdint>
#include <optional>

namespace esphome::microgrid {

/// Both directions of one power. Between two readings it is taken as a straight line; where one of them is
/// not known, or more than MAX_GAP_US apart, nothing is counted.
class EnergyIntegral final {
 public:
  static constexpr uint64_t MAX_GAP_US = 2'000'000;
  static constexpr int64_t UNITS_PER_W = 10'000;             // centivolts × centiamperes
  static constexpr int64_t MOST = 10'000'000 * UNITS_PER_W;  // a reading beyond is none

  void restore(uint32_t positive_wh, uint32_t negative_wh) {
    this->positive_.wh = positive_wh;
    this->negative_.wh = negative_wh;
  }
  /// Power in 1/UNITS_PER_W of a watt.
  void add(std::optional<int64_t> power, uint64_t mono_us);
  uint32_t positive_wh() const { return this->positive_.wh; }
  uint32_t negative_wh() const { return this->negative_.wh; }

 protected:
  struct Counter {
    uint32_t wh{0};
    int64_t rest{0};  // less than 1 Wh
    void add(int64_t amount);
  };
  Counter positive_;
  Counter negative_;
  std::optional<int64_t> last_;
  uint64_t last_us_{0};
};

/// Charge in a battery by counting its current, for batteries whose management does not tell. It is not known
/// until the battery was full or empty once; a charge restored from before a restart is known.
class ChargeCounter final {
 public:
  struct Settings {
    int32_t capacity_mah{0};  // 0: not known, nothing is counted
    int32_t full_mv{55'200};  // 16 × 3.45 V at which, with hardly any current, it is full
    int32_t full_ma{14'000};  // C/20 of 280 Ah
    int32_t empty_mv{44'800};
  };
  static constexpr uint64_t CONFIRMED_AFTER_US = 60'000'000;

  void setup(const Settings &settings) { this->settings_ = settings; }
  void restore(int32_t charge_mah);
  /// Current in mA, positive while discharging.
  void add(std::optional<int32_t> current_ma, std::optional<int32_t> voltage_mv, uint64_t mono_us);
  std::optional<int32_t> charge_mah() const;
  /// Tenths of a percent.
  std::optional<int32_t> permille() const;

 protected:
  /// True when the condition has held for CONFIRMED_AFTER_US.
  static bool confirmed(bool condition, uint64_t &since_us, uint64_t mono_us);

  Settings settings_{};
  bool known_{false};
  int64_t charge_{0};  // mA · µs
  std::optional<int32_t> last_ma_;
  uint64_t last_us_{0};
  uint64_t full_since_us_{0};  // 0: not
  uint64_t empty_since_us_{0};
};

}  // namespace esphome::microgrid
