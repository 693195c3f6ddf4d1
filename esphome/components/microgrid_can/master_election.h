// Who beats time on the bus; see "Master" in contract/can.md, whose six rules this is.
// Knows neither bus nor clock: it is told what was heard, and says what is to be sent.
#pragma once

#include <optional>

#include "microgrid_dbc.h"

namespace esphome::microgrid {

constexpr uint8_t NO_NODE = 0xFF;
constexpr uint64_t SYNC_SILENCE_US = 100'000;  // without a Sync for so long there is no master

/// What decides between two nodes.
struct Standing {
  dbc::Rank rank{dbc::Rank::UNSYNCHRONISED};
  uint8_t node{NO_NODE};

  bool better_than(const Standing &other) const {
    return this->rank != other.rank ? this->rank > other.rank : this->node > other.node;
  }
};

class MasterElection final {
 public:
  explicit MasterElection(uint8_t node) { this->own_.node = node; }

  /// The node has started, came back or left bus-off: it listens before it claims anything.
  void listen(uint64_t now_us);
  void set_rank(dbc::Rank rank) { this->own_.rank = rank; }

  /// True when it is the Sync of the master that this node follows.
  bool heard_sync(const Standing &sender, uint64_t now_us);
  void heard_master(const Standing &sender, dbc::MasterRole role, uint64_t now_us);

  /// What is to be sent now; asked again until sent() is called.
  std::optional<dbc::MasterRole> due(uint64_t now_us);
  void sent(dbc::MasterRole role, uint64_t now_us);
  /// When due() has something to do next, if nothing is heard.
  uint64_t next_us() const;

  bool is_master() const { return this->state_ == State::MASTER; }
  /// No Sync came for 100 ms.
  bool silent(uint64_t now_us) const { return now_us >= this->silent_from_us_; }
  /// NO_NODE when no Sync comes.
  uint8_t master(uint64_t now_us) const;
  /// What its last Sync says of it.
  dbc::Rank master_rank() const { return this->master_.rank; }
  uint32_t elections() const { return this->elections_; }

 protected:
  enum class State : uint8_t {
    FOLLOWING,    // or listening for a Sync
    WAITING,      // silence: about to claim
    CLAIMING,     // the claim must stand
    CHALLENGING,  // a claim against a master of lower rank waits for its resignation
    MASTER,
  };

  void follow(uint64_t now_us);
  void withdraw();
  void wait(uint64_t now_us, uint64_t delay_us);
  void begin_office(uint64_t now_us);
  void heard_claim(const Standing &sender, uint64_t now_us);
  void watch_rank(uint64_t now_us);

  Standing own_;
  Standing master_;
  State state_{State::FOLLOWING};
  uint64_t silent_from_us_{SYNC_SILENCE_US};
  uint64_t deadline_us_{0};      // of WAITING, CLAIMING and CHALLENGING
  uint64_t better_since_us_{0};  // 0: our rank is not above the master's
  uint64_t next_master_us_{0};   // when the master tells again that it is
  uint64_t last_sent_us_{0};
  bool answer_{false};  // a claim is to be answered
  bool resign_{false};
  uint32_t elections_{0};
};

}  // namespace esphome::microgrid
