// One step after the other: what came, what is due. Each part knows its own rules; here they meet.
#include "bus_node.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

constexpr uint64_t LONGEST_WAIT_US = 2'000;
constexpr uint64_t RETRY_US = 1'000;    // after the controller took no more
constexpr size_t FRAMES_PER_STEP = 32;  // then the beat comes first, however full the bus is
constexpr uint64_t OPEN_EVERY_US = 1'000'000;
constexpr uint64_t STATUS_EVERY_US = 10'000;
constexpr uint64_t PUBLISH_EVERY_US = 100'000;
constexpr uint64_t FREQUENCY_STEP_US = 500;  // per node after the Sync
constexpr uint32_t BULK_PERCENT = 30;
constexpr uint64_t BULK_POLL_US = 500;
constexpr uint64_t BULK_GOES_ON_US = 200'000;
constexpr uint8_t PROTOCOL = 1;
constexpr uint16_t ERROR_UNKNOWN = 65535;
constexpr uint32_t ERROR_STEP_US = 10;

static_assert(static_cast<int>(dbc::ClockState::HOLDOVER) == static_cast<int>(ClockState::HOLDOVER));
static_assert(static_cast<int>(dbc::ClockSource::GNSS) == static_cast<int>(ClockSource::GNSS));
static_assert(static_cast<int>(dbc::EventState::CLEARED) == static_cast<int>(EventState::CLEARED));
static_assert(static_cast<int>(dbc::Severity::CRITICAL) == static_cast<int>(Severity::CRITICAL));

/// Least length of the message of an identifier; nullopt when it is none of ours.
std::optional<uint8_t> length_of(uint32_t identifier) {
  std::optional<uint8_t> length;
  dbc::with_message(identifier, [&](const auto &message) { length = message.MESSAGE.length; });
  return length;
}

template <typename M>
M unpacked(const CanFrame &frame) {
  M message;
  message.unpack(dbc::load(frame.data.data(), frame.length));
  return message;
}

CanFrame packed(const dbc::Message &message, uint8_t node, uint64_t word) {
  CanFrame frame{
      .identifier = dbc::identifier(message, node), .mono_us = 0, .length = message.length, .data = {}};
  dbc::store(word, frame.data.data(), frame.length);
  return frame;
}

}  // namespace

BusNode::BusNode(const Identity &identity, DisciplinedClock &clock, EventDesk &desk,
                 const BusSettings &settings)
    : identity_(identity),
      clock_(clock),
      desk_(desk),
      settings_(settings),
      election_(identity.number),
      cycles_(identity.role, identity.number),
      watch_(settings.watch),
      load_(settings.bit_rate),
      bulk_share_(settings.bit_rate, BULK_PERCENT) {
  this->master_errors_.fill(ERROR_UNKNOWN);
  this->published_.store(this->statistics_);
  desk.add(*this);
}

void BusNode::run() {
  const uint64_t now_us = mono_us();
  if (this->next_us_ > now_us)
    this->wake_.wait(static_cast<uint32_t>(std::min(this->next_us_ - now_us, LONGEST_WAIT_US)));
  this->step(mono_us());
}

void BusNode::step(uint64_t now_us) {
  this->now_us_ = now_us;
  this->refused_ = false;
  this->more_ = false;
  while (const auto observation = this->network_.pop()) this->observe(*observation);
  while (const auto observation = this->rtc_.pop()) this->observe(*observation);
  this->timeline_ = this->clock_.timeline();
  this->desk_.run();
  this->watch_controller();
  this->receive();
  this->elect();
  this->beat();
  this->follow_up();
  this->begin_capture();
  this->tell_faults();
  this->tell_frequency();
  this->tell_cycles();
  this->tell_bulk();
  this->watch_peers();
  this->watch_errors();
  this->publish();
  this->next_us_ = this->plan();
}

uint64_t BusNode::plan() const {
  if (this->more_) return this->now_us_;
  const uint64_t beat_us = this->beat_.next_us();
  if (!this->talks()) return std::min(beat_us, this->now_us_ + LONGEST_WAIT_US);
  if (this->refused_) return std::min(beat_us, this->now_us_ + RETRY_US);
  const bool bulk = this->now_us_ < this->bulk_until_us_;
  return std::min({beat_us, this->election_.next_us(), this->outbox_.next_us(), this->frequency_us_,
                   this->now_us_ + this->cycles_.wait_us(clock_us(this->timeline_, this->now_us_)),
                   this->now_us_ + (bulk ? BULK_POLL_US : LONGEST_WAIT_US)});
}

// --- The controller ---

void BusNode::watch_controller() {
  if (this->bus_ == nullptr) return;
  if (!this->open_) {
    if (this->now_us_ < this->next_open_us_) return;
    this->next_open_us_ = this->now_us_ + OPEN_EVERY_US;
    this->open_ = this->bus_->open(this->settings_.bit_rate, this->wake_);
    if (!this->open_) return;
    this->next_status_us_ = 0;
  }
  if (this->now_us_ >= this->next_status_us_) {
    this->next_status_us_ = this->now_us_ + STATUS_EVERY_US;
    this->statistics_.controller = this->bus_->status();
    this->watch_.take(this->statistics_.controller, this->now_us_);
    if (this->watch_.recover_now(this->now_us_)) this->bus_->recover();
    if (this->statistics_.controller.state == ControllerState::STOPPED) this->open_ = false;
  }
  const bool may_send = this->watch_.online() && !this->conflict_.exists(this->now_us_);
  // Who comes back listens first, and who leaves is master no longer.
  if (may_send != this->may_send_) this->election_.listen(this->now_us_);
  this->may_send_ = may_send;
}

bool BusNode::send(const CanFrame &frame, bool stamp) {
  if (!this->talks()) return false;
  CanFrame stamped = frame;
  stamped.mono_us = this->now_us_;
  if (!this->bus_->send(stamped, stamp)) {
    this->refused_ = true;
    this->statistics_.send_failures++;
    return false;
  }
  this->statistics_.frames_sent++;
  this->load_.add(stamped, this->now_us_);
  for (size_t i = 0; i < this->listener_count_; i++) this->listeners_[i]->frame(stamped);
  return true;
}

template <typename M>
bool BusNode::send_message(const M &message, bool stamp) {
  return this->send(packed(M::MESSAGE, this->identity_.number, message.pack()), stamp);
}

void BusNode::receive() {
  if (!this->open_) return;
  for (size_t i = 0; i < FRAMES_PER_STEP; i++) {
    const std::optional<CanFrame> frame = this->bus_->receive();
    if (!frame) return;
    // It may have come after the step began.
    this->now_us_ = std::max(this->now_us_, frame->mono_us);
    this->take(*frame);
  }
  this->more_ = true;
}

void BusNode::take(const CanFrame &frame) {
  this->statistics_.frames_received++;
  this->load_.add(frame, this->now_us_);
  for (size_t i = 0; i < this->listener_count_; i++) this->listeners_[i]->frame(frame);

  const bool standard = (frame.identifier & ~(dbc::MESSAGE_MASK | dbc::NODE_MASK)) == 0;
  const auto length = standard ? length_of(frame.identifier) : std::nullopt;
  bool makes_sense = length && frame.length >= *length && frame.length <= 8;
  if (makes_sense) {
    const uint8_t node = dbc::node_of(frame.identifier);
    switch (frame.identifier & dbc::MESSAGE_MASK) {
      case dbc::Sync::MESSAGE.identifier:
        makes_sense = this->take_sync(node, unpacked<dbc::Sync>(frame), frame.mono_us);
        break;
      case dbc::FollowUp::MESSAGE.identifier:
        this->take_follow_up(node, unpacked<dbc::FollowUp>(frame));
        break;
      case dbc::Fault::MESSAGE.identifier:
        this->take_fault(node, unpacked<dbc::Fault>(frame), frame.mono_us);
        break;
      case dbc::Master::MESSAGE.identifier:
        makes_sense = this->take_master(node, unpacked<dbc::Master>(frame));
        break;
      case dbc::Heartbeat::MESSAGE.identifier:
        makes_sense = this->take_heartbeat(node, unpacked<dbc::Heartbeat>(frame));
        break;
      default:
        break;
    }
  }
  if (!makes_sense) this->statistics_.foreign_frames++;
}

// --- Time ---

void BusNode::observe(const Observation &observation) {
  const Verdict verdict = this->clock_.take(observation, std::max(this->now_us_, observation.mono_us));
  this->timeline_ = this->clock_.timeline();
  if (verdict == Verdict::TAKEN && observation.source == ClockSource::CAN)
    this->reference_rank_ = this->election_.master_rank();
}

dbc::ClockState BusNode::clock_state() const {
  if (!this->timeline_.known) return dbc::ClockState::UNSYNCHRONISED;
  const ClockState state = this->timeline_.state(this->now_us_);
  return state == ClockState::SYNCHRONISED ? dbc::ClockState::SYNCHRONISED : dbc::ClockState::HOLDOVER;
}

dbc::Rank BusNode::rank() const {
  const Timeline &timeline = this->timeline_;
  if (!timeline.known) return dbc::Rank::UNSYNCHRONISED;
  const ClockState state = timeline.state(this->now_us_);
  auto rank = dbc::Rank::HOLDOVER;
  if (state == ClockState::UNSYNCHRONISED || timeline.source == ClockSource::RTC) {
    rank = dbc::Rank::RTC;
  } else if (timeline.source == ClockSource::CAN) {
    // Who learned the time of a battery-backed clock knows no more than that.
    rank = std::min(dbc::Rank::HOLDOVER, this->reference_rank_);
  } else if (state == ClockState::SYNCHRONISED) {
    rank = timeline.source == ClockSource::GNSS ? dbc::Rank::GNSS : dbc::Rank::NETWORK;
  }
  return std::min(rank, static_cast<dbc::Rank>(this->settings_.rank_limit));
}

uint16_t BusNode::clock_error() const {
  // As long as a single answer of a server is all there is, others must not take our time for valid either.
  if (!this->timeline_.confirmed) return ERROR_UNKNOWN;
  const uint32_t error_us = this->timeline_.error_us(this->now_us_);
  if (error_us == CLOCK_ERROR_UNKNOWN) return ERROR_UNKNOWN;
  return static_cast<uint16_t>(
      std::min<uint32_t>((error_us + ERROR_STEP_US - 1) / ERROR_STEP_US, ERROR_UNKNOWN - 1));
}

bool BusNode::take_sync(uint8_t node, const dbc::Sync &sync, uint64_t received_us) {
  if (node == this->identity_.number || sync.rank > dbc::Rank::GNSS ||
      sync.clock_state > dbc::ClockState::HOLDOVER)
    return false;
  if (!this->election_.heard_sync({.rank = sync.rank, .node = node}, this->now_us_)) return true;
  this->two_step_.sync(node, static_cast<uint8_t>(sync.sequence & 0xFF), received_us);
  // One that waited while this task was held up tells the time, but its beat is gone: sampling now would be
  // wrong.
  if (this->now_us_ - received_us >= BEAT_US) return true;
  if (const auto tick = this->beat_.heard(node, sync.sequence, received_us)) this->ticked(*tick);
  return true;
}

void BusNode::take_follow_up(uint8_t node, const dbc::FollowUp &follow_up) {
  if (follow_up.utc == 0 || this->election_.is_master() || node != this->election_.master(this->now_us_))
    return;
  const auto observation =
      this->two_step_.follow_up(node, follow_up.sequence, static_cast<int64_t>(follow_up.utc),
                                this->master_errors_[node] * ERROR_STEP_US, this->now_us_);
  if (observation) this->observe(*observation);
}

bool BusNode::take_master(uint8_t node, const dbc::Master &master) {
  if (node == this->identity_.number || master.rank > dbc::Rank::GNSS ||
      master.master_role > dbc::MasterRole::RESIGN)
    return false;
  this->master_errors_[node] = master.clock_error;
  this->election_.heard_master({.rank = master.rank, .node = node}, master.master_role, this->now_us_);
  return true;
}

void BusNode::elect() {
  if (!this->talks()) return;
  this->election_.set_rank(this->rank());
  const auto role = this->election_.due(this->now_us_);
  if (!role) return;
  const dbc::Master message{.master_role = *role,
                            .clock_state = this->clock_state(),
                            .rank = this->rank(),
                            .clock_source = static_cast<dbc::ClockSource>(this->timeline_.source),
                            .clock_error = this->clock_error()};
  if (this->send_message(message)) this->election_.sent(*role, this->now_us_);
}

void BusNode::beat() {
  const bool is_master = this->election_.is_master();
  const bool own = is_master || this->election_.silent(this->now_us_);
  const auto tick = this->beat_.due(this->now_us_, this->timeline_, own);
  if (!tick) return;
  if (is_master) {
    const dbc::Sync sync{
        .sequence = tick->sequence, .rank = this->rank(), .clock_state = this->clock_state()};
    const bool stamp = this->follow_up_.wants(this->timeline_, tick->mono_us);
    while (stamp && this->bus_->sent_us()) {  // those of before came too late
    }
    if (this->send_message(sync, stamp) && stamp) this->follow_up_.sync_sent(tick->sequence, this->now_us_);
  }
  this->ticked(*tick);
}

void BusNode::ticked(const Tick &tick) {
  if (this->identity_.role == Role::HOUSE)
    this->frequency_us_ = tick.mono_us + this->identity_.number * FREQUENCY_STEP_US;
  const auto sequence = static_cast<uint8_t>(tick.sequence & 0xFF);
  for (size_t i = 0; i < this->listener_count_; i++) this->listeners_[i]->tick(tick.mono_us, sequence);
}

void BusNode::follow_up() {
  if (!this->follow_up_.waiting()) return;
  if (const auto done_us = this->bus_->sent_us()) this->follow_up_.stamped(*done_us);
  const auto message = this->follow_up_.due(this->now_us_, this->timeline_);
  if (!message) return;
  // Who is master no longer keeps its time to itself.
  if (!this->election_.is_master() || this->send_message(*message)) this->follow_up_.sent();
}

// --- Cyclic messages ---

dbc::Heartbeat BusNode::heartbeat() const {
  auto bus_state = dbc::BusState::ACTIVE;
  if (this->statistics_.controller.state == ControllerState::PASSIVE) {
    bus_state = dbc::BusState::PASSIVE;
  } else if (this->watch_.recovered_lately(this->now_us_)) {
    bus_state = dbc::BusState::RECOVERED;
  }
  return {.boot_id = this->identity_.boot_id,
          .protocol = PROTOCOL,
          .node_kind = this->identity_.role == Role::GATEWAY ? dbc::NodeKind::GATEWAY : dbc::NodeKind::HOUSE,
          .clock_state = this->clock_state(),
          .clock_error = this->clock_error(),
          .card_state = this->card_state_.load(std::memory_order_relaxed),
          .bus_state = bus_state};
}

std::optional<uint64_t> BusNode::cyclic_content(size_t index) {
  const uint16_t type = this->cycles_.message(index).identifier;
  if (type == dbc::Heartbeat::MESSAGE.identifier) return this->heartbeat().pack();
  if (this->source_ == nullptr) return std::nullopt;
  return this->source_->content(type, this->cycles_.group(index));
}

void BusNode::tell_cycles() {
  const int64_t clock = clock_us(this->timeline_, this->now_us_);
  for (size_t i = 0; i < this->cycles_.size(); i++) {
    if (!this->cycles_.due(i, clock)) continue;
    const auto content = this->talks() ? this->cyclic_content(i) : std::nullopt;
    if (!content || this->send(packed(this->cycles_.message(i), this->identity_.number, *content), false))
      this->cycles_.done(i);
  }
}

void BusNode::tell_frequency() {
  if (this->now_us_ < this->frequency_us_) return;
  this->frequency_us_ = UINT64_MAX;
  if (this->source_ == nullptr || !this->talks()) return;
  // What the controller refuses is not sent later: the next one is due in 10 ms.
  if (const auto content = this->source_->content(dbc::Frequency::MESSAGE.identifier, 0))
    this->send(packed(dbc::Frequency::MESSAGE, this->identity_.number, *content), false);
}

void BusNode::tell_bulk() {
  if (this->bulk_ == nullptr) return;
  // Asked in any case: it looks after its timeouts.
  const CanFrame *frame = this->bulk_->due(this->now_us_);
  if (frame == nullptr) return;
  this->bulk_until_us_ = this->now_us_ + BULK_GOES_ON_US;
  if (this->refused_ || !this->bulk_share_.open(this->now_us_)) return;
  if (!this->send(*frame, false)) return;
  this->bulk_share_.used(*frame);
  this->bulk_->sent(this->now_us_);
}

// --- Faults ---

void BusNode::happened(const NodeEvent &event) {
  if (this->bus_ == nullptr) return;
  const auto fault = fault_message(event, this->timeline_);
  if (!fault || !this->outbox_.put(*fault, this->now_us_)) return;
  this->tell_faults();
}

/// Who asks records like everybody who hears of it.
void BusNode::begin_capture() {
  const uint32_t behind = this->capture_.exchange(0, std::memory_order_acquire);
  if (behind == 0) return;
  const HeardFault capture{
      .key = {.node = this->identity_.number, .boot_id = this->identity_.boot_id, .number = behind - 1},
      .fault_code = NO_FAULT,
      .state = EventState::RAISED,
      .severity = Severity::INFO,
      .mono_us = this->now_us_,
      .utc_us = this->timeline_.known ? this->timeline_.utc_us(this->now_us_) : 0,
      .time_valid = this->timeline_.valid(this->now_us_)};
  for (size_t i = 0; i < this->listener_count_; i++) this->listeners_[i]->fault(capture);
  if (this->bus_ != nullptr) this->outbox_.put(capture_message(capture), this->now_us_);
}

void BusNode::tell_faults() {
  if (!this->talks()) return;
  // A start begins with it; and who missed that learns here whose number the first fault has.
  if (this->heartbeat_first_ && !this->send_message(this->heartbeat())) return;
  this->heartbeat_first_ = false;
  while (const dbc::Fault *fault = this->outbox_.due(this->now_us_)) {
    if (this->heartbeat_with_fault_ && !this->send_message(this->heartbeat())) return;
    this->heartbeat_with_fault_ = false;
    if (!this->send_message(*fault)) return;
    this->outbox_.sent(this->now_us_);
  }
}

void BusNode::take_fault(uint8_t node, const dbc::Fault &fault, uint64_t received_us) {
  if (node == this->identity_.number) return;
  // A node that fell silent may have started anew.
  const Peer &peer = this->peers_[node];
  const uint32_t boot_id = peer.present ? peer.heartbeat.boot_id : 0;
  const auto heard = this->inbox_.take(fault, node, boot_id, received_us, this->timeline_);
  if (!heard) return;
  for (size_t i = 0; i < this->listener_count_; i++) this->listeners_[i]->fault(*heard);
}

void BusNode::raise_fault(FaultCode code, EventState state) {
  const FaultRow &row = microgrid::fault(code);
  this->desk_.raise({.type = EventType::FAULT,
                     .state = state,
                     .severity = row.severity,
                     .code = EventCode{row.code},
                     .mono_us = this->now_us_});
}

void BusNode::watch_errors() {
  if (this->watch_.too_many_errors()) {
    if (!this->bus_errors_.raised() && this->bus_errors_.raise(this->now_us_))
      this->raise_fault(FaultCode::F031, EventState::RAISED);
  } else if (this->bus_errors_.clear()) {
    this->raise_fault(FaultCode::F031, EventState::CLEARED);
  }
}

// --- The others ---

bool BusNode::take_heartbeat(uint8_t node, const dbc::Heartbeat &heartbeat) {
  if (heartbeat.protocol == 0 || heartbeat.node_kind > dbc::NodeKind::HOUSE) return false;
  if (node == this->identity_.number) {
    // With our boot id it would be our own echo.
    if (heartbeat.boot_id != this->identity_.boot_id)
      this->conflict_.heard_own_number(heartbeat.boot_id, this->now_us_);
    return true;
  }
  if (!this->peers_.heard(node, heartbeat, this->now_us_)) return true;
  for (size_t i = 0; i < this->listener_count_; i++)
    this->listeners_[i]->peer_changed(node, this->peers_[node]);
  return true;
}

void BusNode::watch_peers() {
  const uint16_t lost = this->peers_.lose(this->now_us_);
  bool missing = false;
  for (uint8_t node = 0; node < BUS_NODES && lost != 0; node++) {
    if ((lost >> node & 1) == 0) continue;
    missing = missing || this->peers_[node].confirmed;
    for (size_t i = 0; i < this->listener_count_; i++)
      this->listeners_[i]->peer_changed(node, this->peers_[node]);
  }
  if (this->peers_.all_there()) {
    this->peer_missing_ = false;
    if (this->lost_peers_.clear()) this->raise_fault(FaultCode::F030, EventState::CLEARED);
    return;
  }
  if (missing) this->peer_missing_ = true;
  if (!this->peer_missing_) return;
  if (this->lost_peers_.raise(this->now_us_)) {
    this->peer_missing_ = false;
    this->raise_fault(FaultCode::F030, EventState::RAISED);
  } else if (this->lost_peers_.raised()) {
    this->peer_missing_ = false;  // a node more within 10 s belongs to the same fault
  }
}

void BusNode::publish() {
  if (this->now_us_ < this->next_publish_us_) return;
  this->next_publish_us_ = this->now_us_ + PUBLISH_EVERY_US;
  this->statistics_.elections = this->election_.elections();
  this->statistics_.load_permille = this->load_.permille(this->now_us_);
  this->statistics_.master = this->election_.master(this->now_us_);
  this->statistics_.is_master = this->election_.is_master();
  this->statistics_.number_conflict = this->conflict_.exists(this->now_us_);
  this->published_.store(this->statistics_);
}

}  // namespace esphome::microgrid
