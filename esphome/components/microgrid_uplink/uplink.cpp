// The order of urgency: who is there, answers, events, values, snapshots, the log.
#include "uplink.h"

#include <algorithm>

#include "esphome/components/microgrid_core/metric_tables.h"

namespace esphome::microgrid {

namespace {

constexpr std::array<std::string_view, 3> SUBSCRIPTIONS{"log/ack", "cmd/set", "snapshot/get"};
static_assert(HOUSE_METRICS.size() <= 64 && GATEWAY_METRICS.size() <= 64);  // bits of a MetricSet

std::string_view append(std::span<char> room, std::initializer_list<std::string_view> pieces) {
  size_t size = 0;
  for (const std::string_view piece : pieces) {
    const size_t count = std::min(piece.size(), room.size() - size);
    std::copy_n(piece.begin(), count, room.begin() + static_cast<std::ptrdiff_t>(size));
    size += count;
  }
  return {room.data(), size};
}

}  // namespace

Uplink::Uplink(Node &node, LogStore &store, std::string_view parent)
    : node_(node),
      store_(store),
      parent_(parent),
      snapshots_(store, node.identity),
      own_log_(store, this->log_room_) {}

std::string_view Uplink::state_topic() { return this->topic(this->node_.identity.node, "state"); }

std::string_view Uplink::topic(std::string_view node, std::string_view suffix) {
  return append(this->topic_, {"microgrid/v1/", this->node_.identity.swarm, "/", node, "/", suffix});
}

bool Uplink::send(std::string_view topic, JsonWriter &json, uint8_t qos, bool retain) {
  const auto document = json.finish();
  if (!document) {
    this->counters_.unwritable++;
    return true;  // it never will fit: as good as said
  }
  return this->publisher_->publish(topic, bytes_of(*document), qos, retain);
}

// ---- who is there
// ------------------------------------------------------------------------------------------

bool Uplink::view_of(uint8_t number, NodeView &view, bool &present) {
  const Identity &is = this->node_.identity;
  if (number == this->own()) {
    view = {.role = is.role,
            .node = is.node,
            .name = is.name,
            .parent = this->parent_,
            .hardware = is.hardware,
            .firmware = is.firmware,
            .boot_id = is.boot_id,
            .readings = &this->node_.readings,
            .faults = this->own_faults_,
            .commands = this->node_.commands()};
    present = true;
    return true;
  }
  HouseView house{};
  if (this->houses_ == nullptr || !this->houses_->house(number, house) || house.readings == nullptr ||
      !is_identifier(house.node))
    return false;
  view = {.role = Role::HOUSE,
          .node = house.node,
          .name = house.name,
          .parent = is.node,
          .firmware = house.firmware,
          .boot_id = house.boot_id,
          .readings = house.readings,
          .faults = house.faults,
          .card_failed = house.card_failed,
          .commands = house.commands};
  present = house.present;
  return true;
}

std::optional<uint8_t> Uplink::number_of(std::string_view node) {
  NodeView view{};
  bool present = false;
  for (uint8_t number = 0; number < BUS_NODES; number++)
    if (this->view_of(number, view, present) && view.node == node) return number;
  return std::nullopt;
}

// ---- what comes in
// -----------------------------------------------------------------------------------------

void Uplink::fault(const HeardFault &fault) {
  if (fault.fault_code != NO_FAULT) this->heard_.push(fault);
}

void Uplink::queue(const OutgoingEvent &event) {
  if (this->event_count_ == MAX_EVENTS) {  // the oldest goes: it is in the log
    this->first_event_ = (this->first_event_ + 1) % MAX_EVENTS;
    this->event_count_--;
    this->counters_.events_dropped++;
  }
  this->events_[(this->first_event_ + this->event_count_++) % MAX_EVENTS] = event;
}

void Uplink::take_events() {
  while (const auto logged = this->store_.logged_event()) {
    const NodeEvent &event = logged->event;
    if (event.type == EventType::FAULT && event.state != EventState::MOMENT)
      this->own_faults_.set(event.code.view(), event.state == EventState::RAISED);
    // However often it may be raised, a start is told once.
    if (event.type == EventType::BOOT && this->boot_told_) continue;
    this->boot_told_ = this->boot_told_ || event.type == EventType::BOOT;
    this->queue({.number = this->own(),
                 .event_id = make_event_id(this->node_.identity.cluster, event.key),
                 .type = event.type,
                 .state = event.state,
                 .severity = event.severity,
                 .code = event.code,
                 .boot_id = event.key.boot_id,
                 .seq = logged->seq,
                 .utc_us = event.utc_us,
                 .values = event.values,
                 .value_count = event.value_count,
                 .lost = event.lost});
  }
  while (const auto heard = this->heard_.pop()) {
    EventKey key = heard->key;
    NodeView view{};
    bool present = false;
    const bool known = this->view_of(key.node, view, present);
    if (key.boot_id == 0 && known) key.boot_id = view.boot_id;
    const FaultRow *row = find_fault(heard->fault_code);
    if (key.boot_id == 0 || row == nullptr) {  // it cannot be named yet; it comes with the log
      this->counters_.events_dropped++;
      continue;
    }
    this->queue({.number = key.node,
                 .event_id = make_event_id(this->node_.identity.cluster, key),
                 .type = EventType::FAULT,
                 .state = heard->state,
                 .severity = heard->severity,
                 .code = EventCode{row->code},
                 .boot_id = key.boot_id,
                 .seq = key.number,
                 .utc_us = heard->utc_us});
  }
}

void Uplink::scan_house_log() {
  const LogBatch *batch = this->house_logs_.to_scan();
  if (batch == nullptr) return;
  FrameScanner scanner(batch->frames.subspan(this->house_logs_.scanned));
  const size_t begin = this->house_logs_.scanned;
  while (this->event_count_ < MAX_EVENTS) {
    const auto frame = scanner.next();
    if (!frame) {
      this->house_logs_.scanned_all();
      return;
    }
    this->house_logs_.scanned = begin + scanner.offset() + frame->bytes.size();
    if (frame->header.kind != Kind::EVENT) continue;
    std::array<EventValue, 255> room{};
    const auto event = read_event(after_clock(*frame), room);
    if (!event) continue;
    OutgoingEvent out{.number = batch->house,
                      .event_id = EventId{event->event_id},
                      .type = event->type,
                      .state = event->state,
                      .severity = event->severity,
                      .code = EventCode{event->code},
                      .boot_id = frame->header.boot_id,
                      .seq = frame->header.seq,
                      .utc_us = frame->header.utc_us,
                      .lost = event->lost};
    for (const EventValue &value : event->values)
      if (out.value_count < out.values.size()) out.values[out.value_count++] = value;
    this->queue(out);
  }
}

void Uplink::received(std::string_view topic, Bytes payload) {
  const auto parts = parse_topic(topic, this->node_.identity.swarm);
  const auto number = parts ? this->number_of(parts->node) : std::nullopt;
  if (!number) {
    this->counters_.unknown_topics++;
    return;
  }
  const auto refuse = [this](Refusal refusal) { this->counters_.refused[static_cast<size_t>(refusal)]++; };
  const uint64_t now_us = this->now_us_;
  NodeView view{};
  bool present = false;
  this->view_of(*number, view, present);

  if (parts->suffix == SUBSCRIPTIONS[0]) {
    const auto ack = read_log_ack(payload);
    if (const auto *refusal = std::get_if<Refusal>(&ack)) return refuse(*refusal);
    if (*number == this->own()) {
      this->own_log_.acknowledge(std::get<Position>(ack), now_us, this->counters_.log);
    } else {
      this->house_logs_.acknowledge(*number, std::get<Position>(ack), this->counters_.log);
    }
  } else if (parts->suffix == SUBSCRIPTIONS[1]) {
    const DisciplinedClock &clock = this->node_.clock;
    const int64_t utc_us = clock.valid(now_us) ? clock.utc_us(now_us) : 0;
    const auto request = read_command(payload, utc_us);
    if (const auto *refusal = std::get_if<Refusal>(&request)) return refuse(*refusal);
    this->commands_.take(*number, std::get<CommandRequest>(request), view.commands, utc_us);
  } else if (parts->suffix == SUBSCRIPTIONS[2]) {
    const auto request = read_snapshot_get(payload);
    if (const auto *refusal = std::get_if<Refusal>(&request)) return refuse(*refusal);
    if (!this->snapshots_.take(*number, std::get<SnapshotGet>(request), present))
      this->counters_.requests_dropped++;
  } else {
    this->counters_.unknown_topics++;
  }
}

// ---- what goes out
// -----------------------------------------------------------------------------------------

void Uplink::loop(uint64_t now_us) {
  this->now_us_ = now_us;
  if (this->publisher_ == nullptr) return;
  this->publisher_->loop(now_us);
  this->take_events();

  const uint32_t connection = this->publisher_->connection();
  if (connection != this->connection_) {
    this->connection_ = connection;
    for (Session &session : this->sessions_) {
      session.born = false;
      session.told = Told::NOTHING;
      session.subscribed = 0;
    }
    this->snapshots_.disconnected();
    if (connection != 0) {
      this->next_live_us_ = now_us;
      this->own_log_.connected(now_us);
      this->house_logs_.connected(now_us);
    }
  }
  this->own_log_.loop(now_us, this->counters_.log);
  this->house_logs_.loop(now_us, this->counters_.log);
  this->snapshots_.loop();
  if (connection == 0) return;
  this->scan_house_log();
  for (uint8_t i = 0; i < MAX_STEPS && this->step(now_us); i++) {
  }
}

bool Uplink::step(uint64_t now_us) {
  for (uint8_t number = 0; number < BUS_NODES; number++)
    if (this->announce(number, now_us)) return true;
  return this->say_result() || this->say_event() || this->say_live(now_us) || this->say_snapshot() ||
         this->say_log(now_us);
}

bool Uplink::announce(uint8_t number, uint64_t now_us) {
  NodeView view{};
  bool present = false;
  if (!this->view_of(number, view, present)) return false;
  Session &session = this->sessions_[number];
  session.metrics |= known_metrics(*view.readings);
  const bool grown = session.metrics != session.declared && now_us >= session.born_us + BIRTH_EVERY_US;
  if (!session.born || session.boot_id != view.boot_id || grown) {
    JsonWriter json(this->json_room_);
    write_birth(json, view, session.metrics, this->node_.clock.utc_us(now_us));
    if (!this->send(this->topic(view.node, "birth"), json, 1, true)) return false;
    session.born = true;
    session.boot_id = view.boot_id;
    session.born_us = now_us;
    session.declared = session.metrics;
    return true;
  }
  const Told state = present ? Told::ONLINE : Told::OFFLINE;
  if (session.told != state) {
    const std::string_view word = present ? "online" : offline();
    if (!this->publisher_->publish(this->topic(view.node, "state"), bytes_of(word), 1, true)) return false;
    session.told = state;
    return true;
  }
  return this->subscribe(number);
}

bool Uplink::subscribe(uint8_t number) {
  Session &session = this->sessions_[number];
  if (session.subscribed == FILTERS) return false;
  NodeView view{};
  bool present = false;
  if (!this->view_of(number, view, present)) return false;
  if (!this->publisher_->subscribe(this->topic(view.node, SUBSCRIPTIONS[session.subscribed]))) return false;
  session.subscribed++;
  if (number == this->own() && session.subscribed == FILTERS) this->own_log_.subscribed(this->now_us_);
  return true;
}

bool Uplink::say_result() {
  const CommandDesk::Result *result = this->commands_.waiting();
  if (result == nullptr) return false;
  NodeView view{};
  bool present = false;
  if (this->view_of(result->number, view, present)) {
    JsonWriter json(this->json_room_);
    write_command_result(json, result->id.view(), result->status, result->text.view());
    if (!this->send(this->topic(view.node, "cmd/result"), json, 1, false)) return false;
  }
  this->commands_.told();
  return true;
}

bool Uplink::say_event() {
  if (this->event_count_ == 0) return false;
  const OutgoingEvent &event = this->events_[this->first_event_];
  NodeView view{};
  bool present = false;
  if (this->view_of(event.number, view, present)) {
    JsonWriter json(this->json_room_);
    write_event(json, event, view.readings->rows());
    if (!this->send(this->topic(view.node, "event"), json, 1, false)) return false;
    this->counters_.events++;
  } else {
    this->counters_.events_dropped++;
  }
  this->first_event_ = (this->first_event_ + 1) % MAX_EVENTS;
  this->event_count_--;
  return true;
}

bool Uplink::say_live(uint64_t now_us) {
  if (now_us >= this->next_live_us_) {
    const bool late = now_us >= this->next_live_us_ + LIVE_EVERY_US;
    this->next_live_us_ = (late ? now_us : this->next_live_us_) + LIVE_EVERY_US;
    this->live_at_ = 0;
  }
  if (this->live_at_ == BUS_NODES) return false;

  const int64_t utc_us = this->node_.clock.utc_us(now_us);
  JsonWriter json(this->json_room_);
  json.begin_object();
  NodeView view{};
  bool present = false;
  const auto seq_of = [&](uint8_t number) {
    // Also after a restart of this gateway it must rise for a house that did not restart: the time does.
    const auto now_s = static_cast<uint32_t>(utc_us / 1'000'000);
    uint32_t &seq = this->sessions_[number].live_seq;
    seq = std::max(seq + 1, number == this->own() ? 0 : now_s);
    return seq;
  };
  bool anything = false;
  if (this->live_at_ == 0 && this->view_of(this->own(), view, present)) {
    write_live(json, view, this->sessions_[this->own()].metrics, seq_of(this->own()), utc_us);
    anything = true;
  }
  bool nodes = false;
  uint8_t number = this->live_at_;
  for (; number < BUS_NODES; number++) {
    if (number == this->own() || !this->view_of(number, view, present) || !present) continue;
    JsonWriter longer = json;
    if (!nodes) longer.begin_object("nodes");
    longer.begin_object(view.node);
    write_live(longer, view, this->sessions_[number].metrics, seq_of(number), utc_us);
    longer.end_object();
    JsonWriter whole = longer;
    whole.end_object();
    whole.end_object();
    if (whole.finish()) {
      json = longer;
      nodes = anything = true;
    } else if (anything) {
      break;  // with the next message
    } else {
      this->counters_.unwritable++;
    }
  }
  this->live_at_ = number;
  if (!anything) return false;
  if (nodes) json.end_object();
  json.end_object();
  this->counters_.lives++;
  // What finds no room is late in a second: the next one has newer values.
  if (!this->send(this->topic(this->node_.identity.node, "live"), json, 0, false)) this->live_at_ = BUS_NODES;
  return true;
}

bool Uplink::say_snapshot() {
  const SnapshotDesk::Output output = this->snapshots_.output();
  NodeView view{};
  bool present = false;
  if (output == SnapshotDesk::Output::NOTHING) return false;
  if (this->view_of(this->snapshots_.number(), view, present)) {
    if (output == SnapshotDesk::Output::LIST) {
      JsonWriter json(this->json_room_);
      write_snapshot_list(json, this->node_.identity.cluster, this->snapshots_.list());
      if (!this->send(this->topic(view.node, "snapshot/list"), json, 1, false)) return false;
    } else {
      std::array<char, 10> digits{};
      size_t at = digits.size();
      uint32_t rest = this->snapshots_.chunk_number();
      do {
        digits[--at] = static_cast<char>('0' + rest % 10);
        rest /= 10;
      } while (rest != 0);
      std::array<char, 96> room{};
      const std::string_view suffix = append(
          room, {"snapshot/", this->snapshots_.event_id(), "/", {digits.data() + at, digits.size() - at}});
      if (!this->publisher_->publish(this->topic(view.node, suffix), this->snapshots_.chunk(), 1, false))
        return false;
    }
  }
  this->snapshots_.published();
  return true;
}

bool Uplink::say_log(uint64_t now_us) {
  if (const Bytes frames = this->own_log_.to_publish(); !frames.empty()) {
    if (!this->publisher_->publish(this->topic(this->node_.identity.node, "log"), frames, 1, false))
      return false;
    this->own_log_.published(now_us, this->counters_.log);
    return true;
  }
  const LogBatch *batch = this->house_logs_.to_publish();
  NodeView view{};
  bool present = false;
  if (batch == nullptr || !this->view_of(batch->house, view, present)) return false;
  if (!this->publisher_->publish(this->topic(view.node, "log"), batch->frames, 1, false)) return false;
  this->house_logs_.published(now_us, this->counters_.log);
  return true;
}

void Uplink::stop() {
  if (this->publisher_ == nullptr || this->publisher_->connection() == 0) return;
  for (uint8_t number = 0; number < BUS_NODES; number++) {
    NodeView view{};
    bool present = false;
    if (this->sessions_[number].told == Told::ONLINE && this->view_of(number, view, present))
      this->publisher_->publish(this->topic(view.node, "state"), bytes_of(offline()), 1, true);
  }
}

}  // namespace esphome::microgrid
