// The log of the houses on its way from the bus to the broker: one batch at a time in a fixed buffer that the
// bus task fills and the main loop publishes. A batch keeps its place until whoever stores the log has
// acknowledged it; while the broker is away that is all the gateway holds, and the rest waits on the cards of
// the houses.
#pragma once

#include <array>
#include <atomic>
#include <optional>

#include "esphome/components/microgrid_core/clock_timeline.h"
#include "esphome/components/microgrid_core/node_event.h"
#include "esphome/components/microgrid_core/umg1_frame.h"

namespace esphome::microgrid {

/// The houses that a gateway has memory for are those with the numbers 1 to this.
#ifdef MICROGRID_MAX_HOUSES
constexpr uint8_t MAX_HOUSES = MICROGRID_MAX_HOUSES;
#else
constexpr uint8_t MAX_HOUSES = 15;
#endif
static_assert(MAX_HOUSES >= 1 && MAX_HOUSES <= 15, "numbers on the bus");

/// Who a house is, by its own answer on the bus.
struct HouseIdentity {
  uint32_t boot_id{0};  // 0: not known yet
  ShortText<32> node{};
  ShortText<32> cluster{};
  ShortText<64> firmware{};
  ShortText<64> name{};  // for people; empty: it has none
};

/// The houses of the bus by number. The bus task writes; any task reads. A house that fell silent keeps its
/// identity.
class HouseDirectory final {
 public:
  static constexpr uint8_t NUMBERS = MAX_HOUSES + 1;

  HouseIdentity house(uint8_t number) const {
    return number < NUMBERS ? this->houses_[number].load() : HouseIdentity{};
  }
  void set(uint8_t number, const HouseIdentity &identity) {
    if (number < NUMBERS) this->houses_[number].store(identity);
  }

 protected:
  std::array<Published<HouseIdentity>, NUMBERS> houses_{};
};

/// Whole frames of the log of one house, in the order of its log, without a gap but for what was lost at the
/// house.
struct LogBatch {
  uint8_t house{0};  // number on the bus; who that is says the HouseDirectory
  Position first{};  // of the first frame
  Position last{};   // of the last one: to be acknowledged when all of it is stored
  Bytes frames{};    // stays where it is until acknowledge()
};

/// FREE → (bus task fills) → READY → (main loop publishes, waits for `log/ack`) → ACKNOWLEDGED → (bus task) →
/// FREE.
class LogRelay final {
 public:
  /// `room` outlives this; 6 kB are 40 s of one house.
  explicit LogRelay(std::span<uint8_t> room) : room_(room) {}

  // Main loop.

  /// The batch to publish, the same again and again until it is acknowledged: also after the connection
  /// broke.
  std::optional<LogBatch> ready() const {
    if (this->state_.load(std::memory_order_acquire) != State::READY) return std::nullopt;
    return this->batch_;
  }
  /// Everything of this house's log up to `position` is stored, usually ready()->last. What of the batch lies
  /// behind it is pulled from the house again. False when no batch is ready.
  bool acknowledge(Position position) { return this->release(position); }
  /// Nobody wants this batch now: it is pulled from the house again after a minute, those of other houses
  /// first.
  bool put_back() { return this->release(std::nullopt); }

  // Bus task.

  /// The buffer, to be filled; empty while a batch is under way.
  std::span<uint8_t> room() const {
    return this->state_.load(std::memory_order_acquire) == State::FREE ? this->room_ : std::span<uint8_t>{};
  }
  /// Hands over what was written to the beginning of room(). Nothing happens while a batch is under way.
  void offer(uint8_t house, Position first, Position last, size_t bytes) {
    if (this->state_.load(std::memory_order_acquire) != State::FREE || bytes > this->room_.size()) return;
    this->batch_ = {.house = house, .first = first, .last = last, .frames = this->room_.first(bytes)};
    this->state_.store(State::READY, std::memory_order_release);
  }
  /// What was acknowledged, once; the relay is free again.
  struct Acknowledged {
    uint8_t house;
    std::optional<Position> position;  // nullopt: put back
  };
  std::optional<Acknowledged> take_acknowledged() {
    if (this->state_.load(std::memory_order_acquire) != State::ACKNOWLEDGED) return std::nullopt;
    const Acknowledged taken{.house = this->batch_.house, .position = this->acknowledged_};
    this->state_.store(State::FREE, std::memory_order_release);
    return taken;
  }

 protected:
  enum class State : uint8_t { FREE, READY, ACKNOWLEDGED };

  bool release(std::optional<Position> position) {
    if (this->state_.load(std::memory_order_acquire) != State::READY) return false;
    this->acknowledged_ = position;
    this->state_.store(State::ACKNOWLEDGED, std::memory_order_release);
    return true;
  }

  std::span<uint8_t> room_;
  LogBatch batch_{};
  std::optional<Position> acknowledged_{};
  std::atomic<State> state_{State::FREE};
};

}  // namespace esphome::microgrid
