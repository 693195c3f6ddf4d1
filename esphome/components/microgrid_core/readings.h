// What a node measures, as of now: one integer per metric in the step of its row, which is that of log and
// CAN. Each metric has one writer; anybody reads. A value that is not known is nullopt, never 0.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

namespace esphome::microgrid {

enum class ValueKind : uint8_t { NUMBER, FLAG, COUNTER };

/// A row of the metric tables of core/model, as far as firmware needs it; see metric_tables.h.
struct MetricRow {
  std::string_view key;
  std::string_view unit;
  ValueKind kind;
  int8_t exponent;         // value = integer × 10^exponent
  uint8_t channel;         // id in the log, 0: not logged
  uint8_t width;           // bytes in the log
  int32_t offset;          // of the log: value = (integer of the log + offset) × 10^exponent
  uint32_t log_period_us;  // 0: not logged
};

constexpr double step_of(const MetricRow &row) {
  double step = 1;
  for (int i = row.exponent; i < 0; i++) step /= 10;
  for (int i = row.exponent; i > 0; i--) step *= 10;
  return step;
}

/// As the log has it; what a recorder refuses it counts, so what no 32 bits hold stays far away.
constexpr int32_t log_integer(int32_t integer, int32_t offset) {
  constexpr int64_t MOST = std::numeric_limits<int32_t>::max();
  return static_cast<int32_t>(std::clamp(int64_t{integer} - offset, -MOST, MOST));
}

class Readings final {
 public:
  static constexpr int32_t UNKNOWN = std::numeric_limits<int32_t>::min();
  using Cell = std::atomic<int32_t>;

  /// `cells` has as many as `rows`; both outlive this.
  Readings(std::span<const MetricRow> rows, std::span<Cell> cells) : rows_(rows), cells_(cells) {
    this->clear();
  }

  std::span<const MetricRow> rows() const { return this->rows_; }
  size_t size() const { return this->rows_.size(); }

  void set(size_t metric, int32_t integer) { this->cells_[metric].store(integer, std::memory_order_relaxed); }
  void forget(size_t metric) { this->set(metric, UNKNOWN); }
  void clear() {
    for (Cell &cell : this->cells_) cell.store(UNKNOWN, std::memory_order_relaxed);
  }
  /// In the row's unit; what is no number or beyond 32 bits is not known.
  void set_value(size_t metric, double value) {
    const double integer = std::round(value / step_of(this->rows_[metric]));
    const bool fits = std::abs(integer) < 2147483647.0;  // false for NaN
    this->set(metric, fits ? static_cast<int32_t>(integer) : UNKNOWN);
  }

  std::optional<int32_t> get(size_t metric) const {
    const int32_t integer = this->cells_[metric].load(std::memory_order_relaxed);
    return integer == UNKNOWN ? std::nullopt : std::optional{integer};
  }
  /// In the row's unit; NaN when not known.
  double value(size_t metric) const {
    const auto integer = this->get(metric);
    return integer ? *integer * step_of(this->rows_[metric]) : std::numeric_limits<double>::quiet_NaN();
  }

 protected:
  std::span<const MetricRow> rows_;
  std::span<Cell> cells_;
};

}  // namespace esphome::microgrid
