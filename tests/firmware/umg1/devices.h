// Block devices of a host: a file; a card in memory that loses power, has bad blocks or fails.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "esphome/components/microgrid_core/umg1_segment.h"

namespace esphome::microgrid {

/// A preallocated file; synchronised by fdatasync.
class FileDevice final : public BlockDevice {
 public:
  FileDevice(const std::string &path, uint32_t blocks)
      : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    const off_t wanted = static_cast<off_t>(blocks) * BLOCK_BYTES;
    struct stat status{};
    this->ok_ = this->file_ >= 0 && ::fstat(this->file_, &status) == 0 &&
                (status.st_size >= wanted || ::posix_fallocate(this->file_, 0, wanted) == 0);
    this->blocks_ = blocks;
  }
  ~FileDevice() {
    if (this->file_ >= 0) ::close(this->file_);
  }
  FileDevice(const FileDevice &) = delete;
  FileDevice &operator=(const FileDevice &) = delete;

  bool ok() const { return this->ok_; }
  bool read(uint32_t block, BlockRoom to) override {
    return ::pread(this->file_, to.data(), to.size(), static_cast<off_t>(block) * BLOCK_BYTES) == BLOCK_BYTES;
  }
  bool write(uint32_t block, BlockBytes from) override {
    return ::pwrite(this->file_, from.data(), from.size(), static_cast<off_t>(block) * BLOCK_BYTES) ==
           BLOCK_BYTES;
  }
  bool sync() override { return ::fdatasync(this->file_) == 0; }
  uint32_t block_count() const override { return this->blocks_; }

 protected:
  int file_;
  bool ok_{false};
  uint32_t blocks_{0};
};

/// A card whose writes are certain only after sync(): a power cut keeps any of the later ones, sector by
/// sector.
class CardDevice final : public BlockDevice {
 public:
  using Content = std::vector<uint8_t>;

  explicit CardDevice(uint32_t blocks, uint8_t filled_with = 0)
      : certain_(static_cast<size_t>(blocks) * BLOCK_BYTES, filled_with), now_(certain_) {}

  bool read(uint32_t block, BlockRoom to) override {
    if (this->dead || this->unreadable.contains(block)) return false;
    std::copy_n(this->now_.begin() + static_cast<ptrdiff_t>(block) * BLOCK_BYTES, BLOCK_BYTES, to.begin());
    return true;
  }
  bool write(uint32_t block, BlockBytes from) override {
    writes++;
    if (this->dead || this->bad.contains(block) || this->failing_writes > 0) {
      this->failing_writes -= this->failing_writes > 0 ? 1 : 0;
      return false;
    }
    std::copy(from.begin(), from.end(), this->now_.begin() + static_cast<ptrdiff_t>(block) * BLOCK_BYTES);
    this->uncertain_.insert(block);
    return true;
  }
  bool sync() override {
    if (this->dead) return false;
    for (const uint32_t block : this->uncertain_) {
      const auto at = static_cast<ptrdiff_t>(block) * BLOCK_BYTES;
      std::copy_n(this->now_.begin() + at, BLOCK_BYTES, this->certain_.begin() + at);
    }
    this->uncertain_.clear();
    return true;
  }
  uint32_t block_count() const override { return static_cast<uint32_t>(this->now_.size() / BLOCK_BYTES); }

  /// Of every sector written since the last sync, either the old or the new content survives.
  void cut_power(std::mt19937 &random) {
    for (const uint32_t block : this->uncertain_) {
      for (size_t sector = 0; sector < BLOCK_BYTES / SECTOR_BYTES; sector++) {
        const auto at = static_cast<ptrdiff_t>(size_t{block} * BLOCK_BYTES + sector * SECTOR_BYTES);
        if (random() % 2 == 0)
          std::copy_n(this->now_.begin() + at, SECTOR_BYTES, this->certain_.begin() + at);
      }
    }
    this->uncertain_.clear();
    this->now_ = this->certain_;
  }
  Content &content() { return this->now_; }

  bool dead{false};
  int failing_writes{0};
  std::set<uint32_t> bad;
  std::set<uint32_t> unreadable;
  uint32_t writes{0};

 protected:
  Content certain_;
  Content now_;
  std::set<uint32_t> uncertain_;
};

}  // namespace esphome::microgrid
