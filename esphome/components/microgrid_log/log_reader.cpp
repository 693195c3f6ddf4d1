// Reading that goes on where the last question ended.
#include "log_reader.h"

namespace esphome::microgrid {

namespace {

constexpr int ATTEMPTS = 3;

}  // namespace

ReadReply LogReader::read_after(std::optional<Position> after, std::span<uint8_t> to) {
  if (!this->reader_ || this->at_ != after) {
    this->reader_.emplace(this->log_, this->cache_, this->room_);
    this->held_.reset();
    if (after) this->reader_->seek_after(*after);
    this->at_ = after;
  }
  ReadReply reply{.status = ReadStatus::NOTHING};
  int unreadable = 0;
  while (true) {
    if (!this->held_) {
      Frame frame{};
      const RingReader::Step step = this->reader_->next(frame);
      if (step == RingReader::Step::END) break;
      if (step == RingReader::Step::UNREADABLE) {
        if (reply.count > 0) break;
        if (++unreadable % ATTEMPTS == 0) this->reader_->skip();
        continue;
      }
      this->held_ = frame;
    }
    const Frame &frame = *this->held_;
    if (frame.bytes.size() > to.size() - reply.bytes) {
      if (reply.count == 0) reply.status = ReadStatus::FAILED;  // no room for a single frame
      break;
    }
    std::memcpy(to.data() + reply.bytes, frame.bytes.data(), frame.bytes.size());
    reply.last = {frame.header.boot_id, frame.header.seq};
    if (reply.count++ == 0) reply.first = reply.last;
    reply.bytes += frame.bytes.size();
    reply.status = ReadStatus::OK;
    this->at_ = reply.last;
    this->held_.reset();
  }
  return reply;
}

}  // namespace esphome::microgrid
