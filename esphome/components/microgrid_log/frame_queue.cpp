// A heap of frames that moves down as the first ones go; it is small, and that is rare.
#include "frame_queue.h"

#include <utility>

namespace esphome::microgrid {

void FrameQueue::drop_first() {
  const size_t size = this->size_at(0);
  std::memmove(this->memory_.data(), this->memory_.data() + size, this->used_ - size);
  this->used_ -= size;
  this->next_ -= this->next_ >= size ? size : this->next_;
}

uint32_t FrameQueue::push(Bytes frame) {
  if (frame.size() + LENGTH_BYTES > this->memory_.size()) return 1;
  uint32_t lost = 0;
  while (this->used_ + LENGTH_BYTES + frame.size() > this->memory_.size()) {
    (this->next_ == 0 ? lost : this->believed_)++;
    this->drop_first();
  }
  store(&this->memory_[this->used_], static_cast<uint32_t>(frame.size()));
  std::memcpy(&this->memory_[this->used_ + LENGTH_BYTES], frame.data(), frame.size());
  this->used_ += LENGTH_BYTES + frame.size();
  return lost;
}

std::span<uint8_t> FrameQueue::next() {
  if (this->next_ == this->used_) return {};
  return this->memory_.subspan(this->next_ + LENGTH_BYTES, this->size_at(this->next_) - LENGTH_BYTES);
}

void FrameQueue::placed() { this->next_ += this->size_at(this->next_); }

void FrameQueue::durable(uint32_t seq) {
  while (this->next_ > 0 && this->seq_at(0) <= seq) this->drop_first();
  this->believed_ = 0;  // older than all that are here
}

uint32_t FrameQueue::unplace(std::optional<uint32_t> durable) {
  size_t offset = 0;
  while (offset < this->next_ && durable && this->seq_at(offset) <= *durable) offset += this->size_at(offset);
  this->next_ = offset;
  return std::exchange(this->believed_, 0);
}

}  // namespace esphome::microgrid
