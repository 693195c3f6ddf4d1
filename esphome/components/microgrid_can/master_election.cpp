// The rules are numbered as in the contract.
#include "master_election.h"

#include <algorithm>

#include "esphome/components/microgrid_core/platform.h"

namespace esphome::microgrid {

namespace {

constexpr uint32_t LONGEST_DELAY_US = 50'000;
constexpr uint64_t CLAIM_STANDS_US = 50'000;
constexpr uint64_t MASTER_EVERY_US = 1'000'000;
constexpr uint64_t BETTER_FOR_US = 10'000'000;
constexpr uint64_t CHALLENGE_US = 1'000'000;  // neither resignation nor refusal: once more
constexpr uint64_t LEAST_PAUSE_US =
    5'000;  // who is provoked over and over does not fill the bus with answers

}  // namespace

void MasterElection::listen(uint64_t now_us) {
  this->resign_ = false;
  this->follow(now_us);
}

void MasterElection::follow(uint64_t now_us) {
  this->state_ = State::FOLLOWING;
  this->master_ = {};
  this->silent_from_us_ = now_us + SYNC_SILENCE_US;
  this->better_since_us_ = 0;
  this->answer_ = false;
}

void MasterElection::wait(uint64_t now_us, uint64_t delay_us) {
  this->state_ = State::WAITING;
  this->deadline_us_ = now_us + delay_us;
}

void MasterElection::begin_office(uint64_t now_us) {
  this->state_ = State::MASTER;
  this->next_master_us_ = now_us;
  this->answer_ = false;
  this->elections_++;
}

bool MasterElection::heard_sync(const Standing &sender, uint64_t now_us) {
  // Rule 6; the better of two masters goes on.
  if (this->is_master() && !sender.better_than(this->own_)) return false;
  const bool known = this->master(now_us) != NO_NODE && !this->is_master();
  if (known && sender.node != this->master_.node && !sender.better_than(this->master_)) return false;
  if (this->state_ != State::FOLLOWING && this->state_ != State::CHALLENGING) this->follow(now_us);
  this->master_ = sender;
  this->silent_from_us_ = now_us + SYNC_SILENCE_US;
  this->watch_rank(now_us);
  return true;
}

/// Rule 5.
void MasterElection::watch_rank(uint64_t now_us) {
  if (this->own_.rank <= this->master_.rank) {
    this->withdraw();
  } else if (this->better_since_us_ == 0) {
    // Nodes that all saw the master's rank fall do not speak at once.
    this->better_since_us_ = now_us + random_u32() % LONGEST_DELAY_US;
  }
}

void MasterElection::withdraw() {
  this->better_since_us_ = 0;
  if (this->state_ == State::CHALLENGING) this->state_ = State::FOLLOWING;
}

void MasterElection::heard_master(const Standing &sender, dbc::MasterRole role, uint64_t now_us) {
  switch (role) {
    case dbc::MasterRole::CLAIM:
      this->heard_claim(sender, now_us);
      break;
    case dbc::MasterRole::MASTER:  // rule 2: who claims gives up
      if (this->state_ == State::CHALLENGING) this->withdraw();
      if (this->state_ == State::WAITING || this->state_ == State::CLAIMING) this->follow(now_us);
      break;
    case dbc::MasterRole::RESIGN:  // rule 5
      if (this->state_ == State::CHALLENGING && sender.node == this->master_.node) this->begin_office(now_us);
      break;
  }
}

/// Rules 2 and 5.
void MasterElection::heard_claim(const Standing &sender, uint64_t now_us) {
  if (this->is_master()) {
    if (sender.rank > this->own_.rank) {
      this->follow(now_us);
      this->resign_ = true;
    } else {
      this->answer_ = true;
    }
  } else if (this->state_ == State::CHALLENGING || !this->silent(now_us)) {
    // There is a Sync, and somebody as good as we are already asks its sender to resign.
    if (sender.rank >= this->own_.rank) this->withdraw();
  } else if (sender.better_than(this->own_)) {
    this->follow(now_us);
  } else if (this->state_ == State::CLAIMING) {
    this->answer_ = true;  // it may not have heard ours
  } else {
    this->wait(now_us, 0);
  }
}

std::optional<dbc::MasterRole> MasterElection::due(uint64_t now_us) {
  if (this->resign_) return dbc::MasterRole::RESIGN;
  if ((this->state_ == State::FOLLOWING || this->state_ == State::CHALLENGING) && this->silent(now_us)) {
    this->wait(now_us, random_u32() % LONGEST_DELAY_US);  // rule 1
  }
  const bool pause_over = now_us >= this->last_sent_us_ + LEAST_PAUSE_US;
  switch (this->state_) {
    case State::FOLLOWING:
      if (this->better_since_us_ == 0 || now_us < this->better_since_us_ + BETTER_FOR_US) return std::nullopt;
      return dbc::MasterRole::CLAIM;
    case State::WAITING:
    case State::CHALLENGING:
      return now_us >= this->deadline_us_ ? std::optional{dbc::MasterRole::CLAIM} : std::nullopt;
    case State::CLAIMING:
      if (now_us < this->deadline_us_)
        return this->answer_ && pause_over ? std::optional{dbc::MasterRole::CLAIM} : std::nullopt;
      this->begin_office(now_us);  // rule 3
      return dbc::MasterRole::MASTER;
    case State::MASTER:
      if (now_us >= this->next_master_us_ || (this->answer_ && pause_over)) return dbc::MasterRole::MASTER;
      return std::nullopt;
  }
  return std::nullopt;
}

void MasterElection::sent(dbc::MasterRole role, uint64_t now_us) {
  this->last_sent_us_ = now_us;
  this->answer_ = false;
  switch (role) {
    case dbc::MasterRole::CLAIM:
      if (this->state_ == State::WAITING) {
        this->state_ = State::CLAIMING;
        this->deadline_us_ = now_us + CLAIM_STANDS_US;
      } else if (this->state_ != State::CLAIMING) {
        this->state_ = State::CHALLENGING;
        this->deadline_us_ = now_us + CHALLENGE_US;
      }
      break;
    case dbc::MasterRole::MASTER:
      this->next_master_us_ = now_us + MASTER_EVERY_US;
      break;
    case dbc::MasterRole::RESIGN:
      this->resign_ = false;
      break;
  }
}

uint64_t MasterElection::next_us() const {
  const uint64_t pause_over_us = this->last_sent_us_ + LEAST_PAUSE_US;
  if (this->resign_) return 0;
  switch (this->state_) {
    case State::FOLLOWING:
      return this->better_since_us_ == 0
                 ? this->silent_from_us_
                 : std::min(this->silent_from_us_, this->better_since_us_ + BETTER_FOR_US);
    case State::CHALLENGING:
      return std::min(this->silent_from_us_, this->deadline_us_);
    case State::WAITING:
      return this->deadline_us_;
    case State::CLAIMING:
      return this->answer_ ? std::min(this->deadline_us_, pause_over_us) : this->deadline_us_;
    case State::MASTER:
      return this->answer_ ? std::min(this->next_master_us_, pause_over_us) : this->next_master_us_;
  }
  return 0;
}

uint8_t MasterElection::master(uint64_t now_us) const {
  if (this->is_master()) return this->own_.node;
  return this->silent(now_us) ? NO_NODE : this->master_.node;
}

}  // namespace esphome::microgrid
