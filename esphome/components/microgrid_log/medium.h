// Where the log lies: a memory card, or a folder on a PC. Three files of fixed size, written in place.
#pragma once

#include <array>
#include <string_view>

#include "esphome/components/microgrid_core/platform.h"
#include "esphome/components/microgrid_core/umg1_segment.h"
#include "log_store.h"

namespace esphome::microgrid {

enum class MediumFile : uint8_t { LOG = 0, CAPTURE = 1, SNAPSHOTS = 2 };
constexpr size_t MEDIUM_FILES = 3;
constexpr std::array<std::string_view, MEDIUM_FILES> MEDIUM_FILE_NAMES = {"log.umg", "capture.umg",
                                                                          "snapshots.umg"};
using MediumBlocks = std::array<uint32_t, MEDIUM_FILES>;

/// All calls come from the writer's task.
class Medium {
 public:
  /// Makes it ready: finds or creates the files, each of so many blocks, all of them allocated. May be
  /// repeated.
  virtual CardState mount(const MediumBlocks &blocks) = 0;
  virtual void unmount() = 0;

  virtual bool read(MediumFile file, uint32_t block, BlockRoom to) = 0;
  virtual bool write(MediumFile file, uint32_t block, BlockBytes from) = 0;
  virtual bool sync(MediumFile file) = 0;

  /// What the last failed mount() complained about, for people; empty when nothing.
  virtual std::string_view complaint() const = 0;

 protected:
  ~Medium() = default;
};

/// How long writes took: < 1, 3, 10, 30, 100, 300, 1000 ms, and longer.
struct WriteLatency {
  static constexpr std::array<uint32_t, 7> LIMITS_MS = {1, 3, 10, 30, 100, 300, 1000};
  std::array<uint32_t, 8> counts{};

  void add(uint64_t took_us) {
    size_t i = 0;
    while (i < LIMITS_MS.size() && took_us >= uint64_t{LIMITS_MS[i]} * 1000) i++;
    this->counts[i]++;
  }
};

/// One file of a medium as a log or a store sees it. Fails without touching the medium while that is not
/// mounted.
class MediumDevice final : public BlockDevice {
 public:
  MediumDevice(Medium &medium, MediumFile file, WriteLatency &latency)
      : medium_(medium), file_(file), latency_(latency) {}

  void set_blocks(uint32_t blocks) { this->blocks_ = blocks; }
  void set_mounted(bool mounted) { this->mounted_ = mounted; }

  bool read(uint32_t block, BlockRoom to) override {
    return this->mounted_ && this->medium_.read(this->file_, block, to);
  }
  bool write(uint32_t block, BlockBytes from) override {
    if (!this->mounted_) return false;
    const uint64_t start_us = mono_us();
    const bool written = this->medium_.write(this->file_, block, from);
    this->latency_.add(mono_us() - start_us);
    return written;
  }
  bool sync() override { return this->mounted_ && this->medium_.sync(this->file_); }
  uint32_t block_count() const override { return this->blocks_; }

 protected:
  Medium &medium_;
  MediumFile file_;
  WriteLatency &latency_;
  uint32_t blocks_{0};
  bool mounted_{false};
};

/// Blocks in RAM, for what shall survive a card that is missing.
class RamDevice final : public BlockDevice {
 public:
  explicit RamDevice(std::span<uint8_t> memory) : memory_(memory) {}

  bool read(uint32_t block, BlockRoom to) override {
    if (block >= this->block_count()) return false;
    std::memcpy(to.data(), this->memory_.data() + size_t{block} * BLOCK_BYTES, BLOCK_BYTES);
    return true;
  }
  bool write(uint32_t block, BlockBytes from) override {
    if (block >= this->block_count()) return false;
    std::memcpy(this->memory_.data() + size_t{block} * BLOCK_BYTES, from.data(), BLOCK_BYTES);
    return true;
  }
  bool sync() override { return true; }
  uint32_t block_count() const override { return static_cast<uint32_t>(this->memory_.size() / BLOCK_BYTES); }

 protected:
  std::span<uint8_t> memory_;
};

}  // namespace esphome::microgrid
