// A segment as a file on a host: what the ring would write, without the ring.
#pragma once

#include <string>
#include <vector>

#include "esphome/components/microgrid_core/umg1_segment.h"

namespace esphome::microgrid {

class SegmentFile {
 public:
  explicit SegmentFile(const SegmentHeader &header) : header_(header), bytes_(SEGMENT_HEADER_BYTES) {}

  /// Seals a finished frame and places it so that no sector holds parts of more than two frames.
  void add(std::span<uint8_t> frame, Position position) {
    seal(frame, position);
    if (this->sector_frames_ >= 2)
      this->bytes_.resize((this->bytes_.size() + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES);
    const size_t start = this->bytes_.size();
    this->bytes_.insert(this->bytes_.end(), frame.begin(), frame.end());
    const bool in_one_sector = start / SECTOR_BYTES == (this->bytes_.size() - 1) / SECTOR_BYTES;
    this->sector_frames_ = in_one_sector && start % SECTOR_BYTES != 0 ? this->sector_frames_ + 1 : 1;
  }

  /// The file, its capacity being its size.
  const std::vector<uint8_t> &finish() {
    this->header_.capacity_bytes = static_cast<uint32_t>(this->bytes_.size());
    write_segment_header(this->header_, std::span(this->bytes_).first<SEGMENT_HEADER_BYTES>());
    return this->bytes_;
  }

 protected:
  SegmentHeader header_;
  std::vector<uint8_t> bytes_;
  int sector_frames_{0};
};

inline std::vector<uint8_t> read_file(std::FILE *file) {
  std::vector<uint8_t> bytes;
  std::array<uint8_t, 65536> some{};
  for (size_t count = 0; (count = std::fread(some.data(), 1, some.size(), file)) > 0;)
    bytes.insert(bytes.end(), some.begin(), some.begin() + static_cast<ptrdiff_t>(count));
  return bytes;
}

inline bool write_file(const std::string &path, const std::vector<uint8_t> &bytes) {
  std::FILE *file = path == "-" ? stdout : std::fopen(path.c_str(), "wb");
  return file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size() &&
         std::fflush(file) == 0 && (file == stdout || std::fclose(file) == 0);
}

}  // namespace esphome::microgrid
