// What is asked next, of whom, and what becomes of the answers.
#include "bulk_client.h"

#include <algorithm>

#include "esphome/components/microgrid_core/umg1_crc.h"

namespace esphome::microgrid {

namespace {

using What = ReadRequest::What;

constexpr uint16_t REQUEST_ID = dbc::BulkRequest::MESSAGE.identifier;
constexpr uint16_t RESPONSE_ID = dbc::BulkResponse::MESSAGE.identifier;

constexpr uint64_t SECOND_US = 1'000'000;
constexpr uint64_t ANSWER_BEGINS_US = 5 * SECOND_US;  // the card of the house may stall
constexpr uint64_t ANSWER_ENDS_US = 12 * SECOND_US;   // 4 kB at 125 kbit/s take 3 s
// Without progress for so long it is another house's turn. A snapshot goes on later where it was; of a log
// what came is lost, and there is no hurry.
constexpr uint64_t SNAPSHOT_STALLED_US = 20 * SECOND_US;
constexpr uint64_t LOG_STALLED_US = 300 * SECOND_US;

constexpr uint64_t BUSY_PAUSE_US = SECOND_US / 2;
constexpr uint64_t REFUSED_PAUSE_US = 10 * SECOND_US;
constexpr uint64_t MEDIUM_PAUSE_US = 10 * SECOND_US;
constexpr uint64_t DAMAGED_PAUSE_US = 60 * SECOND_US;

constexpr uint64_t PUT_BACK_PAUSE_US = 60 * SECOND_US;  // the others first
constexpr uint64_t LOG_PERIOD_US = 5 * SECOND_US;
constexpr uint64_t LIST_PERIOD_US = 60 * SECOND_US;
constexpr uint64_t EAGER_LIST_PERIOD_US = 2 * SECOND_US;
// A snapshot ends 10 s after its fault; others may have prolonged it.
constexpr uint64_t SNAPSHOT_AFTER_US = 11 * SECOND_US;
constexpr uint64_t EAGER_AFTER_FAULT_US = 45 * SECOND_US;

// With a fifth of all frames lost, 57 bytes arrive once in twenty times, 4 kB never.
constexpr uint32_t LEAST_CHUNK_BYTES = 32;
constexpr uint8_t GOOD_CHUNKS_TO_GROW = 4;

void count(std::atomic<uint32_t> &counter, uint32_t by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

bool is_behind(Position position, Position other) {
  return position.boot_id != other.boot_id || position.seq > other.seq;
}

}  // namespace

BulkClient::BulkClient(ReadPort &port, LogRelay &relay, HouseDirectory &directory, uint32_t bit_rate)
    : port_(port), relay_(relay), directory_(directory), link_(room_, bit_rate) {}

// ------------------------------------------------------------------------------------------------------------
// bus

const CanFrame *BulkClient::due(uint64_t now_us) {
  this->now_us_ = std::max(this->now_us_, now_us);
  this->run();
  return this->exchanging() ? this->link_.due(REQUEST_ID + this->house_, now_us) : nullptr;
}

void BulkClient::tick(uint64_t mono_us, uint8_t) {
  this->now_us_ = std::max(this->now_us_, mono_us);  // a tick may tell of a moment ago
  this->run();
}

void BulkClient::frame(const CanFrame &frame) {
  // Whatever comes without being asked for would overwrite what the writer of the log is storing.
  if (!this->exchanging() || frame.identifier != static_cast<uint32_t>(RESPONSE_ID + this->house_)) return;
  this->now_us_ = std::max(this->now_us_, frame.mono_us);
  const Bytes message = this->link_.receive(frame, this->now_us_);
  if (!message.empty()) this->message(message);
}

void BulkClient::peer_changed(uint8_t node, const Peer &peer) {
  if (node == 0 || node > MAX_HOUSES) return;
  House &house = this->houses_[node];
  const bool restarted = peer.present && peer.heartbeat.boot_id != house.boot_id;
  if (restarted) {
    house.boot_id = peer.heartbeat.boot_id;
    house.identified = false;
    house.chunk_bytes = house.chunk_limit = BULK_CHUNK_BYTES;
    house.try_us = 0;
  }
  if (peer.present && !house.present) house.list_us = house.log_us = 0;
  house.present = peer.present;
  if (!restarted && peer.present) return;
  // Objects have other numbers now, or nobody knows for how long the house is away.
  if (this->snapshot_pull_.house == node) this->snapshot_pull_ = {};
  if (this->log_owner() == node) this->hand_over();
  if (this->exchanging() && this->house_ == node) {
    count(this->statistics_.timeouts);
    this->step_ = Step::IDLE;
  }
}

void BulkClient::fault(const HeardFault &fault) {
  if (fault.state == EventState::RAISED) this->expect_snapshots(fault.mono_us);
}

void BulkClient::happened(const NodeEvent &event) {
  if (event.type == EventType::FAULT && event.state == EventState::RAISED)
    this->expect_snapshots(event.mono_us);
}

void BulkClient::expect_snapshots(uint64_t fault_us) {
  for (House &house : this->houses_) {
    house.fault_us = fault_us;
    house.list_us = std::min(house.list_us, fault_us + SNAPSHOT_AFTER_US);
  }
}

// -----------------------------------------------------------------------------------------------------------
// jobs

void BulkClient::run() {
  while (const auto wish = this->wishes_.pop()) {
    if (wish->house > MAX_HOUSES) continue;
    this->houses_[wish->house].wanted = wish->key;
    this->houses_[wish->house].list_us = 0;
  }
  if (const auto acknowledged = this->relay_.take_acknowledged()) {
    House &house = this->houses_[acknowledged->house];
    if (acknowledged->position) {
      house.cursor = *acknowledged->position;
      house.cursor_known = house.acknowledge = true;
    } else {
      house.log_us = this->now_us_ + PUT_BACK_PAUSE_US;
    }
  }
  if (this->step_ >= Step::KEEP) {
    if (const auto reply = this->port_.reply()) this->medium_answered(*reply);
  } else if (this->exchanging()) {
    this->watch();
  }
  if (this->step_ == Step::IDLE) this->choose();
}

void BulkClient::watch() {
  const uint64_t waited_us = this->now_us_ - this->began_us_;
  const bool begun = this->link_.receiving() == IsoTpState::BUSY;
  const bool broken =
      this->link_.sending() == IsoTpState::FAILED || this->link_.receiving() == IsoTpState::FAILED;
  if (broken || waited_us > (begun ? ANSWER_ENDS_US : ANSWER_BEGINS_US)) this->fail();
}

bool BulkClient::wants(uint8_t number, Job job) const {
  const House &house = this->houses_[number];
  if (!house.present || this->now_us_ < house.try_us || house.identified != (job != Job::IDENTITY))
    return false;
  switch (job) {
    case Job::IDENTITY:
      return true;
    case Job::SNAPSHOTS: {
      const uint8_t owner = this->snapshot_pull_.house;
      if (owner == number) return true;
      return this->now_us_ >= house.list_us &&
             (owner == 0 || this->now_us_ > this->snapshot_pull_.progress_us + SNAPSHOT_STALLED_US);
    }
    case Job::HAVE_LOG:
      return house.acknowledge;
    case Job::LOG: {
      if (this->relay_.room().empty()) return false;
      const uint8_t owner = this->log_owner();
      if (owner == number) return true;
      const bool free =
          owner == 0 || (this->filled_ == 0 && this->now_us_ > this->log_pull_.progress_us + LOG_STALLED_US);
      return this->now_us_ >= house.log_us && free;
    }
  }
  return false;
}

void BulkClient::choose() {
  // Snapshots are more urgent, but a heap of them must not keep the logs waiting for minutes.
  static constexpr std::array URGENT{Job::IDENTITY, Job::SNAPSHOTS, Job::HAVE_LOG, Job::LOG};
  static constexpr std::array FAIR{Job::IDENTITY, Job::HAVE_LOG, Job::LOG, Job::SNAPSHOTS};
  for (const Job job : this->snapshots_in_a_row_ < SNAPSHOTS_IN_A_ROW ? URGENT : FAIR) {
    const auto place = static_cast<size_t>(job);
    for (uint8_t i = 1; i <= HOUSE_PLACES; i++) {
      const auto number = static_cast<uint8_t>((this->last_[place] + i) % HOUSE_PLACES);
      if (number == 0 || !this->wants(number, job)) continue;
      this->last_[place] = number;
      if (job == Job::LOG) this->snapshots_in_a_row_ = 0;
      if (job == Job::SNAPSHOTS && this->snapshots_in_a_row_ < SNAPSHOTS_IN_A_ROW)
        this->snapshots_in_a_row_++;
      this->begin(number, job);
      return;
    }
  }
}

void BulkClient::begin(uint8_t house, Job job) {
  this->house_ = house;
  switch (job) {
    case Job::IDENTITY:
      this->begin_exchange(Step::IDENTITY, write_bulk_question(BulkType::WHO_ARE_YOU, this->request_));
      break;
    case Job::SNAPSHOTS:
      if (this->snapshot_pull_.house == house) {
        this->ask_chunk(Step::SNAPSHOT_CHUNK);
      } else {
        // A stalled one goes on later, where it is.
        if (this->snapshot_pull_.house != 0)
          this->houses_[this->snapshot_pull_.house].list_us = this->now_us_ + SNAPSHOT_STALLED_US;
        this->snapshot_pull_ = {};
        this->begin_exchange(Step::LIST, write_bulk_question(BulkType::WHICH_SNAPSHOTS, this->request_));
      }
      break;
    case Job::HAVE_LOG:
      this->begin_exchange(Step::HAVE_LOG,
                           write_bulk_position(BulkType::HAVE_LOG, this->current().cursor, this->request_));
      break;
    case Job::LOG: {
      if (this->log_pull_.house == house) {
        this->ask_chunk(Step::LOG_CHUNK);
        break;
      }
      if (this->log_pull_.house != 0)
        this->houses_[this->log_pull_.house].log_us = this->now_us_ + LOG_STALLED_US;
      this->log_pull_ = {};
      const size_t room_bytes = this->relay_.room().size() - this->filled_;
      Position after{};
      if (this->filled_ != 0) {
        after = this->filled_last_;
      } else if (this->current().cursor_known) {
        after = this->current().cursor;
      }
      this->range_ = {.object = 0, .first = after, .last = after};
      this->begin_exchange(
          Step::LOG,
          write_bulk_log_query(
              {.after = after, .bytes = static_cast<uint32_t>(std::min(room_bytes, BULK_LOG_BYTES))},
              this->request_));
      break;
    }
  }
}

// -------------------------------------------------------------------------------------------------------
// exchanges

void BulkClient::begin_exchange(Step step, Bytes request) {
  this->step_ = step;
  this->began_us_ = this->now_us_;
  this->link_.reset();
  this->link_.send(request, this->now_us_);
}

void BulkClient::end_exchange() {
  count(this->statistics_.exchanges);
  this->step_ = Step::IDLE;
}

/// Nobody gets more than half of the bus for what fails.
void BulkClient::fail() {
  const Step step = this->step_;
  House &house = this->current();
  count(this->statistics_.timeouts);
  this->step_ = Step::IDLE;
  house.try_us = this->now_us_ + std::max(this->now_us_ - this->began_us_, SECOND_US / 10);
  if (step == Step::SNAPSHOT_CHUNK || step == Step::LOG_CHUNK) {
    house.chunk_bytes = std::max(house.chunk_bytes / 2, LEAST_CHUNK_BYTES);
    house.good_chunks = 0;
  }
  if ((step == Step::LOG || step == Step::LOG_CHUNK) && this->filled_ != 0) this->hand_over();
}

void BulkClient::message(Bytes message) {
  if (const auto refused = read_bulk_refusal(message)) {
    const bool chunk = this->step_ == Step::SNAPSHOT_CHUNK || this->step_ == Step::LOG_CHUNK;
    if (refused->object == 0 || (chunk && refused->object == this->pull().object))
      this->refused(refused->reason);
    return;
  }
  // What does not fit is the late answer to an earlier request: the right one may still come.
  switch (this->step_) {
    case Step::IDENTITY:
      if (const auto identity = read_bulk_identity(message)) this->identity(*identity);
      break;
    case Step::LIST:
      if (bulk_type(message) == BulkType::SNAPSHOTS) this->list(message);
      break;
    case Step::SNAPSHOT_CHUNK:
    case Step::LOG_CHUNK:
      if (const auto chunk = read_bulk_chunk(message)) this->chunk(*chunk);
      break;
    case Step::HAVE_SNAPSHOT:
      if (read_bulk_event(BulkType::SNAPSHOT_NOTED, message) == this->snapshot_.key) this->end_exchange();
      break;
    case Step::HAVE_LOG:
      if (read_bulk_position(BulkType::LOG_NOTED, message) == this->current().cursor) {
        this->current().acknowledge = false;
        this->end_exchange();
      }
      break;
    case Step::LOG:
      if (const auto range = read_bulk_log_range(message)) this->log_range(*range);
      break;
    case Step::IDLE:
    case Step::KEEP:
    case Step::STORE:
      break;
  }
}

void BulkClient::refused(BulkRefusal reason) {
  const Step step = this->step_;
  House &house = this->current();
  count(this->statistics_.refusals);
  this->step_ = Step::IDLE;
  house.try_us = this->now_us_ + BUSY_PAUSE_US;
  if (reason == BulkRefusal::BUSY) return;
  switch (step) {
    case Step::LIST:
      house.list_us = this->now_us_ + REFUSED_PAUSE_US;
      break;
    case Step::LOG:
      this->log_failed(REFUSED_PAUSE_US);
      break;
    case Step::SNAPSHOT_CHUNK:
    case Step::LOG_CHUNK:
      this->step_ = step;  // says which pull it is about
      this->chunk_refused(reason);
      this->step_ = Step::IDLE;
      break;
    default:
      house.try_us = this->now_us_ + REFUSED_PAUSE_US;
  }
}

void BulkClient::chunk_refused(BulkRefusal reason) {
  Pull &pull = this->pull();
  if (reason == BulkRefusal::BAD_REQUEST && pull.chunk != 0 && !pull.learned) {
    // Perhaps the house makes smaller chunks than it was asked for: the first one tells.
    pull.learning = pull.learned = true;
    return;
  }
  const uint64_t pause_us = reason == BulkRefusal::UNKNOWN_OBJECT ? BUSY_PAUSE_US : REFUSED_PAUSE_US;
  if (this->step_ == Step::LOG_CHUNK) {
    this->log_failed(pause_us);
  } else {
    this->snapshot_failed(pause_us);
  }
}

void BulkClient::identity(const HouseIdentity &identity) {
  House &house = this->current();
  // Another node of the same number has another log.
  if (!(this->directory_.house(this->house_).node == identity.node))
    house.cursor_known = house.acknowledge = false;
  house.identified = true;
  house.list_us = house.log_us = 0;
  this->directory_.set(this->house_, identity);
  this->end_exchange();
}

// ----------------------------------------------------------------------------------------------------------
// chunks

void BulkClient::ask_chunk(Step step) {
  this->step_ = step;
  Pull &pull = this->pull();
  House &house = this->current();
  house.chunk_bytes = std::min(house.chunk_bytes, house.chunk_limit);
  pull.chunk = pull.learning ? 0 : pull.have / house.chunk_bytes;
  this->begin_exchange(
      step, write_bulk_request({.object = pull.object, .chunk = pull.chunk, .chunk_bytes = house.chunk_bytes},
                               this->request_));
}

bool BulkClient::is_next(const BulkChunk &chunk) {
  const Pull &pull = this->pull();
  const uint32_t asked = this->current().chunk_bytes;
  const bool same_chunks =
      chunk.piece.chunk_bytes == asked || (chunk.piece.chunk == 0 && chunk.piece.chunk_bytes < asked);
  return chunk.object.object == pull.object && chunk.piece.chunk == pull.chunk && same_chunks;
}

void BulkClient::chunk(const BulkChunk &chunk) {
  if (!this->is_next(chunk)) return;
  const Step step = this->step_;
  Pull &pull = this->pull();
  House &house = this->current();
  this->end_exchange();
  if (pull.known && (chunk.object.bytes != pull.bytes || chunk.object.crc != pull.crc)) {
    count(this->statistics_.damaged);
    if (step == Step::LOG_CHUNK) {
      this->log_failed(BUSY_PAUSE_US);
    } else {
      this->snapshot_failed(BUSY_PAUSE_US);
    }
    return;
  }
  pull.known = true;
  pull.bytes = chunk.object.bytes;
  pull.crc = chunk.object.crc;
  pull.learning = false;
  if (chunk.piece.chunk_bytes < house.chunk_bytes) {
    house.chunk_bytes = house.chunk_limit = chunk.piece.chunk_bytes;
  } else if (++house.good_chunks >= GOOD_CHUNKS_TO_GROW) {
    house.good_chunks = 0;
    house.chunk_bytes = std::min(2 * house.chunk_bytes, house.chunk_limit);
  }
  // Chunks begin at multiples of their length, and what is there need not end at one.
  const size_t skipped = std::min<size_t>(pull.have - chunk.piece.offset, chunk.data.size());
  const Bytes data = chunk.data.subspan(skipped);
  count(this->statistics_.bytes, static_cast<uint32_t>(data.size()));
  if (step == Step::LOG_CHUNK) {
    this->log_chunk(data);
  } else if (data.empty()) {
    this->ask_chunk(step);
  } else {
    this->store(data);
  }
}

// -------------------------------------------------------------------------------------------------------
// snapshots

void BulkClient::list(Bytes message) {
  House &house = this->current();
  BulkSnapshotReader in(message, this->house_);
  std::optional<StoredSnapshot> best;
  int best_rank = -1;
  bool recording = false;
  while (const auto snapshot = in.next()) {
    if (snapshot->part != SnapshotPart::MEASURED) continue;
    if (snapshot->state == StoredState::RECORDING) {
      recording = true;
      continue;
    }
    // Without a boot id the house has not heard yet whose fault it was: it will have another name.
    if (snapshot->bytes == 0 || snapshot->key.boot_id == 0) continue;
    int rank = 1;
    if (snapshot->key == house.wanted) rank = 2;
    if (snapshot->key == house.failed) rank = 0;
    if (rank <= best_rank) continue;
    best = snapshot;
    best_rank = rank;
  }
  if (!in.ok()) return;
  this->end_exchange();
  const bool eager = recording || this->now_us_ < house.fault_us + EAGER_AFTER_FAULT_US;
  const uint64_t next_us = this->now_us_ + (eager ? EAGER_LIST_PERIOD_US : LIST_PERIOD_US);
  if (!best) {
    house.wanted = {};
    house.list_us = next_us;
    return;
  }
  this->snapshot_ = *best;
  if (this->port_.ask(
          {.what = What::KEEP_SNAPSHOT, .node = this->house_, .key = best->key, .snapshot = *best})) {
    this->step_ = Step::KEEP;
  } else {
    house.list_us = next_us;
  }
}

void BulkClient::store(Bytes data) {
  const auto offset = static_cast<size_t>(data.data() - this->room_.data());
  const bool asked = this->port_.ask({.what = What::KEEP_BYTES,
                                      .object = this->kept_,
                                      .offset = this->snapshot_pull_.have,
                                      .room = std::span(this->room_).subspan(offset, data.size())});
  if (asked) {
    this->step_ = Step::STORE;
  } else {
    this->snapshot_failed(MEDIUM_PAUSE_US);
  }
}

void BulkClient::medium_answered(const ReadReply &reply) {
  const Step step = this->step_;
  House &house = this->current();
  this->step_ = Step::IDLE;
  if (step == Step::STORE && this->snapshot_pull_.house == 0) return;  // the house restarted meanwhile
  const bool grown = step == Step::KEEP || reply.bytes > this->snapshot_pull_.have;
  if (reply.status != ReadStatus::OK || !grown) {
    count(this->statistics_.medium_errors);
    const bool try_soon = step == Step::KEEP && reply.status == ReadStatus::FAILED;
    this->snapshot_failed(try_soon ? MEDIUM_PAUSE_US : DAMAGED_PAUSE_US);
    return;
  }
  if (step == Step::KEEP) {
    this->kept_ = reply.object;
    this->snapshot_pull_ = {.house = this->house_,
                            .object = this->snapshot_.object,
                            .known = true,
                            .bytes = this->snapshot_.bytes,
                            .crc = this->snapshot_.crc};
  }
  this->snapshot_pull_.have = static_cast<uint32_t>(reply.bytes);
  this->snapshot_pull_.progress_us = this->now_us_;
  const bool complete = this->snapshot_pull_.have >= this->snapshot_.bytes;
  if (complete) {
    if (step == Step::STORE) count(this->statistics_.snapshots);
    this->snapshot_pull_ = {};
    house.failed = {};
  }
  if (!house.present || !house.identified) {
    this->snapshot_pull_ = {};
  } else if (complete) {
    this->begin_exchange(Step::HAVE_SNAPSHOT,
                         write_bulk_event(BulkType::HAVE_SNAPSHOT, this->snapshot_.key, this->request_));
  } else {
    this->ask_chunk(Step::SNAPSHOT_CHUNK);
  }
}

void BulkClient::snapshot_failed(uint64_t pause_us) {
  this->current().failed = this->snapshot_.key;
  this->current().list_us = this->now_us_ + pause_us;
  this->snapshot_pull_ = {};
}

// -------------------------------------------------------------------------------------------------------------
// log

void BulkClient::log_range(const BulkLogRange &range) {
  this->end_exchange();
  if (range.object == 0) {
    this->current().log_us = this->now_us_ + LOG_PERIOD_US;
    this->hand_over();
    return;
  }
  if (range.first.boot_id == 0 || !is_behind(range.first, this->range_.last)) {
    count(this->statistics_.damaged);
    this->log_failed(DAMAGED_PAUSE_US);
    return;
  }
  this->range_ = range;
  this->log_pull_ = {.house = this->house_, .object = range.object, .progress_us = this->now_us_};
  this->ask_chunk(Step::LOG_CHUNK);
}

void BulkClient::log_chunk(Bytes data) {
  Pull &pull = this->log_pull_;
  const std::span<uint8_t> room = this->relay_.room().subspan(this->filled_);
  if (pull.bytes > room.size() || pull.have + data.size() > pull.bytes) {
    count(this->statistics_.damaged);
    this->log_failed(DAMAGED_PAUSE_US);
    return;
  }
  std::copy(data.begin(), data.end(), room.begin() + pull.have);
  pull.have += static_cast<uint32_t>(data.size());
  if (!data.empty()) pull.progress_us = this->now_us_;
  if (pull.have < pull.bytes) return;  // the next chunk in its turn
  const Bytes frames = room.first(pull.bytes);
  if (crc32(frames) != pull.crc || !this->log_is_whole(frames)) {
    count(this->statistics_.damaged);
    this->log_failed(DAMAGED_PAUSE_US);
    return;
  }
  if (this->filled_ == 0) this->filled_first_ = this->range_.first;
  this->filled_last_ = this->range_.last;
  this->filled_house_ = this->house_;
  this->filled_ += frames.size();
  pull = {};
  this->current().log_us = 0;
  if (this->relay_.room().size() - this->filled_ < BULK_LOG_BYTES) this->hand_over();
}

/// Whole frames, from the first to the last that were announced. Their own CRCs are for whoever stores them.
bool BulkClient::log_is_whole(Bytes frames) const {
  std::optional<Position> last;
  while (!frames.empty()) {
    const auto header = parse_header(frames);
    if (!header || header->frame_bytes() > frames.size()) return false;
    const Position position{.boot_id = header->boot_id, .seq = header->seq};
    if (last ? !is_behind(position, *last) : !(position == this->range_.first)) return false;
    last = position;
    frames = frames.subspan(header->frame_bytes());
  }
  return last == this->range_.last;
}

void BulkClient::log_failed(uint64_t pause_us) {
  this->current().log_us = this->now_us_ + pause_us;
  this->hand_over();
}

/// What is there, if anything; what is on its way is asked for again later.
void BulkClient::hand_over() {
  this->log_pull_ = {};
  if (this->filled_ == 0) return;
  this->relay_.offer(this->filled_house_, this->filled_first_, this->filled_last_, this->filled_);
  this->filled_ = 0;
  count(this->statistics_.batches);
}

}  // namespace esphome::microgrid
