// POSIX files, allocated before they are used: a disk that runs full later does not harm the log.
#include "file_device.h"

#ifndef USE_ESP32

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace esphome::microgrid {

namespace {

off_t offset_of(uint32_t block) { return static_cast<off_t>(block) * BLOCK_BYTES; }

}  // namespace

CardState FolderMedium::mount(const MediumBlocks &blocks) {
  this->unmount();
  this->complaint_.clear();
  if (::mkdir(this->folder_.c_str(), 0755) != 0 && errno != EEXIST)
    return this->complain(CardState::MISSING, this->folder_ + " cannot be created", errno);
  for (size_t i = 0; i < MEDIUM_FILES; i++) {
    const std::string path = this->folder_ + "/" + std::string(MEDIUM_FILE_NAMES[i]);
    this->files_[i] = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (this->files_[i] < 0) return this->complain(CardState::FAILING, path + " cannot be opened", errno);
    struct stat status{};
    if (::fstat(this->files_[i], &status) != 0)
      return this->complain(CardState::FAILING, path + " cannot be asked for its size", errno);
    if (status.st_size >= offset_of(blocks[i])) continue;
    if (const int error = ::posix_fallocate(this->files_[i], 0, offset_of(blocks[i])); error != 0)
      return this->complain(
          CardState::FAILING,
          path + " needs " + std::to_string(offset_of(blocks[i]) / 1'000'000) + " MB: make room or keep less",
          error);
  }
  return CardState::OK;
}

CardState FolderMedium::complain(CardState state, const std::string &about, int error) {
  this->complaint_ = about + " (" + std::strerror(error) + ")";
  this->unmount();
  return state;
}

void FolderMedium::unmount() {
  for (int &file : this->files_) {
    if (file >= 0) ::close(file);
    file = -1;
  }
}

bool FolderMedium::read(MediumFile file, uint32_t block, BlockRoom to) {
  return ::pread(this->files_[static_cast<size_t>(file)], to.data(), to.size(), offset_of(block)) ==
         static_cast<ssize_t>(to.size());
}

bool FolderMedium::write(MediumFile file, uint32_t block, BlockBytes from) {
  return ::pwrite(this->files_[static_cast<size_t>(file)], from.data(), from.size(), offset_of(block)) ==
         static_cast<ssize_t>(from.size());
}

bool FolderMedium::sync(MediumFile file) { return ::fdatasync(this->files_[static_cast<size_t>(file)]) == 0; }

}  // namespace esphome::microgrid

#endif  // USE_ESP32
