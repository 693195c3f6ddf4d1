// A node's log as a program, for tests that kill it and read what is left. Real files, real tasks, real time.
//
// log_node run FOLDER: "boot ID", then until it is killed: "durable SEQ" whenever that moved, "event SEQ ID"
// for events told to be in the log, "acknowledged SEQ". log_node snapshots FOLDER: in simulated time four
// triggers, 6 s apart, and one that a restart interrupts; writes FOLDER/<event number>-<part>.umg and prints
// "snapshot NUMBER PART STATE FROM_US TO_US TRIGGER_UTC_US CAN_FRAMES". log_node stall FOLDER SECONDS: every
// write takes a second now and then; prints "refused N" and "lost N" at the end.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <random>

#include "rig.h"

using namespace esphome::microgrid;

namespace {

class Program {
 public:
  Program(Medium &medium, const LogSettings &settings)
      : cells_(),
        node_(house(this->boot_id()), {}, HOUSE_METRICS, this->cells_),
        log_(this->node_, medium, settings) {}

  /// Starts the tasks; `event_every` ticks of 10 ms something happens.
  bool start(uint32_t event_every) {
    this->event_every_ = event_every;
    if (!this->log_.setup(mono_us())) return false;
    std::printf("boot %u\n", this->node_.identity.boot_id);
    return this->writer_.start(
               "log", [](void *self) { static_cast<LogWriter *>(self)->run(); }, &this->log_,
               Priority::BACKGROUND, 8192) &&
           this->bus_.start(
               "bus", [](void *self) { static_cast<Program *>(self)->tick(); }, this, Priority::BUS, 8192);
  }

  /// The main loop's part: what is known to be safe is said, and some of it acknowledged.
  void loop() {
    const LogHealth health = this->log_.health();
    if (health.durable_known && (!this->told_ || *this->told_ != health.durable.seq)) {
      this->told_ = health.durable.seq;
      std::printf("durable %u\n", health.durable.seq);
      this->log_.loop_port().ask({.what = ReadRequest::What::ACKNOWLEDGE,
                                  .position = {this->node_.identity.boot_id, health.durable.seq / 2}});
    }
    if (const auto reply = this->log_.loop_port().reply(); reply && reply->status == ReadStatus::OK)
      std::printf("acknowledged\n");
    while (const auto event = this->log_.logged_event()) {
      const EventId id = make_event_id(this->node_.identity.cluster, event->event.key);
      std::printf("event %u %.*s\n", event->seq, static_cast<int>(id.view().size()), id.view().data());
    }
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }

  LogWriter &log() { return this->log_; }

 private:
  static uint32_t boot_id() { return random_u32() | 1; }

  void tick() {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const uint64_t now_us = mono_us();
    const auto number = static_cast<int32_t>(this->ticks_++);
    for (size_t i = 0; i < HOUSE_CAPTURE.size(); i++) this->log_.capture().put(i, now_us, number % 10'000);
    for (size_t i = 0; i < HOUSE_LOG.size(); i++) this->log_.log().put(i, now_us, (number * 7) % 100);
    for (uint32_t i = 0; i < 6; i++)
      this->log_.record(CanFrame{.identifier = 0x300 + i,
                                 .mono_us = now_us,
                                 .length = 2,
                                 .data = {static_cast<uint8_t>(number), 1}});
    if (this->ticks_ % this->event_every_ == 0) {
      NodeEvent event;
      event.code.assign("F001");
      event.state = EventState::RAISED;
      const NodeEvent raised = this->node_.desk.raise(event);
      if (raised.key.number % 20 == 0)
        this->log_.keep(
            {.key = raised.key, .code = raised.code, .trigger_mono_us = now_us, .trigger_utc_us = 0});
    }
    this->node_.desk.run();
  }

  std::array<Readings::Cell, HOUSE_METRICS.size()> cells_;
  Node node_;
  LogWriter log_;
  uint32_t event_every_{1};
  uint32_t ticks_{0};
  std::optional<uint32_t> told_;
  Task writer_;
  Task bus_;
};

LogSettings quick_settings() {
  LogSettings settings = small_settings();
  settings.log_slots = 200;
  settings.timing = {.slow = {.span_ms = 1000, .slack_ms = 3000}, .fast = {.span_ms = 100, .slack_ms = 1900}};
  settings.snapshot_slots = 4;
  return settings;
}

// Of periods that divide the spans above.
std::vector<Channel> quick_channels() {
  std::vector<Channel> channels;
  for (Channel channel : HOUSE_LOG) {
    channel.period_us = channel.group == Group::FAST ? 10'000 : 1'000'000;
    channels.push_back(channel);
  }
  return channels;
}

int run(const std::string &folder) {
  FolderMedium medium(folder);
  const std::vector<Channel> channels = quick_channels();
  LogSettings settings = quick_settings();
  settings.log_channels = channels;
  Program program(medium, settings);
  if (!program.start(3)) return 1;
  while (true) program.loop();
}

int stall(const std::string &folder, double seconds) {
  TroubledMedium medium(folder);
  std::mt19937 random(1);
  auto next = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  medium.before_write = [&] {
    if (std::chrono::steady_clock::now() < next) return;
    std::this_thread::sleep_for(std::chrono::seconds(1));
    next = std::chrono::steady_clock::now() + std::chrono::milliseconds(500 + random() % 1500);
  };
  const std::vector<Channel> channels = quick_channels();
  LogSettings settings = quick_settings();
  settings.log_channels = channels;
  Program program(medium, settings);
  if (!program.start(20)) return 1;
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  while (std::chrono::steady_clock::now() < end) program.loop();
  const LogHealth health = program.log().health();
  std::printf("refused %u\nlost %u\nslow %u\n", health.refused_records, health.lost_frames,
              health.write_latency[7]);
  return 0;
}

void write_out(Rig &rig, const std::string &folder) {
  for (const StoredSnapshot &one : rig.snapshots()) {
    if (one.state == StoredState::RECORDING) continue;
    const auto bytes = rig.bytes_of(one);
    const auto part = static_cast<unsigned>(one.part);
    std::ofstream file(folder + "/" + std::to_string(one.key.number) + "-" + std::to_string(part) + ".umg",
                       std::ios::binary);
    file.write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    std::printf("snapshot %u %u %u\n", one.key.number, part, static_cast<unsigned>(one.state));
  }
}

int snapshots(const std::string &folder) {
  FolderMedium medium(folder + "/card");
  const auto trigger = [](Rig &rig) {
    const NodeEvent event = rig.raise();
    rig.trigger(event);
    std::printf("trigger %u %llu %lld\n", event.key.number, static_cast<unsigned long long>(event.mono_us),
                static_cast<long long>(event.utc_us));
  };
  {
    Rig rig(medium, 77);
    rig.run(100);
    for (int i = 0; i < 4; i++) {
      trigger(rig);
      rig.run(6);
    }
    rig.run(20);
    trigger(rig);
    rig.run(5);
  }
  Rig rig(medium, 78);
  rig.run(3);
  write_out(rig, folder);
  return 0;
}

}  // namespace

int main(int argc, char **argv) {
  const std::string verb = argc > 2 ? argv[1] : "";
  if (verb == "run") return run(argv[2]);
  if (verb == "snapshots") return snapshots(argv[2]);
  if (verb == "stall" && argc == 4) return stall(argv[2], std::strtod(argv[3], nullptr));
  std::fprintf(stderr, "usage: log_node run FOLDER | snapshots FOLDER | stall FOLDER SECONDS\n");
  return 2;
}
