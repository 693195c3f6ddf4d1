// The one place where an asker and the writer meet.
#include "log_store.h"

namespace esphome::microgrid {

bool ReadPort::ask(const ReadRequest &request) {
  if (this->state_.load(std::memory_order_acquire) != IDLE) return false;
  this->request_ = request;
  this->state_.store(ASKED, std::memory_order_release);
  return true;
}

std::optional<ReadReply> ReadPort::reply() {
  if (this->state_.load(std::memory_order_acquire) != ANSWERED) return std::nullopt;
  const ReadReply reply = this->reply_;
  this->state_.store(IDLE, std::memory_order_release);
  return reply;
}

const ReadRequest *ReadPort::asked() const {
  return this->state_.load(std::memory_order_acquire) == ASKED ? &this->request_ : nullptr;
}

void ReadPort::answer(const ReadReply &reply) {
  this->reply_ = reply;
  this->state_.store(ANSWERED, std::memory_order_release);
}

}  // namespace esphome::microgrid
