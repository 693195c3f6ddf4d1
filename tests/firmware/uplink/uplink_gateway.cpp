// A gateway with three houses over our own client and a real socket, for tests with a real broker. Logs are
// files of numbers: what was written once is there after a kill, and every frame can be told from its place
// alone.
//
//   uplink_gateway HOST PORT FOLDER FRAMES_PER_SECOND
//
// Lines on stdin: `fault HOUSE CODE STATE`, `leave HOUSE`, `join HOUSE`, `restart HOUSE`, `snapshot BYTES`,
// `status`, `quit`.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "esphome/components/microgrid_uplink/mqtt_client.h"
#include "esphome/components/microgrid_uplink/posix_stream.h"
#include "esphome/components/microgrid_uplink/uplink.h"
#include "plain_houses.h"
#include "plain_store.h"

using namespace esphome::microgrid;

namespace {

constexpr std::array SOURCES{NETWORK_EXCHANGE};
constexpr uint8_t HOUSES = 3;

/// What is written to a log, as `boot_id frames` per start, and how far it is acknowledged.
class Ledger final {
 public:
  explicit Ledger(std::string path) : path_(std::move(path)) {
    std::ifstream in(this->path_);
    Position last{};
    std::string word;
    while (in >> word >> last.boot_id >> last.seq) {
      if (word == "boot") this->boots.emplace_back(last.boot_id, last.seq);
      if (word == "ack") this->acknowledged = last;
    }
  }
  void begin(uint32_t boot_id) { this->boots.emplace_back(boot_id, 0); }
  Position append() { return {this->boots.back().boot_id, this->boots.back().seq++}; }
  /// On the disk before anybody sees it, whole or not at all.
  void save() {
    {
      std::ofstream out(this->path_ + ".new");
      for (const Position &boot : this->boots) out << "boot " << boot.boot_id << " " << boot.seq << "\n";
      if (this->acknowledged)
        out << "ack " << this->acknowledged->boot_id << " " << this->acknowledged->seq << "\n";
    }
    std::rename((this->path_ + ".new").c_str(), this->path_.c_str());
  }
  /// Every frame behind a place.
  std::vector<Position> after(std::optional<Position> place) const {
    std::vector<Position> found;
    bool behind = !place;
    for (const Position &boot : this->boots) {
      for (uint32_t seq = 0; seq < boot.seq; seq++)
        if (behind || (boot.boot_id == place->boot_id && seq > place->seq))
          found.push_back({boot.boot_id, seq});
      behind = behind || boot.boot_id == place->boot_id;
    }
    return found;
  }

  std::vector<Position> boots;  // seq: how many frames it has
  std::optional<Position> acknowledged;

 protected:
  std::string path_;
};

/// What the processor worked for us, so that a busy machine does not count.
uint64_t work_us() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_nsec) / 1000;
}

class Switch final : public CommandHandler {
 public:
  CommandOutcome run(std::span<const CommandValue> parameters) override {
    this->runs++;
    return {.succeeded = parameters[0].number < 50,
            .reason = parameters[0].number < 50 ? "" : "it did not move"};
  }
  int runs{0};
};

class Gateway final {
 public:
  Gateway(const std::string &host, uint16_t port, const std::string &folder)
      : own_(folder + "/own"), stream_(host, port) {
    this->own_.begin(this->identity_.boot_id);
    this->own_.save();
    for (const Position &place : this->own_.after(std::nullopt)) this->store_.append(place);
    this->store_.acknowledged = this->own_.acknowledged;
    for (uint8_t number = 1; number <= HOUSES; number++) {
      auto &house = this->houses_.houses[number];
      house.node = "house-" + std::to_string(number);
      house.name = "Haus „" + std::to_string(number) + "“";
      house.present = true;
      this->logs_.push_back(std::make_unique<Ledger>(folder + "/house-" + std::to_string(number)));
      if (this->logs_.back()->boots.empty()) this->logs_.back()->begin(random_u32());
      house.boot_id = this->logs_.back()->boots.back().boot_id;
    }
    this->uplink_.set_publisher(&this->client_);
    this->uplink_.set_houses(&this->houses_);
    this->uplink_.set_relay(&this->relay_);
    this->node_.desk.add(this->store_);
    this->node_.add({.name = "limit", .parameters = PARAMETERS, .handler = &this->switch_});
    NodeEvent boot{};
    boot.type = EventType::BOOT;
    boot.code.assign("BOOT");
    this->node_.desk.raise(boot);
  }

  void step(int frames) {
    const uint64_t now_us = mono_us();
    this->keep_time(now_us);
    this->measure(now_us);
    this->write_logs(frames);
    const uint64_t begin_us = work_us();
    this->uplink_.loop(now_us);
    this->slowest_us_ = std::max(this->slowest_us_, work_us() - begin_us);
    this->store_.work();
    if (this->store_.acknowledged && this->own_.acknowledged != this->store_.acknowledged) {
      this->own_.acknowledged = this->store_.acknowledged;
      this->own_.save();
    }
    this->feed_relay();
  }

  bool obey(const std::string &line) {
    std::istringstream in(line);
    std::string word;
    std::string state;
    uint32_t number = 0;
    uint16_t code = 0;
    in >> word >> number >> code >> state;
    auto &house = this->houses_.houses[number % 16];
    if (word == "fault") {
      HeardFault fault{};
      fault.key = {
          .node = static_cast<uint8_t>(number), .boot_id = house.boot_id, .number = this->fault_number_++};
      fault.fault_code = code;
      fault.state = state == "raised" ? EventState::RAISED : EventState::CLEARED;
      fault.severity = Severity::CRITICAL;
      fault.utc_us = this->node_.clock.utc_us(mono_us());
      house.faults.set(code, state == "raised");
      this->uplink_.fault(fault);
    } else if (word == "leave" || word == "join") {
      house.present = word == "join";
    } else if (word == "restart") {
      this->logs_.at(number - 1)->begin(random_u32());
      house.boot_id = this->logs_[number - 1]->boots.back().boot_id;
    } else if (word == "snapshot") {
      StoredSnapshot snapshot{};
      snapshot.object = ++this->objects_;
      snapshot.key = {.node = 1, .boot_id = 7, .number = this->objects_};
      snapshot.code.assign("F006");
      std::vector<uint8_t> bytes(number);
      for (uint32_t i = 0; i < number; i++) bytes[i] = static_cast<uint8_t>(i % 251);
      this->store_.add_snapshot(snapshot, bytes);
    } else if (word == "status") {
      this->show();
    }
    return word != "quit";
  }

  void stop() {
    this->uplink_.stop();
    for (int i = 0; i < 1000 && this->client_.connection() != 0 && this->client_.waiting() != 0; i++) {
      this->client_.loop(mono_us());
      usleep(5000);
    }
    this->client_.disconnect();
  }

 protected:
  static constexpr std::array<CommandParameter, 1> PARAMETERS{{{.name = "percent",
                                                                .type = CommandParameter::Type::NUMBER,
                                                                .minimum = 0,
                                                                .maximum = 100,
                                                                .unit = "%"}}};

  void keep_time(uint64_t now_us) {
    if (now_us < this->next_time_us_) return;
    this->next_time_us_ = now_us + 50'000;
    timespec time{};
    clock_gettime(CLOCK_REALTIME, &time);
    this->node_.clock.take({.source = ClockSource::NETWORK,
                            .reference = 1,
                            .mono_us = now_us,
                            .utc_us = int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1000,
                            .round_trip_us = 1000},
                           now_us);
  }

  void measure(uint64_t now_us) {
    const auto beat = static_cast<int32_t>(now_us / 100'000 % 100);
    for (size_t i = 0; i < GATEWAY_METRICS.size(); i++)
      this->node_.readings.set(i, beat + static_cast<int32_t>(i) - 20);
    for (uint8_t number = 1; number <= HOUSES; number++)
      for (size_t i = 0; i < HOUSE_METRICS.size(); i++) {
        if (i % 7 == 3 && beat > 50) {
          this->houses_.houses[number].readings.forget(i);
        } else {
          this->houses_.houses[number].readings.set(i, beat * 10);
        }
      }
  }

  void write_logs(int frames) {
    if (frames == 0) return;
    std::vector<Position> places;
    for (int i = 0; i < frames; i++) {
      places.push_back(this->own_.append());
      for (const auto &log : this->logs_) log->append();
    }
    for (const auto &log : this->logs_) log->save();
    this->own_.save();
    for (const Position &place : places) this->store_.append(place);
  }

  void feed_relay() {
    if (const auto done = this->relay_.take_acknowledged()) {
      Ledger &log = *this->logs_.at(done->house - 1U);
      log.acknowledged = done->position;
      log.save();
    }
    const std::span<uint8_t> room = this->relay_.room();
    if (room.empty()) return;
    for (uint8_t tries = 0; tries < HOUSES; tries++) {
      this->turn_ = static_cast<uint8_t>(this->turn_ % HOUSES + 1);
      const Ledger &log = *this->logs_[this->turn_ - 1U];
      const std::vector<Position> places = log.after(log.acknowledged);
      size_t bytes = 0;
      Position last{};
      for (const Position &place : places) {
        const std::vector<uint8_t> frame = numbered_frame(place);
        if (bytes + frame.size() > room.size()) break;
        std::copy(frame.begin(), frame.end(), room.begin() + static_cast<std::ptrdiff_t>(bytes));
        bytes += frame.size();
        last = place;
      }
      if (bytes == 0) continue;
      this->relay_.offer(this->turn_, places.front(), last, bytes);
      return;
    }
  }

  void show() {
    const UplinkCounters &is = this->uplink_.counters();
    uint32_t refused = 0;
    for (const uint32_t count : is.refused) refused += count;
    std::printf(
        "{\"connections\":%u,\"refused\":%u,\"unknown_topics\":%u,\"oversized\":%u,\"acks_ignored\":%u,"
        "\"runs\":%d,"
        "\"unwritable\":%u,\"slowest_us\":%lu,\"protocol_errors\":%u,\"boots\":{",
        this->client_.counters().connections, refused, is.unknown_topics, this->client_.counters().oversized,
        is.log.acks_ignored, this->switch_.runs, is.unwritable, static_cast<unsigned long>(this->slowest_us_),
        this->client_.counters().protocol_errors);
    this->show_log("gateway-1", this->own_);
    for (uint8_t number = 1; number <= HOUSES; number++) {
      std::printf(",");
      this->show_log(this->houses_.houses[number].node, *this->logs_[number - 1U]);
    }
    std::printf("}}\n");
    std::fflush(stdout);
  }
  static void show_log(const std::string &node, const Ledger &log) {
    std::printf("\"%s\":[", node.c_str());
    for (size_t i = 0; i < log.boots.size(); i++)
      std::printf("%s[%u,%u]", i == 0 ? "" : ",", log.boots[i].boot_id, log.boots[i].seq);
    std::printf("]");
  }

  Identity identity_{.role = Role::GATEWAY,
                     .number = 0,
                     .node = "gateway-1",
                     .cluster = "north",
                     .swarm = "village",
                     .name = "North",
                     .hardware = "PC",
                     .firmware = "1.0.0",
                     .boot_id = random_u32()};
  std::array<Readings::Cell, GATEWAY_METRICS.size()> cells_{};
  Node node_{identity_, SOURCES, GATEWAY_METRICS, cells_};
  Ledger own_;
  std::vector<std::unique_ptr<Ledger>> logs_;
  PlainStore store_;
  PlainHouses houses_;
  Switch switch_;
  std::array<uint8_t, 16384> relay_room_{};
  LogRelay relay_{relay_room_};
  Uplink uplink_{node_, store_};
  std::string will_topic_{uplink_.state_topic()};
  PosixStream stream_;
  std::array<uint8_t, 4096> inbox_{};
  std::array<uint8_t, 65536> outbox_{};
  MqttClient client_{stream_,
                     uplink_,
                     {.client_id = "gateway-1",
                      .will_topic = will_topic_,
                      .will_payload = bytes_of(Uplink::offline()),
                      .keep_alive_s = 4},
                     inbox_,
                     outbox_};
  uint8_t turn_{0};
  uint32_t fault_number_{0};
  uint32_t objects_{0};
  uint64_t next_time_us_{0};
  uint64_t slowest_us_{0};
};

}  // namespace

int main(int count, char **arguments) {
  if (count != 5) return 2;
  auto gateway = std::make_unique<Gateway>(
      arguments[1], static_cast<uint16_t>(std::strtoul(arguments[2], nullptr, 10)), arguments[3]);
  const auto frame_every_us =
      static_cast<uint64_t>(1'000'000 / std::max(1L, std::strtol(arguments[4], nullptr, 10)));
  uint64_t next_frame_us = mono_us();
  std::string line;
  while (true) {
    int frames = 0;
    for (const uint64_t now_us = mono_us(); now_us >= next_frame_us; next_frame_us += frame_every_us)
      frames++;
    gateway->step(frames);
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (poll(&input, 1, 5) <= 0) continue;
    std::array<char, 256> room{};
    const ssize_t got = read(STDIN_FILENO, room.data(), room.size());
    if (got <= 0) break;
    for (const char character : std::string_view(room.data(), static_cast<size_t>(got))) {
      if (character != '\n') {
        line += character;
      } else if (!gateway->obey(std::exchange(line, {}))) {
        gateway->stop();
        return 0;
      }
    }
  }
  return 0;
}
