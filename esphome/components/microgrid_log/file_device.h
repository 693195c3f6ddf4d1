// A medium on a PC: a folder with the three files.
#pragma once

#ifndef USE_ESP32

#include <string>

#include "medium.h"

namespace esphome::microgrid {

class FolderMedium final : public Medium {
 public:
  /// The folder is created by mount(); the one around it must exist, as the mount point of a card does.
  explicit FolderMedium(std::string folder) : folder_(std::move(folder)) {}
  FolderMedium(const FolderMedium &) = delete;
  FolderMedium &operator=(const FolderMedium &) = delete;
  ~FolderMedium() { this->unmount(); }

  CardState mount(const MediumBlocks &blocks) override;
  void unmount() override;
  bool read(MediumFile file, uint32_t block, BlockRoom to) override;
  bool write(MediumFile file, uint32_t block, BlockBytes from) override;
  bool sync(MediumFile file) override;
  std::string_view complaint() const override { return this->complaint_; }

 protected:
  CardState complain(CardState state, const std::string &about, int error);

  std::string folder_;
  std::string complaint_;
  std::array<int, MEDIUM_FILES> files_{-1, -1, -1};
};

}  // namespace esphome::microgrid

#endif  // USE_ESP32
