// Small state machines: nothing waits, every answer has its timeout, and a wrong acknowledgement moves
// nothing.
#include "log_forwarder.h"

namespace esphome::microgrid {

namespace {

constexpr uint64_t SECOND_US = 1'000'000;
constexpr uint64_t RETAINED_WAIT_US = 2 * SECOND_US;  // retained messages follow the subscription at once
constexpr uint64_t POLL_US = SECOND_US;               // for new frames
constexpr uint64_t FAILURE_PAUSE_US = 5 * SECOND_US;
constexpr uint64_t ACK_TIMEOUT_US = 60 * SECOND_US;
constexpr uint64_t RECONNECTED_TIMEOUT_US = 10 * SECOND_US;
// A broker that restarted forgets who listened; Home Assistant may come back to it later than we do.
constexpr uint64_t LISTENERS_RETURN_US = 60 * SECOND_US;
// Whoever stores frame by frame acknowledges in several steps, which come close together.
constexpr uint64_t PART_WAIT_US = 5 * SECOND_US;
constexpr uint8_t MAX_REPEATS = 3;

}  // namespace

AckReach reach_of(Position ack, Position first, Position last) {
  if (ack.boot_id == last.boot_id) {
    if (ack.seq == last.seq) return AckReach::ALL;
    if (ack.seq > last.seq) return AckReach::FOREIGN;
    return first.boot_id == last.boot_id && ack.seq < first.seq ? AckReach::BEFORE : AckReach::PART;
  }
  if (ack.boot_id != first.boot_id) return AckReach::FOREIGN;
  return ack.seq >= first.seq ? AckReach::PART : AckReach::BEFORE;
}

// ---- what waits
// --------------------------------------------------------------------------------------------

void Pending::start(Position from, Position to) {
  const uint64_t connected_us = this->connected_us_;
  *this = Pending{from, to};
  this->connected_us_ = connected_us;
}

void Pending::sent(uint64_t now_us) {
  this->sent_us_ = now_us == 0 ? 1 : now_us;
  const bool lately = now_us < this->connected_us_ + LISTENERS_RETURN_US;
  this->deadline_us_ = now_us + (lately ? RECONNECTED_TIMEOUT_US : ACK_TIMEOUT_US);
}

void Pending::connected(uint64_t now_us) {
  this->connected_us_ = now_us;
  this->deadline_us_ = now_us + RECONNECTED_TIMEOUT_US;
}

bool Pending::take(Position ack, ForwarderCounters &counters) {
  // What was not sent yet cannot have arrived.
  switch (this->is_sent() ? reach_of(ack, this->first, this->last) : AckReach::FOREIGN) {
    case AckReach::ALL:
      counters.acknowledged++;
      return true;
    case AckReach::PART:
      if (!this->has_part || reach_of(ack, this->part, this->last) == AckReach::PART) this->part = ack;
      this->has_part = true;
      return false;
    case AckReach::BEFORE:
      return false;
    case AckReach::FOREIGN:
      counters.acks_ignored++;
      return false;
  }
  return false;
}

Pending::Verdict Pending::look(uint64_t now_us) {
  if (!this->is_sent()) return Verdict::WAIT;
  if (this->has_part && now_us >= this->sent_us_ + PART_WAIT_US) return Verdict::PART;
  if (now_us < this->deadline_us_) return Verdict::WAIT;
  this->repeats++;
  this->sent_us_ = 0;
  return Verdict::REPEAT;
}

// ---- the own log
// -------------------------------------------------------------------------------------------

void OwnLog::connected(uint64_t now_us) { this->pending_.connected(now_us); }

void OwnLog::subscribed(uint64_t now_us) {
  if (this->state_ != State::WAITING) return;
  this->awaits_retained_ = true;
  this->next_us_ = now_us + RETAINED_WAIT_US;
}

bool OwnLog::ask(Question question, const ReadRequest &request) {
  if (!this->store_.loop_port().ask(request)) return false;  // the snapshots have a question there
  this->store_.wake().give();
  this->asked_ = question;
  return true;
}

void OwnLog::loop(uint64_t now_us, ForwarderCounters &counters) {
  if (this->asked_ != Question::NONE) {
    if (const auto reply = this->store_.loop_port().reply()) this->answered(*reply, now_us, counters);
    return;
  }
  ReadRequest request{};
  switch (this->state_) {
    case State::WAITING:
      if (this->awaits_retained_ && now_us >= this->next_us_) this->state_ = State::IDLE;
      return;
    case State::CHECKING: {
      // The frame itself must be there, or be overwritten with later ones of its boot left: then it once was.
      Position before = this->candidate_;
      if (before.seq != 0) before.seq--;
      request = {.what = ReadRequest::What::LOG_AFTER, .position = before, .room = this->room_};
      this->ask(Question::CHECK, request);
      return;
    }
    case State::IDLE:
      if (now_us < this->next_us_) return;
      if (this->owes_ack_) {
        request = {.what = ReadRequest::What::ACKNOWLEDGE, .position = this->cursor_};
        this->ask(Question::ACKNOWLEDGE, request);
        return;
      }
      request.what = this->has_cursor_ ? ReadRequest::What::LOG_AFTER : ReadRequest::What::LOG_FROM_START;
      request.position = this->cursor_;
      request.room = this->room_;
      if (this->ask(Question::LOG, request)) this->state_ = State::ASKING;
      return;
    case State::SENT:
      switch (this->pending_.look(now_us)) {
        case Pending::Verdict::WAIT:
          return;
        case Pending::Verdict::PART:
          return this->advance(this->pending_.part, now_us);
        case Pending::Verdict::REPEAT:
          counters.repeated++;
          this->state_ = State::IDLE;  // read again: the room was free for others meanwhile
          this->next_us_ = now_us;
          return;
      }
      return;
    case State::ASKING:
    case State::HELD:
      return;
  }
}

void OwnLog::answered(const ReadReply &reply, uint64_t now_us, ForwarderCounters &counters) {
  const Question question = this->asked_;
  this->asked_ = Question::NONE;
  switch (question) {
    case Question::CHECK:
      return this->checked(reply, counters);
    case Question::LOG:
      return this->read(reply, now_us);
    case Question::ACKNOWLEDGE:
      this->owes_ack_ = reply.status == ReadStatus::FAILED;
      if (this->owes_ack_) this->next_us_ = now_us + FAILURE_PAUSE_US;
      return;
    case Question::NONE:
      return;
  }
}

void OwnLog::checked(const ReadReply &reply, ForwarderCounters &counters) {
  this->state_ = State::IDLE;
  this->next_us_ = 0;
  const bool found = reply.status == ReadStatus::OK && reply.first.boot_id == this->candidate_.boot_id &&
                     (reply.first.seq >= this->candidate_.seq || this->candidate_.seq == 0);
  // The first frame of a boot is not "after" any: it is enough that the store knows the boot.
  const bool first = this->candidate_.seq == 0 && reply.status == ReadStatus::NOTHING;
  if (!found && !first) {
    counters.acks_ignored++;
    return;
  }
  this->cursor_ = this->candidate_;
  this->has_cursor_ = this->owes_ack_ = true;
}

void OwnLog::read(const ReadReply &reply, uint64_t now_us) {
  switch (reply.status) {
    case ReadStatus::OK:
      this->frames_ = this->room_.first(reply.bytes);
      this->pending_.start(reply.first, reply.last);
      this->state_ = State::HELD;
      return;
    case ReadStatus::UNKNOWN:
      this->has_cursor_ = false;  // another card: from where the store thinks best
      [[fallthrough]];
    case ReadStatus::NOTHING:
      this->state_ = State::IDLE;
      this->next_us_ = now_us + POLL_US;
      return;
    case ReadStatus::FAILED:
      this->state_ = State::IDLE;
      this->next_us_ = now_us + FAILURE_PAUSE_US;
      return;
  }
}

void OwnLog::published(uint64_t now_us, ForwarderCounters &counters) {
  this->pending_.sent(now_us);
  this->frames_ = {};
  this->state_ = State::SENT;
  counters.batches++;
}

void OwnLog::advance(Position to, uint64_t now_us) {
  this->cursor_ = to;
  this->has_cursor_ = this->owes_ack_ = true;
  this->state_ = State::IDLE;
  this->next_us_ = now_us;
}

void OwnLog::acknowledge(Position ack, uint64_t now_us, ForwarderCounters &counters) {
  if (this->state_ == State::WAITING) {
    this->candidate_ = ack;
    this->state_ = State::CHECKING;
    return;
  }
  if (this->state_ == State::SENT) {
    if (this->pending_.take(ack, counters)) this->advance(this->pending_.last, now_us);
    return;
  }
  // Nothing is on its way: it can only say again what was said.
  if (!this->has_cursor_ || ack.boot_id != this->cursor_.boot_id || ack.seq > this->cursor_.seq)
    counters.acks_ignored++;
}

// ---- the houses' logs
// --------------------------------------------------------------------------------------

void HouseLogs::loop(uint64_t now_us, ForwarderCounters &counters) {
  if (this->relay_ == nullptr) return;
  const auto ready = this->relay_->ready();
  if (!ready) {
    this->current_ = false;
    return;
  }
  if (!this->current_) {
    this->batch_ = *ready;
    this->pending_.start(ready->first, ready->last);
    this->scanned = 0;
    this->scanned_all_ = false;
    this->current_ = true;
  }
  switch (this->pending_.look(now_us)) {
    case Pending::Verdict::WAIT:
      return;
    case Pending::Verdict::PART:
      return this->release(this->pending_.part);
    case Pending::Verdict::REPEAT:
      counters.repeated++;
      if (this->pending_.repeats <= MAX_REPEATS) return;
      // Home Assistant does not want this house now.
      counters.given_up++;
      this->relay_->put_back();
      this->current_ = false;
      return;
  }
}

void HouseLogs::published(uint64_t now_us, ForwarderCounters &counters) {
  this->pending_.sent(now_us);
  counters.batches++;
}

void HouseLogs::acknowledge(uint8_t house, Position ack, ForwarderCounters &counters) {
  if (!this->current_ || this->batch_.house != house) return;  // the retained one of another day
  if (this->pending_.take(ack, counters)) this->release(this->batch_.last);
}

void HouseLogs::release(Position position) {
  this->relay_->acknowledge(position);
  this->current_ = false;
}

}  // namespace esphome::microgrid
