// Houses and their gateway on a simulated bus: a frame takes 135 bits, the lowest identifier goes first,
// cyclic messages take their share before all of it, and frames may get lost.
#pragma once

#include <functional>
#include <map>

#include "card.h"
#include "esphome/components/microgrid_can/bulk_client.h"
#include "esphome/components/microgrid_can/bulk_server.h"

namespace esphome::microgrid {

constexpr uint32_t BIT_RATE = 500'000;
constexpr uint64_t FRAME_US = bulk_frame_us(BIT_RATE);
constexpr uint64_t SECOND = 1'000'000;

struct Member {
  BulkPort *port{nullptr};
  BusListener *listener{nullptr};
};

class SimulatedBus {
 public:
  double background{0.12};
  double loss{0};
  uint64_t now_us{SECOND};
  uint64_t bulk_us{0};                  // so long was the bus taken by bulk
  std::map<uint32_t, uint64_t> frames;  // by identifier
  std::function<std::vector<Member>()> members;
  std::function<void(uint64_t)> world;  // whatever else goes on

  void run_until(uint64_t end_us) {
    while (this->now_us < end_us) this->step();
  }
  /// True when it came to be before `end_us`.
  bool run_until(uint64_t end_us, const std::function<bool()> &over) {
    while (this->now_us < end_us && !over()) this->step();
    return over();
  }
  void put(const CanFrame &frame) {
    for (const Member &member : this->members()) {
      if (member.listener != nullptr) member.listener->frame(frame);
    }
  }

 protected:
  void step() {
    this->world(this->now_us);
    const std::vector<Member> all = this->members();
    if (this->now_us >= this->next_tick_us_) {
      this->next_tick_us_ = this->now_us + 10'000;
      for (const Member &member : all) {
        if (member.listener != nullptr) member.listener->tick(this->now_us, 0);
      }
    }
    if (this->now_us >= this->free_us_) this->give_bus(all);
    // While nobody sends, nothing happens that needs a finer step than the cards.
    const bool quiet = this->now_us > this->last_bulk_us_ + 20'000;
    this->now_us += quiet ? 1'000 : 90;
  }

  void give_bus(const std::vector<Member> &all) {
    if (this->now_us >= this->next_background_us_) {
      this->free_us_ = this->now_us + FRAME_US;
      std::exponential_distribution<double> pause(this->background / static_cast<double>(FRAME_US));
      this->next_background_us_ += static_cast<uint64_t>(pause(this->dice_));
      return;
    }
    const CanFrame *first = nullptr;
    BulkPort *sender = nullptr;
    for (const Member &member : all) {
      const CanFrame *due = member.port == nullptr ? nullptr : member.port->due(this->now_us);
      if (due == nullptr || (first != nullptr && first->identifier <= due->identifier)) continue;
      first = due;
      sender = member.port;
    }
    if (first == nullptr) return;
    CanFrame frame = *first;
    sender->sent(this->now_us);
    this->free_us_ = this->now_us + FRAME_US;
    this->bulk_us += FRAME_US;
    this->last_bulk_us_ = this->now_us;
    this->frames[frame.identifier]++;
    frame.mono_us = this->now_us + FRAME_US;
    if (std::uniform_real_distribution<double>(0, 1)(this->dice_) >= this->loss) this->put(frame);
  }

  std::mt19937 dice_{11};
  uint64_t free_us_{0};
  uint64_t next_tick_us_{0};
  uint64_t next_background_us_{0};
  uint64_t last_bulk_us_{0};
};

struct SimulatedHouse {
  explicit SimulatedHouse(uint8_t house_number)
      : number(house_number),
        name("house-" + std::to_string(house_number)),
        boot_id(0x1000U * house_number + 1) {}

  uint8_t number;
  std::string name;
  uint32_t boot_id;
  uint32_t next_seq{0};
  Card card;
  std::unique_ptr<Identity> identity;
  std::unique_ptr<BulkServer> server;  // nullptr: off

  void start() {
    this->identity = std::make_unique<Identity>(Identity{.role = Role::HOUSE,
                                                         .number = this->number,
                                                         .node = this->name,
                                                         .cluster = "north",
                                                         .swarm = "s",
                                                         .name = "",
                                                         .hardware = "",
                                                         .firmware = "1.2.3",
                                                         .boot_id = this->boot_id});
    this->server = std::make_unique<BulkServer>(*this->identity, *this->card.port, BIT_RATE);
  }
  void restart() {
    this->boot_id++;
    this->next_seq = 0;
    this->server.reset();
    this->card.restart();
    this->start();
  }
  void log(size_t payload_bytes) { this->card.append({this->boot_id, this->next_seq++}, payload_bytes); }
};

struct SimulatedGateway {
  Card card;
  Data relay_room = Data(16'384);
  std::unique_ptr<LogRelay> relay;
  std::unique_ptr<HouseDirectory> directory;
  std::unique_ptr<BulkClient> client;
  void start() {
    this->relay = std::make_unique<LogRelay>(this->relay_room);
    this->directory = std::make_unique<HouseDirectory>();
    this->client = std::make_unique<BulkClient>(*this->card.port, *this->relay, *this->directory, BIT_RATE);
  }
  void restart() {
    this->client.reset();
    this->card.restart();
    this->start();
  }
};

class Cluster {
 public:
  SimulatedBus bus;
  std::vector<std::unique_ptr<SimulatedHouse>> houses;
  SimulatedGateway gateway;
  BulkPort *foreign{nullptr};  // one more node
  BusListener *foreign_ears{nullptr};

  // Who stores the logs.
  bool online{true};
  uint64_t store_us{200'000};
  std::map<uint8_t, std::vector<Position>> stored;
  std::map<uint8_t, Data> stored_bytes;

  explicit Cluster(uint8_t house_count) {
    for (uint8_t number = 1; number <= house_count; number++) {
      this->houses.push_back(std::make_unique<SimulatedHouse>(number));
      this->houses.back()->start();
    }
    this->gateway.start();
    this->bus.members = [this] {
      std::vector<Member> all{{this->gateway.client.get(), this->gateway.client.get()}};
      for (const auto &house : this->houses) {
        if (house->server) all.push_back({house->server.get(), house->server.get()});
      }
      if (this->foreign != nullptr) all.push_back({this->foreign, this->foreign_ears});
      return all;
    };
    this->bus.world = [this](uint64_t now_us) { this->go_on(now_us); };
  }

  SimulatedHouse &house(uint8_t number) { return *this->houses[number - 1U]; }
  void hear(uint8_t number, bool present = true, uint32_t boot_id = 0) {
    Peer peer{.present = present, .ever = true};
    peer.heartbeat.boot_id = boot_id != 0 ? boot_id : this->house(number).boot_id;
    this->gateway.client->peer_changed(number, peer);
  }
  void hear_all() {
    for (const auto &house : this->houses) this->hear(house->number);
  }
  void fault() {
    this->gateway.client->fault({.key = {.node = 1, .boot_id = 7, .number = 3},
                                 .fault_code = 5,
                                 .state = EventState::RAISED,
                                 .severity = Severity::CRITICAL,
                                 .mono_us = this->bus.now_us,
                                 .utc_us = 0,
                                 .time_valid = true});
  }
  const Data *pulled(uint8_t number, const EventKey &key) const {
    for (const Card::Kept &kept : this->gateway.card.foreign) {
      if (kept.about.node == number && kept.about.key == key && kept.data.size() == kept.about.bytes)
        return &kept.data;
    }
    return nullptr;
  }
  /// What the houses have, as it should be stored.
  static std::vector<Position> positions(const SimulatedHouse &house) {
    std::vector<Position> all;
    for (const auto &logged : house.card.log) all.push_back(logged.position);
    return all;
  }

 protected:
  void go_on(uint64_t now_us) {
    for (const auto &house : this->houses) house->card.step(now_us);
    this->gateway.card.step(now_us);
    const auto batch = this->gateway.relay->ready();
    if (!batch || !this->online) {
      this->ready_us_ = 0;
      return;
    }
    if (this->ready_us_ == 0) this->ready_us_ = now_us;
    if (now_us < this->ready_us_ + this->store_us) return;
    this->ready_us_ = 0;
    FrameScanner scanner(batch->frames);
    while (const auto frame = scanner.next()) {
      this->stored[batch->house].push_back({frame->header.boot_id, frame->header.seq});
      Data &bytes = this->stored_bytes[batch->house];
      bytes.insert(bytes.end(), frame->bytes.begin(), frame->bytes.end());
    }
    this->gateway.relay->acknowledge(batch->last);
  }

  uint64_t ready_us_{0};
};

}  // namespace esphome::microgrid
