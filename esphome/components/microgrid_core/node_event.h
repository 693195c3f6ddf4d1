// Something that happened at a node, on its way to the log, to the bus and to the broker: a value that fits
// into a ring.
#pragma once

#include <array>
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>

#include "umg1_event.h"

namespace esphome::microgrid {

/// A short text by value.
template <size_t CAPACITY>
class ShortText final {
 public:
  ShortText() = default;
  /// What is too long is cut.
  explicit ShortText(std::string_view text) { this->assign(text); }
  void assign(std::string_view text) {
    this->size_ = static_cast<uint8_t>(text.size() < CAPACITY ? text.size() : CAPACITY);
    if (this->size_ != 0) std::memcpy(this->characters_.data(), text.data(), this->size_);
  }
  std::string_view view() const { return {this->characters_.data(), this->size_}; }
  bool empty() const { return this->size_ == 0; }
  bool operator==(const ShortText &other) const { return this->view() == other.view(); }

 protected:
  static_assert(CAPACITY < 256);
  std::array<char, CAPACITY> characters_{};
  uint8_t size_{0};
};

using EventId = ShortText<52>;  // see contract/can.md
using EventCode = ShortText<16>;

/// Who raised an event, as the bus names it: the event id is made of it.
struct EventKey {
  uint8_t node{0};  // number on the bus
  uint32_t boot_id{0};
  uint32_t number{0};
  bool operator==(const EventKey &) const = default;
};

/// `<cluster>.<node>:<boot id>:<number>`, see contract/can.md.
inline EventId make_event_id(std::string_view cluster, const EventKey &key) {
  std::array<char, 64> text{};
  const int size =
      std::snprintf(text.data(), text.size(), "%.*s.%u:%08lx:%lu", static_cast<int>(cluster.size()),
                    cluster.data(), static_cast<unsigned>(key.node), static_cast<unsigned long>(key.boot_id),
                    static_cast<unsigned long>(key.number));
  return EventId{{text.data(), static_cast<size_t>(size)}};
}

struct NodeEvent {
  static constexpr size_t MAX_VALUES = 6;

  EventType type{EventType::FAULT};
  EventState state{EventState::MOMENT};
  Severity severity{Severity::INFO};
  EventKey key{};
  EventCode code{};
  uint64_t mono_us{0};
  int64_t utc_us{0};                            // 0: not known
  std::array<EventValue, MAX_VALUES> values{};  // by channel id of the log
  uint8_t value_count{0};
  LostRange lost{};  // only of an overflow

  void add(uint8_t channel, int32_t integer) {
    if (this->value_count < MAX_VALUES) this->values[this->value_count++] = {channel, integer};
  }
  std::span<const EventValue> used_values() const { return {this->values.data(), this->value_count}; }
};

}  // namespace esphome::microgrid
