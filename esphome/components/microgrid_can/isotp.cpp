// The two state machines of ISO-TP. The names of timeouts and frames are those of the standard.
#include "isotp.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

// The upper half of the first byte.
constexpr uint8_t SINGLE_FRAME = 0x0;
constexpr uint8_t FIRST_FRAME = 0x1;
constexpr uint8_t CONSECUTIVE_FRAME = 0x2;
constexpr uint8_t FLOW_CONTROL = 0x3;

constexpr uint8_t CONTINUE_TO_SEND = 0;
constexpr uint8_t WAIT = 1;
constexpr uint8_t OVERFLOWED = 2;

constexpr size_t SINGLE_FRAME_BYTES = 7;
constexpr size_t CONSECUTIVE_FRAME_BYTES = 7;
constexpr size_t SHORT_LENGTH_LIMIT = 4095;  // beyond it a first frame has a length of 32 bits
constexpr uint8_t PADDING = 0xCC;            // changes level often: no stuff bits

constexpr uint8_t type_of(Bytes frame) { return frame.empty() ? 0xFF : frame[0] >> 4; }

void pad(IsoTpFrame &frame, bool wanted) {
  if (!wanted) return;
  std::fill(frame.data.begin() + frame.size, frame.data.end(), PADDING);
  frame.size = static_cast<uint8_t>(frame.data.size());
}

}  // namespace

// ------------------------------------------------------------------------------------------------------------
// sender

bool IsoTpSender::start(Bytes message, uint64_t now_us) {
  if (this->state_ == IsoTpState::BUSY) return false;
  if (message.empty() || message.size() > std::numeric_limits<uint32_t>::max()) {
    this->fail(IsoTpError::TOO_LONG);
    return false;
  }
  this->message_ = message;
  this->at_ = 0;
  this->sequence_ = 0;
  this->waits_ = 0;
  this->step_ = message.size() <= SINGLE_FRAME_BYTES ? Step::SINGLE : Step::FIRST;
  this->state_ = IsoTpState::BUSY;
  this->error_ = IsoTpError::NONE;
  this->since_us_ = now_us;
  this->prepare();
  return true;
}

void IsoTpSender::prepare() {
  const size_t size = this->message_.size();
  auto &data = this->frame_.data;
  size_t header = 1;
  if (this->step_ == Step::SINGLE) {
    data[0] = static_cast<uint8_t>(SINGLE_FRAME << 4 | size);
  } else if (this->step_ == Step::CONSECUTIVE) {
    data[0] = static_cast<uint8_t>(CONSECUTIVE_FRAME << 4 | this->sequence_);
  } else if (size <= SHORT_LENGTH_LIMIT) {
    data[0] = static_cast<uint8_t>(FIRST_FRAME << 4 | size >> 8);
    data[1] = static_cast<uint8_t>(size);
    header = 2;
  } else {
    data[0] = FIRST_FRAME << 4;
    data[1] = 0;
    for (size_t i = 0; i < 4; i++) data[2 + i] = static_cast<uint8_t>(size >> (24 - 8 * i));
    header = 6;
  }
  const size_t count = std::min(size - this->at_, data.size() - header);
  std::memcpy(data.data() + header, this->message_.data() + this->at_, count);
  this->in_frame_ = static_cast<uint8_t>(count);
  this->frame_.size = static_cast<uint8_t>(header + count);
  pad(this->frame_, this->settings_.pad);
}

const IsoTpFrame *IsoTpSender::due(uint64_t now_us) {
  if (this->state_ != IsoTpState::BUSY || now_us < this->since_us_) return nullptr;
  const uint64_t waited_us = now_us - this->since_us_;
  if (this->step_ == Step::AWAIT_FLOW_CONTROL) {
    if (waited_us > this->settings_.flow_control_timeout_us) this->fail(IsoTpError::FLOW_CONTROL_TIMEOUT);
    return nullptr;
  }
  if (waited_us > this->settings_.send_timeout_us) {
    this->fail(IsoTpError::SEND_TIMEOUT);
    return nullptr;
  }
  return &this->frame_;
}

void IsoTpSender::sent(uint64_t now_us) {
  if (this->state_ != IsoTpState::BUSY || this->step_ == Step::AWAIT_FLOW_CONTROL) return;
  this->at_ += this->in_frame_;
  if (this->at_ == this->message_.size()) {
    this->state_ = IsoTpState::DONE;
    return;
  }
  this->sequence_ = (this->sequence_ + 1) & 0xF;
  const bool block_ends = this->step_ == Step::FIRST || (this->blocks_ && --this->block_left_ == 0);
  this->step_ = block_ends ? Step::AWAIT_FLOW_CONTROL : Step::CONSECUTIVE;
  this->since_us_ = now_us + (block_ends ? 0 : this->separation_us_);
  if (!block_ends) this->prepare();
}

void IsoTpSender::receive(Bytes frame, uint64_t now_us) {
  if (type_of(frame) != FLOW_CONTROL || frame.size() < 3) return;
  // One that nobody waits for says nothing (ISO 15765-2, 9.8.3).
  if (this->state_ != IsoTpState::BUSY || this->step_ != Step::AWAIT_FLOW_CONTROL) return;
  switch (frame[0] & 0xF) {
    case CONTINUE_TO_SEND:
      this->waits_ = 0;
      this->block_left_ = frame[1];
      this->blocks_ = frame[1] != 0;
      this->separation_us_ = iso_tp_separation_us(frame[2]);
      this->step_ = Step::CONSECUTIVE;
      this->since_us_ = now_us;
      this->prepare();
      break;
    case WAIT:
      if (this->waits_ >= this->settings_.max_waits) {
        this->fail(IsoTpError::TOO_MANY_WAITS);
      } else {
        this->waits_++;
        this->since_us_ = now_us;
      }
      break;
    case OVERFLOWED:
      this->fail(IsoTpError::RECEIVER_OVERFLOW);
      break;
    default:
      this->fail(IsoTpError::INVALID_FLOW_STATUS);
  }
}

void IsoTpSender::abort() {
  if (this->state_ == IsoTpState::BUSY) this->fail(IsoTpError::ABORTED);
}

void IsoTpSender::fail(IsoTpError error) {
  this->state_ = IsoTpState::FAILED;
  this->error_ = error;
}

// ----------------------------------------------------------------------------------------------------------
// receiver

void IsoTpReceiver::receive(Bytes frame, uint64_t now_us) {
  if (frame.size() > IsoTpFrame{}.data.size()) return;
  this->due(now_us);  // what comes too late meets a receiver that has given up
  switch (type_of(frame)) {
    case SINGLE_FRAME:
      this->receive_single(frame);
      break;
    case FIRST_FRAME:
      this->receive_first(frame, now_us);
      break;
    case CONSECUTIVE_FRAME:
      this->receive_consecutive(frame, now_us);
      break;
    default:  // flow controls are for the sender of the other direction
      break;
  }
}

void IsoTpReceiver::receive_single(Bytes frame) {
  const size_t size = frame[0] & 0xF;
  if (size == 0 || size > SINGLE_FRAME_BYTES || frame.size() < 1 + size) return;
  if (this->state_ == IsoTpState::BUSY) this->fail(IsoTpError::INTERRUPTED);
  this->flow_control_due_ = false;
  this->refuse_block_ = false;
  if (size > this->room_.size()) {
    this->fail(IsoTpError::TOO_LONG);
    return;
  }
  std::memcpy(this->room_.data(), frame.data() + 1, size);
  this->size_ = this->at_ = size;
  this->complete();
}

void IsoTpReceiver::receive_first(Bytes frame, uint64_t now_us) {
  if (frame.size() < IsoTpFrame{}.data.size()) return;
  size_t header = 2;
  size_t size = static_cast<size_t>(frame[0] & 0xF) << 8 | frame[1];
  if (size == 0) {
    for (size_t i = 2; i < 6; i++) size = size << 8 | frame[i];
    header = 6;
    if (size <= SHORT_LENGTH_LIMIT) return;
  } else if (size <= SINGLE_FRAME_BYTES) {
    return;
  }
  if (this->state_ == IsoTpState::BUSY) this->fail(IsoTpError::INTERRUPTED);
  this->refuse_block_ = false;
  if (size > this->room_.size()) {
    this->fail(IsoTpError::TOO_LONG);
    this->ask(OVERFLOWED, now_us);
    return;
  }
  const size_t count = frame.size() - header;
  std::memcpy(this->room_.data(), frame.data() + header, count);
  this->size_ = size;
  this->at_ = count;
  this->sequence_ = 1;
  this->state_ = IsoTpState::BUSY;
  this->error_ = IsoTpError::NONE;
  this->ask(CONTINUE_TO_SEND, now_us);
}

void IsoTpReceiver::receive_consecutive(Bytes frame, uint64_t now_us) {
  if (this->refuse_block_) {
    this->since_us_ = now_us;
    if (--this->block_left_ == 0) {
      this->refuse_block_ = false;
      this->ask(OVERFLOWED, now_us);
    }
    return;
  }
  if (this->state_ != IsoTpState::BUSY) return;
  const size_t count = std::min(this->size_ - this->at_, CONSECUTIVE_FRAME_BYTES);
  // Before the flow control is out nothing may come: it is a leftover of another message.
  if ((frame[0] & 0xF) != this->sequence_ || frame.size() < 1 + count || this->flow_control_due_) {
    this->flow_control_due_ = false;
    this->fail(IsoTpError::WRONG_SEQUENCE);
    return;
  }
  std::memcpy(this->room_.data() + this->at_, frame.data() + 1, count);
  this->at_ += count;
  this->sequence_ = (this->sequence_ + 1) & 0xF;
  this->since_us_ = now_us;
  if (this->at_ == this->size_) {
    this->complete();
  } else if (this->settings_.block_size != 0 && --this->block_left_ == 0) {
    this->ask(CONTINUE_TO_SEND, now_us);
  }
}

const IsoTpFrame *IsoTpReceiver::due(uint64_t now_us) {
  const uint64_t waited_us = now_us > this->since_us_ ? now_us - this->since_us_ : 0;
  if (this->flow_control_due_) {
    if (waited_us <= this->settings_.send_timeout_us) return &this->flow_control_;
    this->flow_control_due_ = false;
    if (this->state_ == IsoTpState::BUSY) this->fail(IsoTpError::SEND_TIMEOUT);
  } else if (this->state_ == IsoTpState::BUSY && waited_us > this->settings_.frame_timeout_us) {
    this->fail(IsoTpError::FRAME_TIMEOUT);
  } else if (this->refuse_block_ && waited_us > this->settings_.frame_timeout_us) {
    this->refuse_block_ = false;
  }
  return nullptr;
}

void IsoTpReceiver::sent(uint64_t now_us) {
  this->flow_control_due_ = false;
  this->since_us_ = now_us;
}

void IsoTpReceiver::abort() {
  if (this->state_ != IsoTpState::BUSY) return;
  this->fail(IsoTpError::ABORTED);
  if (this->flow_control_due_) {
    this->flow_control_.data[0] = FLOW_CONTROL << 4 | OVERFLOWED;
  } else {
    this->refuse_block_ = this->settings_.block_size != 0;
  }
}

void IsoTpReceiver::ask(uint8_t flow_status, uint64_t now_us) {
  this->flow_control_.data = {static_cast<uint8_t>(FLOW_CONTROL << 4 | flow_status),
                              this->settings_.block_size, this->settings_.st_min};
  this->flow_control_.size = 3;
  pad(this->flow_control_, this->settings_.pad);
  this->block_left_ = this->settings_.block_size;
  this->flow_control_due_ = true;
  this->since_us_ = now_us;
}

void IsoTpReceiver::complete() {
  this->state_ = IsoTpState::DONE;
  this->error_ = IsoTpError::NONE;
  this->completed_++;
}

void IsoTpReceiver::fail(IsoTpError error) {
  this->state_ = IsoTpState::FAILED;
  this->error_ = error;
  this->failed_++;
}

Bytes IsoTpReceiver::message() const {
  return this->state_ == IsoTpState::DONE ? Bytes(this->room_.first(this->size_)) : Bytes{};
}

}  // namespace esphome::microgrid
