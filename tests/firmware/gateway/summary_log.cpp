// Writes the summaries of four houses that live a plausible day: `summary_log LOG TRUTH SECONDS`.
//
// LOG gets the frames as they lie in a log; TRUTH a line for each second that was sampled: house, second, and
// the integer of every channel, `-` for none. Prints the bytes of a day.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "esphome/components/microgrid_gateway/house_summary.h"
#include "memory_log.h"

using namespace esphome::microgrid;

namespace {

constexpr uint64_t S = 1'000'000;
constexpr uint8_t HOUSES = 4;
constexpr std::array SOURCES{NETWORK_EXCHANGE};
constexpr Identity IDENTITY{.role = Role::GATEWAY,
                            .number = 0,
                            .node = "gateway-1",
                            .cluster = "north",
                            .swarm = "village",
                            .name = "",
                            .hardware = "",
                            .firmware = "",
                            .boot_id = 4711};

class Writer final : public SummarySink {
 public:
  explicit Writer(std::FILE *file) : file_(file) {}
  bool take(std::span<const uint8_t> frame) override {
    std::vector<uint8_t> bytes{frame.begin(), frame.end()};
    seal(bytes, {.boot_id = IDENTITY.boot_id, .seq = this->seq_++});
    this->bytes_ += bytes.size();
    this->longest_ = std::max(this->longest_, bytes.size());
    return std::fwrite(bytes.data(), 1, bytes.size(), this->file_) == bytes.size();
  }
  size_t bytes() const { return this->bytes_; }
  size_t longest() const { return this->longest_; }

 protected:
  std::FILE *file_;
  uint32_t seq_{0};
  size_t bytes_{0};
  size_t longest_{0};
};

/// Loads and clouds as random walks, noise as of real sensors.
class Life {
 public:
  explicit Life(uint8_t number) : house(number), dice_(number) {}

  void step(double s) {
    this->load_w_ = std::clamp(this->load_w_ + 40 * this->noise(this->dice_), 100.0, 5000.0);
    if (this->one(this->dice_) < 0.003) this->load_w_ = 100 + 4000 * this->one(this->dice_);
    const double sun = std::max(0.0, std::sin(s / 86'400 * 2 * M_PI));
    this->clouds_ = std::clamp(this->clouds_ + 0.02 * this->noise(this->dice_), 0.3, 1.0);
    const double solar_a = 8 * sun * this->clouds_;
    using M = HouseMetric;
    house.set(M::INVERTER_FREQUENCY, 50 - 0.25e-3 * this->load_w_ + 0.003 * this->noise(this->dice_));
    house.set(M::INVERTER_VOLTAGE, 230 + 0.3 * this->noise(this->dice_));
    house.set(M::INVERTER_CURRENT, this->load_w_ / 230 + 0.03 * this->noise(this->dice_));
    house.set(M::INVERTER_POWER, this->load_w_ + 5 * this->noise(this->dice_));
    house.set(M::DC_BUS_VOLTAGE, 52.8 + 0.02 * this->noise(this->dice_));
    house.set(M::MOSFET_TEMPERATURE_1, 35 + this->load_w_ / 200 + 0.1 * this->noise(this->dice_));
    house.set(M::STATE_OF_CHARGE, 60 + 10 * std::sin(s / 20'000));
    house.set(M::BATTERY_CURRENT, this->load_w_ / 52 - solar_a + 0.05 * this->noise(this->dice_));
    house.set(M::BATTERY_TEMPERATURE_1, 22 + std::sin(s / 9000));
    house.set(M::MPPT_INPUT_VOLTAGE, 20 + 100 * (sun > 0) + 0.5 * this->noise(this->dice_));
    house.set(M::MPPT_INPUT_CURRENT, solar_a + 0.02 * this->noise(this->dice_));
    house.set(M::LOAD_POWER, this->load_w_ + 5 * this->noise(this->dice_));
  }

  BusHouse house;

 protected:
  std::mt19937 dice_;
  std::normal_distribution<double> noise{0, 1};
  std::uniform_real_distribution<double> one{0, 1};
  double load_w_{800};
  double clouds_{0.8};
};

}  // namespace

int main(int argc, char **argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: summary_log LOG TRUTH SECONDS\n");
    return 2;
  }
  std::FILE *log = std::fopen(argv[1], "wb");
  std::FILE *truth = std::fopen(argv[2], "w");
  const auto seconds = static_cast<uint64_t>(std::strtoul(argv[3], nullptr, 10));
  if (log == nullptr || truth == nullptr) return 1;
  Writer writer{log};
  const auto cluster = std::make_unique<Cluster>();
  HouseDirectory directory;
  DisciplinedClock clock{SOURCES};
  const auto summaries = std::make_unique<SummaryLog>(*cluster, directory, IDENTITY, clock, writer);
  std::vector<std::unique_ptr<Life>> lives;
  for (uint8_t number = 1; number <= HOUSES; number++) {
    lives.push_back(std::make_unique<Life>(number));
    HouseIdentity identity{};
    identity.node.assign("house-0" + std::to_string(number));
    directory.set(number, identity);
  }
  std::mt19937 dice{5};
  for (uint64_t second = 60; second < 60 + seconds; second++) {
    const uint64_t now_us = second * S;
    for (const auto &life : lives) {
      life->step(static_cast<double>(second));
      // House 4 is away now and then, house 3 loses a message: what is not fresh is missing.
      const bool away = life->house.number == 4 && second / 200 % 3 == 2;
      cluster->peer_changed(life->house.number, life->house.peer(!away));
      if (away) continue;
      for (const CanFrame &frame : life->house.all_frames(now_us)) {
        const bool lost = life->house.number == 3 && dice() % 20 == 0;
        if (!lost) cluster->frame(frame);
      }
    }
    cluster->step(now_us);
    for (const auto &life : lives) {
      const uint8_t number = life->house.number;
      if (!cluster->present(number)) continue;
      std::string line;
      bool any = false;
      for (size_t i = 0; i < SUMMARY_CHANNELS.size(); i++) {
        const auto integer = cluster->readings(number).get(static_cast<size_t>(SUMMARY_METRICS[i]));
        any = any || integer;
        line += integer ? " " + std::to_string(*integer - SUMMARY_CHANNELS[i].offset) : " -";
      }
      if (any)
        std::fprintf(truth, "house-0%u %llu%s\n", number, static_cast<unsigned long long>(second),
                     line.c_str());
    }
    // Ten beats within the second: nothing but the first takes samples.
    for (uint64_t beat = 0; beat < 100; beat += 10) summaries->tick(now_us + beat * 10'000);
  }
  std::fclose(truth);
  const bool closed = std::fclose(log) == 0;
  const double per_day = static_cast<double>(writer.bytes()) / static_cast<double>(seconds) * 86'400;
  std::printf("summaries of %u houses: %.2f MB/day, longest frame %zu of %zu bytes, lost %u\n", HOUSES,
              per_day * 1e-6, writer.longest(), SUMMARY_FRAME_BYTES, summaries->lost());
  return closed ? 0 : 1;
}
