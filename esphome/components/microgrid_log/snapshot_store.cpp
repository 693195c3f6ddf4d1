// Heads are one sector, so that a power cut leaves the old one or the new one.
#include "snapshot_store.h"

#include <algorithm>

#include "esphome/components/microgrid_core/umg1_crc.h"

namespace esphome::microgrid {

namespace {

constexpr std::array<uint8_t, 8> MAGIC = {'U', 'M', 'G', '1', 'S', 'N', 'A', 'P'};
constexpr uint8_t VERSION = 1;
constexpr size_t CRC_OFFSET = SECTOR_BYTES - 4;
constexpr uint8_t FORGOTTEN = 1, RECORDING = 2;
constexpr uint8_t WANTED = 1, COMPLETE = 2;

void write_head(const SnapshotHead &head, BlockRoom to) {
  std::fill(to.begin(), to.end(), uint8_t{0});
  ByteWriter out(to.first(CRC_OFFSET));
  out.bytes(MAGIC);
  out.u8(VERSION);
  out.u32(head.number);
  out.u8(static_cast<uint8_t>((head.forgotten ? FORGOTTEN : 0) | (head.recording ? RECORDING : 0)));
  out.u8(head.node);
  out.u8(head.key.node);
  out.u32(head.key.boot_id);
  out.u32(head.key.number);
  out.text(head.code.view());
  out.u32(head.boot_id);
  out.u64(head.from_us);
  out.u64(head.to_us);
  out.u64(head.trigger_mono_us);
  out.i64(head.trigger_utc_us);
  for (const SnapshotHead::Part &part : head.parts) {
    out.u8(static_cast<uint8_t>((part.wanted ? WANTED : 0) | (part.complete ? COMPLETE : 0)));
    out.u8(static_cast<uint8_t>(part.state));
    out.u32(part.bytes);
    out.u32(part.received);
    out.u32(part.crc);
  }
  store(to.data() + CRC_OFFSET, crc32(to.first(CRC_OFFSET)));
}

std::optional<SnapshotHead> read_head(BlockBytes from) {
  ByteReader in(from.first(CRC_OFFSET));
  const Bytes magic = in.bytes(MAGIC.size());
  if (!std::equal(MAGIC.begin(), MAGIC.end(), magic.begin()) || in.u8() != VERSION ||
      load<uint32_t>(from.data() + CRC_OFFSET) != crc32(from.first(CRC_OFFSET)))
    return std::nullopt;
  SnapshotHead head;
  head.number = in.u32();
  const uint8_t flags = in.u8();
  head.forgotten = (flags & FORGOTTEN) != 0;
  head.recording = (flags & RECORDING) != 0;
  head.node = in.u8();
  head.key.node = in.u8();
  head.key.boot_id = in.u32();
  head.key.number = in.u32();
  head.code.assign(in.text());
  head.boot_id = in.u32();
  head.from_us = in.u64();
  head.to_us = in.u64();
  head.trigger_mono_us = in.u64();
  head.trigger_utc_us = in.i64();
  for (SnapshotHead::Part &part : head.parts) {
    const uint8_t is = in.u8();
    part.wanted = (is & WANTED) != 0;
    part.complete = (is & COMPLETE) != 0;
    part.state = static_cast<StoredState>(in.u8());
    part.bytes = in.u32();
    part.received = in.u32();
    part.crc = in.u32();
  }
  if (!in.ok() || head.number == 0) return std::nullopt;
  return head;
}

}  // namespace

bool SnapshotHead::busy() const {
  return this->number != 0 && !this->forgotten &&
         (this->recording || std::any_of(this->parts.begin(), this->parts.end(),
                                         [](const Part &part) { return part.wanted && !part.complete; }));
}

bool SnapshotStore::load() {
  this->loaded_ = this->in_ram_;
  if (this->loaded_) return true;
  const size_t fitting = this->device_.block_count() / this->blocks_per_slot_;
  this->heads_ = this->heads_.first(std::min(this->heads_.size(), fitting));
  for (size_t i = 0; i < this->heads_.size(); i++) {
    if (!this->device_.read(static_cast<uint32_t>(i) * this->blocks_per_slot_, this->scratch_.take()))
      return false;
    this->heads_[i] = read_head(this->scratch_.bytes()).value_or(SnapshotHead{});
    this->last_number_ = std::max(this->last_number_, this->heads_[i].number);
  }
  this->loaded_ = true;
  return true;
}

SnapshotHead *SnapshotStore::find(uint32_t object, SnapshotPart &part) const {
  if (((object & IN_RAM) != 0) != this->in_ram_) return nullptr;
  part = static_cast<SnapshotPart>(object & 1);
  for (SnapshotHead &head : this->heads()) {
    if (head.number != 0 && head.number == (object & ~IN_RAM) / 2 && !head.forgotten &&
        head.part(part).wanted)
      return &head;
  }
  return nullptr;
}

SnapshotHead *SnapshotStore::find(const EventKey &key, uint8_t node) const {
  for (SnapshotHead &head : this->heads()) {
    if (head.number != 0 && head.key == key && head.node == node && !head.forgotten) return &head;
  }
  return nullptr;
}

SnapshotHead *SnapshotStore::take_slot() {
  SnapshotHead *best = nullptr;
  const auto worth = [](const SnapshotHead &head) {
    return head.number == 0 || head.forgotten ? uint32_t{0} : head.number;
  };
  for (SnapshotHead &head : this->heads()) {
    if (!head.busy() && (best == nullptr || worth(head) < worth(*best))) best = &head;
  }
  if (best == nullptr) {
    // A transfer that somebody gave up must not block the slot for ever: the oldest of them goes.
    for (SnapshotHead &head : this->heads()) {
      if (!head.recording && (best == nullptr || head.number < best->number)) best = &head;
    }
  }
  if (best == nullptr) return nullptr;
  *best = {};
  best->number = ++this->last_number_;
  return best;
}

uint32_t SnapshotStore::capacity(SnapshotPart part) const {
  const uint32_t measured = this->measured_blocks();
  return (part == SnapshotPart::MEASURED ? measured : this->data_blocks() - measured) * BLOCK_BYTES;
}

uint32_t SnapshotStore::first_block(const SnapshotHead &head, SnapshotPart part) const {
  const auto slot = static_cast<uint32_t>(&head - this->heads_.data());
  const uint32_t head_blocks = this->blocks_per_slot_ - this->data_blocks();
  return slot * this->blocks_per_slot_ + head_blocks +
         (part == SnapshotPart::MEASURED ? 0 : this->measured_blocks());
}

bool SnapshotStore::save(const SnapshotHead &head) {
  if (this->in_ram_) return true;
  if (!this->device_.sync()) return false;
  const BlockRoom block = this->scratch_.take();
  write_head(head, block);
  const auto slot = static_cast<uint32_t>(&head - this->heads_.data());
  return this->device_.write(slot * this->blocks_per_slot_, block) && this->device_.sync();
}

bool SnapshotStore::append(SnapshotHead &head, SnapshotPart which, Bytes bytes) {
  SnapshotHead::Part &part = head.part(which);
  if (bytes.size() > this->capacity(which) - part.received) return false;
  uint32_t offset = part.received;
  while (!bytes.empty()) {
    const uint32_t block = this->first_block(head, which) + offset / BLOCK_BYTES;
    const uint32_t inside = offset % BLOCK_BYTES;
    const size_t some = std::min<size_t>(bytes.size(), BLOCK_BYTES - inside);
    const BlockRoom room = this->scratch_.take();
    if (inside != 0 && !this->device_.read(block, room)) return false;
    std::copy_n(bytes.begin(), some, room.begin() + inside);
    std::fill(room.begin() + inside + static_cast<ptrdiff_t>(some), room.end(), uint8_t{0});
    if (!this->device_.write(block, room)) return false;
    bytes = bytes.subspan(some);
    offset += static_cast<uint32_t>(some);
  }
  part.received = offset;
  return true;
}

bool SnapshotStore::read(const SnapshotHead &head, SnapshotPart which, uint32_t offset,
                         std::span<uint8_t> to) {
  while (!to.empty()) {
    const BlockRoom room = this->scratch_.take();
    if (!this->device_.read(this->first_block(head, which) + offset / BLOCK_BYTES, room)) return false;
    const uint32_t inside = offset % BLOCK_BYTES;
    const size_t some = std::min<size_t>(to.size(), BLOCK_BYTES - inside);
    std::copy_n(room.begin() + inside, some, to.begin());
    to = to.subspan(some);
    offset += static_cast<uint32_t>(some);
  }
  return true;
}

std::optional<uint32_t> SnapshotStore::crc_of(const SnapshotHead &head, SnapshotPart which) {
  const uint32_t bytes = head.part(which).received;
  uint32_t crc = 0;
  for (uint32_t offset = 0; offset < bytes; offset += BLOCK_BYTES) {
    const BlockRoom room = this->scratch_.take();
    if (!this->device_.read(this->first_block(head, which) + offset / BLOCK_BYTES, room)) return std::nullopt;
    crc = crc32(room.first(std::min<size_t>(BLOCK_BYTES, bytes - offset)), crc);
  }
  return crc;
}

}  // namespace esphome::microgrid
