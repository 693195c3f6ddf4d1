// Finished snapshots and those being received, in slots of the medium: a block that says what it is, then the
// frames.
#pragma once

#include "esphome/components/microgrid_core/umg1_segment.h"
#include "log_store.h"

namespace esphome::microgrid {

/// What the first block of a slot says.
struct SnapshotHead {
  struct Part {
    bool wanted{false};  // somebody began it
    bool complete{false};
    StoredState state{StoredState::COMPLETE};
    uint32_t bytes{0};     // all of it
    uint32_t received{0};  // so much is there
    uint32_t crc{0};
  };
  uint32_t number{0};  // rises with every snapshot of the medium; 0: the slot is free
  bool forgotten{false};
  bool recording{false};  // by this node; `boot_id` and the window say what is to be copied
  uint8_t node{0};
  EventKey key{};
  EventCode code{};
  uint32_t boot_id{0};
  uint64_t from_us{0};
  uint64_t to_us{0};
  uint64_t trigger_mono_us{0};
  int64_t trigger_utc_us{0};
  std::array<Part, 2> parts{};

  Part &part(SnapshotPart which) { return this->parts[static_cast<size_t>(which)]; }
  const Part &part(SnapshotPart which) const { return this->parts[static_cast<size_t>(which)]; }
  bool busy() const;
};

class SnapshotStore final {
 public:
  /// `heads`: one for each slot. `scratch` is used during calls only. Objects of a store in RAM are told
  /// apart by their numbers' highest bit.
  SnapshotStore(BlockDevice &device, uint32_t blocks_per_slot, std::span<SnapshotHead> heads,
                SharedBlock &scratch, bool in_ram = false)
      : device_(device),
        blocks_per_slot_(blocks_per_slot),
        heads_(heads),
        scratch_(scratch),
        in_ram_(in_ram) {}

  /// Reads what is there. False when the medium failed.
  bool load();
  bool loaded() const { return this->loaded_; }
  void forget_medium() { this->loaded_ = false; }

  std::span<SnapshotHead> heads() const { return this->loaded_ ? this->heads_ : std::span<SnapshotHead>{}; }
  uint32_t object_of(const SnapshotHead &head, SnapshotPart part) const {
    return head.number * 2 + static_cast<uint32_t>(part) + (this->in_ram_ ? IN_RAM : 0);
  }
  /// nullptr when there is no such object.
  SnapshotHead *find(uint32_t object, SnapshotPart &part) const;
  SnapshotHead *find(const EventKey &key, uint8_t node) const;

  /// A slot for a new snapshot, its head empty but for the number: a free one, one that was forgotten, or the
  /// oldest. nullptr when all are being recorded or received.
  SnapshotHead *take_slot();
  uint32_t capacity(SnapshotPart part) const;

  // False when the medium failed.

  /// Everything written so far, and the head, survive a power cut.
  bool save(const SnapshotHead &head);
  /// Behind what is there.
  bool append(SnapshotHead &head, SnapshotPart part, Bytes bytes);
  bool read(const SnapshotHead &head, SnapshotPart part, uint32_t offset, std::span<uint8_t> to);
  /// CRC-32 of what is there.
  std::optional<uint32_t> crc_of(const SnapshotHead &head, SnapshotPart part);

 protected:
  static constexpr uint32_t IN_RAM = 1U << 31;
  uint32_t first_block(const SnapshotHead &head, SnapshotPart part) const;
  /// Without the head, which in RAM nobody reads again.
  uint32_t data_blocks() const { return this->blocks_per_slot_ - (this->in_ram_ ? 0 : 1); }
  /// MEASURED takes a quarter of a slot: it is far smaller. In RAM there is no traffic.
  uint32_t measured_blocks() const {
    const uint32_t blocks = this->data_blocks();
    return this->in_ram_ ? blocks : std::max<uint32_t>(1, blocks / 4);
  }

  BlockDevice &device_;
  uint32_t blocks_per_slot_;
  std::span<SnapshotHead> heads_;
  SharedBlock &scratch_;
  bool in_ram_;
  bool loaded_{false};
  uint32_t last_number_{0};
};

}  // namespace esphome::microgrid
