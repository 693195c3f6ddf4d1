// Events between the moment they happened and the moment they are safe: they must neither be lost nor told
// before they are in the log.
#pragma once

#include <optional>

#include "esphome/components/microgrid_core/node_event.h"
#include "esphome/components/microgrid_core/umg1_frame.h"

namespace esphome::microgrid {

class EventShelf final {
 public:
  static constexpr size_t CAPACITY = 24;
  static constexpr size_t FRAME_BYTES = FRAME_HEADER_BYTES + 256;

  struct Item {
    NodeEvent event;
    uint64_t since_us;
    uint32_t seq;
    bool placed;
    bool told;
  };

  /// False when an older event had to go for it that is not durable.
  bool add(const NodeEvent &event, uint64_t now_us);
  /// The oldest without a place in the log; nullptr when there is none.
  Item *next();
  /// The oldest that is durable up to `seq`, or has waited since before `since_us`, and was not told of;
  /// nullptr when there is none.
  Item *to_tell(std::optional<uint32_t> durable_seq, uint64_t since_us);
  /// Forgets what is durable and was told of.
  void durable(uint32_t seq);
  /// The medium was changed: places behind `durable` (nullopt: all) are void.
  void unplace(std::optional<uint32_t> durable);
  size_t size() const { return this->count_; }

  /// The frame of an event, not sealed.
  static std::span<uint8_t> make_frame(const NodeEvent &event, std::string_view cluster, uint32_t schema_hash,
                                       std::span<uint8_t> room);

 protected:
  void drop_first();
  std::array<Item, CAPACITY> items_{};
  size_t count_{0};
  std::optional<uint32_t> durable_{};
};

}  // namespace esphome::microgrid
