// Every protection: not before its delay, at its delay, with hysteresis, and never because of what is not
// known.
#include "esphome/components/microgrid_house/protections.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace esphome::microgrid {
namespace {

constexpr uint64_t BEAT = 10'000;

/// Readings and the protections that watch them, in simulated time.
struct Watched {
  std::array<Readings::Cell, HOUSE_METRICS.size()> cells{};
  Readings readings{HOUSE_METRICS, cells};
  Protections protections;
  uint64_t now_us{1'000'000};
  bool running{true};
  std::string story;

  void step() {
    for (const ProtectionChange &change :
         this->protections.step(this->readings, this->running, this->now_us)) {
      this->story += fault(change.code).code;
      this->story += change.state == EventState::RAISED ? '+' : '-';
    }
    this->now_us += BEAT;
  }
  void run(uint64_t us) {
    for (uint64_t i = 0; i < us / BEAT; i++) this->step();
  }
  void set(size_t metric, int32_t integer) { this->readings.set(metric, integer); }
};

/// How a row is driven: values in steps of its metrics.
struct Drive {
  size_t row;
  bool spread;
  int32_t good, limit, beyond, between;

  explicit Drive(size_t index) : row(index), spread(PROTECTIONS[index].watch == Watch::SPREAD) {
    const ProtectionRow &what = PROTECTIONS[index];
    const double step = step_of(HOUSE_METRICS[static_cast<size_t>(what.first)]);
    const auto steps = [&](float value) { return static_cast<int32_t>(std::lround(value / step)); };
    const int away = what.watch == Watch::BELOW ? -1 : 1;
    const int sign = what.watch == Watch::REVERSE ? -1 : 1;
    this->limit = sign * steps(what.limit);
    this->beyond = sign * (steps(what.limit) + away);
    this->good = sign * steps(what.release);
    this->between = sign * (steps(what.release) + away);
  }
  /// On the last metric of the row, the others are in the middle of things. Of a spread, the value is the
  /// difference.
  void apply(Watched &watched, int32_t value) const {
    const ProtectionRow &what = PROTECTIONS[this->row];
    const auto first = static_cast<size_t>(what.first);
    for (size_t i = 0; i + 1 < what.count; i++) watched.set(first + i, this->spread ? 3300 : this->good);
    watched.set(first + what.count - 1, this->spread ? 3300 + value : value);
  }
};

class EveryProtection : public testing::TestWithParam<size_t> {
 protected:
  const ProtectionRow &what() const { return PROTECTIONS[this->GetParam()]; }
  std::string code() const { return std::string{fault(this->what().code).code}; }
  /// Only this row, so that others with the same metrics keep quiet.
  void isolate(Watched &watched) const {
    for (size_t i = 0; i < Protections::ROWS; i++) {
      ProtectionSettings settings = watched.protections.settings(i);
      settings.enabled = i == this->GetParam();
      ASSERT_TRUE(watched.protections.set(i, settings));
    }
  }
};

TEST_P(EveryProtection, TripsAtItsDelayAndNotBefore) {
  Watched watched;
  this->isolate(watched);
  const Drive drive(this->GetParam());
  drive.apply(watched, drive.limit);
  watched.run(70'000'000);
  EXPECT_EQ(watched.story, "") << "at the limit is not beyond it";

  drive.apply(watched, drive.beyond);
  watched.run(this->what().delay_us);
  EXPECT_EQ(watched.story, "");
  EXPECT_FALSE(watched.protections.tripped());
  watched.step();
  EXPECT_EQ(watched.story, this->code() + "+");
  EXPECT_EQ(watched.protections.tripped(), this->what().trips);
  EXPECT_EQ(watched.protections.active(), 1U << this->GetParam());
  EXPECT_EQ(watched.protections.code(), static_cast<uint16_t>(this->what().code));
}

TEST_P(EveryProtection, ForgetsWhatDidNotLast) {
  Watched watched;
  this->isolate(watched);
  const Drive drive(this->GetParam());
  for (int i = 0; i < 5; i++) {
    drive.apply(watched, drive.beyond);
    watched.run(this->what().delay_us);
    drive.apply(watched, drive.limit);
    watched.step();
  }
  EXPECT_EQ(watched.story, "");
}

TEST_P(EveryProtection, ClearsBehindItsReleaseAfterFiveSeconds) {
  Watched watched;
  this->isolate(watched);
  const Drive drive(this->GetParam());
  drive.apply(watched, drive.beyond);
  watched.run(this->what().delay_us + BEAT);
  ASSERT_EQ(watched.story, this->code() + "+");
  drive.apply(watched, drive.between);
  watched.run(20'000'000);
  EXPECT_EQ(watched.story, this->code() + "+") << "between limit and release nothing changes";
  drive.apply(watched, drive.good);
  watched.run(Protections::CLEAR_AFTER_US);
  EXPECT_EQ(watched.story, this->code() + "+");
  watched.step();
  EXPECT_EQ(watched.story, this->code() + "+" + this->code() + "-");
  EXPECT_EQ(watched.protections.active(), 0U);
  EXPECT_EQ(watched.protections.tripped(), this->what().trips) << "the trip is latched";
  watched.protections.clear();
  watched.step();
  EXPECT_FALSE(watched.protections.tripped());
  EXPECT_EQ(watched.protections.code(), 0);
}

TEST_P(EveryProtection, NeitherTripsNorClearsByWhatIsNotKnown) {
  Watched watched;
  this->isolate(watched);
  const Drive drive(this->GetParam());
  watched.run(70'000'000);
  EXPECT_EQ(watched.story, "");
  drive.apply(watched, drive.beyond);
  watched.run(this->what().delay_us);
  watched.readings.clear();
  watched.step();
  drive.apply(watched, drive.beyond);
  watched.run(this->what().delay_us);
  EXPECT_EQ(watched.story, "") << "what was unknown in between begins anew";
  watched.step();
  ASSERT_EQ(watched.story, this->code() + "+");

  // Neither all unknown, nor only the one that was bad.
  watched.readings.clear();
  watched.run(60'000'000);
  drive.apply(watched, drive.good);
  watched.readings.forget(static_cast<size_t>(this->what().first) + this->what().count - 1);
  watched.run(60'000'000);
  EXPECT_EQ(watched.story, this->code() + "+");
  drive.apply(watched, drive.good);
  watched.run(Protections::CLEAR_AFTER_US + BEAT);
  EXPECT_EQ(watched.story, this->code() + "+" + this->code() + "-");
}

TEST_P(EveryProtection, IsSilentWhenDisabledAndOnlyWarnsWhenTold) {
  Watched watched;
  this->isolate(watched);
  const Drive drive(this->GetParam());
  ProtectionSettings settings = watched.protections.settings(this->GetParam());
  settings.enabled = false;
  ASSERT_TRUE(watched.protections.set(this->GetParam(), settings));
  drive.apply(watched, drive.beyond);
  watched.run(70'000'000);
  EXPECT_EQ(watched.story, "");
  settings.enabled = true;
  settings.trips = false;
  ASSERT_TRUE(watched.protections.set(this->GetParam(), settings));
  watched.run(70'000'000);
  EXPECT_EQ(watched.story, this->code() + "+");
  EXPECT_FALSE(watched.protections.tripped());
}

TEST_P(EveryProtection, RefusesAReleaseOnTheWrongSide) {
  Protections protections;
  ProtectionSettings settings = protections.settings(this->GetParam());
  settings.release = settings.limit + (this->what().watch == Watch::BELOW ? -1.0F : 1.0F);
  EXPECT_FALSE(protections.set(this->GetParam(), settings));
  settings.release = NAN;
  EXPECT_FALSE(protections.set(this->GetParam(), settings));
}

INSTANTIATE_TEST_SUITE_P(Table, EveryProtection, testing::Range(size_t{0}, Protections::ROWS),
                         [](const auto &parameter) {
                           const ProtectionRow &row = PROTECTIONS[parameter.param];
                           return std::string{fault(row.code).code} +
                                  (row.watch == Watch::BELOW ? "Low" : "High");
                         });

TEST(Protections, LooksAtTheInverterOnlyWhileItRuns) {
  Watched watched;
  watched.running = false;
  watched.set(static_cast<size_t>(HouseMetric::INVERTER_VOLTAGE), 0);
  watched.run(10'000'000);
  EXPECT_EQ(watched.story, "");
  watched.running = true;
  watched.run(300'000);
  EXPECT_EQ(watched.story, "F003+");
  watched.running = false;
  watched.run(6'000'000);
  EXPECT_EQ(watched.story, "F003+F003-");
}

TEST(Protections, CurrentCountsInBothDirections) {
  Watched watched;
  watched.set(static_cast<size_t>(HouseMetric::INVERTER_CURRENT), -3916);
  watched.run(40'000);
  EXPECT_EQ(watched.story, "F001+");
}

TEST(Protections, ABeatThatIsALittleEarlyDoesNotDelayTheTrip) {
  Watched watched;
  watched.set(static_cast<size_t>(HouseMetric::INVERTER_CURRENT), 5000);
  watched.protections.step(watched.readings, true, 1'000'000);
  watched.protections.step(watched.readings, true, 1'010'000);
  EXPECT_FALSE(watched.protections.tripped());
  watched.protections.step(watched.readings, true, 1'019'600);
  EXPECT_TRUE(watched.protections.tripped());
}

TEST(Protections, TellsACodeAtMostEveryTenSecondsButTripsAtOnce) {
  Watched watched;
  const auto current = static_cast<size_t>(HouseMetric::INVERTER_CURRENT);
  watched.set(current, 5000);
  watched.run(40'000);
  ASSERT_EQ(watched.story, "F001+");
  watched.set(current, 0);
  watched.protections.clear();
  watched.step();
  EXPECT_EQ(watched.story, "F001+F001-");
  EXPECT_FALSE(watched.protections.tripped());
  watched.set(current, 5000);
  watched.run(40'000);
  EXPECT_EQ(watched.story, "F001+F001-");
  EXPECT_TRUE(watched.protections.tripped());
  EXPECT_EQ(watched.protections.code(), 1);
  watched.run(10'000'000);
  EXPECT_EQ(watched.story, "F001+F001-F001+");
}

TEST(Protections, AnOperatorCannotClearWhatIsStillBeyondItsLimit) {
  Watched watched;
  const auto voltage = static_cast<size_t>(HouseMetric::DC_BUS_VOLTAGE);
  watched.set(voltage, 5900);
  watched.run(1'000'000);
  ASSERT_TRUE(watched.protections.tripped());
  EXPECT_TRUE(watched.protections.tripping());
  watched.protections.clear();
  watched.run(1'000'000);
  EXPECT_TRUE(watched.protections.tripped());
  EXPECT_EQ(watched.story, "F005+");
  watched.set(voltage, 5800);  // not yet back at the release
  watched.step();
  EXPECT_FALSE(watched.protections.tripping());
  watched.protections.clear();
  watched.step();
  EXPECT_FALSE(watched.protections.tripped());
  EXPECT_EQ(watched.story, "F005+F005-");
}

TEST(Protections, AnOperatorMayClearWhatIsNotKnownAnyMore) {
  Watched watched;
  watched.set(static_cast<size_t>(HouseMetric::CELL_VOLTAGE_3), 3700);
  watched.run(2'000'000);
  ASSERT_EQ(watched.story, "F010+");
  watched.readings.clear();
  watched.run(10'000'000);
  EXPECT_TRUE(watched.protections.tripped());
  watched.protections.clear();
  watched.step();
  EXPECT_FALSE(watched.protections.tripped());
}

TEST(Protections, RestartsByItselfOnlyWhenTold) {
  Watched watched;
  const auto voltage = static_cast<size_t>(HouseMetric::DC_BUS_VOLTAGE);
  watched.protections.set_restart_after(10'000'000);
  watched.set(voltage, 5900);
  watched.run(200'000);
  ASSERT_TRUE(watched.protections.tripped());
  watched.set(voltage, 5300);
  watched.run(5'000'000 + 10'000'000);
  EXPECT_TRUE(watched.protections.tripped());
  watched.run(20'000);
  EXPECT_FALSE(watched.protections.tripped());
}

TEST(Protections, ATripOfBeforeARestartStaysUntilAnOperatorEndsIt) {
  Watched watched;
  const auto voltage = static_cast<size_t>(HouseMetric::DC_BUS_VOLTAGE);
  watched.protections.restore_trip(5);
  EXPECT_TRUE(watched.protections.tripped());
  EXPECT_EQ(watched.protections.code(), 5);
  watched.set(voltage, 5300);
  watched.run(3'600'000'000);
  EXPECT_TRUE(watched.protections.tripped());
  EXPECT_EQ(watched.protections.code(), 5);
  EXPECT_FALSE(watched.protections.tripping());
  watched.protections.clear();
  watched.step();
  EXPECT_FALSE(watched.protections.tripped());
  EXPECT_EQ(watched.protections.code(), 0);
  EXPECT_EQ(watched.story, "") << "no fault of this start";
}

TEST(Protections, ATripOfBeforeARestartEndsByItselfOnlyBehindItsRelease) {
  Watched watched;
  const auto voltage = static_cast<size_t>(HouseMetric::DC_BUS_VOLTAGE);
  watched.protections.set_restart_after(10'000'000);
  watched.protections.restore_trip(5);
  watched.run(60'000'000);
  EXPECT_TRUE(watched.protections.tripped()) << "the value is not known";
  watched.set(voltage, 5800);
  watched.run(60'000'000);
  EXPECT_TRUE(watched.protections.tripped()) << "it is between release and limit";
  watched.set(voltage, 5300);
  watched.run(10'000'000);
  EXPECT_TRUE(watched.protections.tripped());
  watched.run(20'000);
  EXPECT_FALSE(watched.protections.tripped());
  EXPECT_EQ(watched.story, "");
}

TEST(Protections, AnOperatorEndsATripOfBeforeARestartUnlessItGoesOn) {
  Watched watched;
  const auto voltage = static_cast<size_t>(HouseMetric::DC_BUS_VOLTAGE);
  watched.protections.restore_trip(5);
  watched.set(voltage, 5900);
  watched.step();
  EXPECT_TRUE(watched.protections.tripping());
  watched.protections.clear();
  watched.step();
  EXPECT_TRUE(watched.protections.tripped());
  watched.set(voltage, 5800);  // not behind its release
  watched.step();
  watched.protections.clear();
  watched.step();
  EXPECT_FALSE(watched.protections.tripped());

  // A code that no protection has any more, and one that only warns now.
  for (const uint16_t code : {uint16_t{999}, uint16_t{15}}) {
    Watched other;
    other.protections.restore_trip(code);
    other.step();
    EXPECT_TRUE(other.protections.tripped());
    EXPECT_EQ(other.protections.code(), code);
    other.protections.clear();
    other.step();
    EXPECT_FALSE(other.protections.tripped());
  }
}

TEST(Protections, ASpreadNamesBothCells) {
  Watched watched;
  for (size_t i = 0; i < 16; i++) watched.set(static_cast<size_t>(HouseMetric::CELL_VOLTAGE_1) + i, 3300);
  watched.set(static_cast<size_t>(HouseMetric::CELL_VOLTAGE_4), 3380);
  watched.set(static_cast<size_t>(HouseMetric::CELL_VOLTAGE_9), 3270);
  for (int i = 0; i < 7000; i++) {
    const auto changes = watched.protections.step(watched.readings, true, watched.now_us);
    watched.now_us += BEAT;
    if (changes.empty()) continue;
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].code, FaultCode::F015);
    ASSERT_EQ(changes[0].cause.count, 2);
    EXPECT_EQ(changes[0].cause.metrics[0], HouseMetric::CELL_VOLTAGE_4);
    EXPECT_EQ(changes[0].cause.metrics[1], HouseMetric::CELL_VOLTAGE_9);
    return;
  }
  FAIL() << "nothing was raised";
}

/// The rule in plain words, with the whole past at hand: no timers, no state machine but "active".
class Plain {
 public:
  explicit Plain(size_t row) : what_(PROTECTIONS[row]) {}

  void step(const Readings &readings, uint64_t now_us) {
    Moment moment{.us = now_us, .beyond = false, .good = false};
    std::vector<double> known;
    bool cause_known = true;
    for (size_t i = 0; i < this->what_.count; i++) {
      const size_t metric = static_cast<size_t>(this->what_.first) + i;
      const double value = readings.value(metric);
      if (!std::isnan(value)) known.push_back(value);
      if (this->active && this->cause.count(metric) != 0 && std::isnan(value)) cause_known = false;
    }
    if (!known.empty()) {
      const auto [least, most] = std::minmax_element(known.begin(), known.end());
      const double tiny = 1e-6;  // the table's floats against steps of a metric
      double excess = 0, back = 0;
      switch (this->what_.watch) {
        case Watch::ABOVE:
          excess = *most - this->what_.limit, back = this->what_.release - *most;
          break;
        case Watch::BELOW:
          excess = this->what_.limit - *least, back = *least - this->what_.release;
          break;
        case Watch::MAGNITUDE:
          excess = std::max(*most, -*least) - this->what_.limit;
          back = this->what_.release - std::max(*most, -*least);
          break;
        case Watch::REVERSE:
          excess = -*least - this->what_.limit, back = this->what_.release + *least;
          break;
        case Watch::SPREAD:
          excess = *most - *least - this->what_.limit, back = this->what_.release - (*most - *least);
          break;
      }
      moment.beyond = excess > 10 * tiny;
      moment.good = back > -10 * tiny && cause_known;
    }
    this->past_.push_back(moment);
    while (now_us - this->past_.front().us > 61'000'000) this->past_.pop_front();

    if (!this->active) {
      if (this->held(&Moment::beyond, now_us, this->what_.delay_us, this->changed_us_) &&
          (!this->raised_us_ || now_us - *this->raised_us_ >= 10'000'000)) {
        this->active = true;
        this->raised_us_ = this->changed_us_ = now_us;
        this->remember_cause(readings);
      }
    } else if (this->held(&Moment::good, now_us, 5'000'000, this->changed_us_ + 1)) {
      this->active = false;
      this->changed_us_ = now_us + 1;
    }
  }
  bool active{false};

 private:
  struct Moment {
    uint64_t us;
    bool beyond, good;
  };
  bool held(bool Moment::*what, uint64_t now_us, uint64_t for_us, uint64_t not_before_us) const {
    uint64_t since_us = now_us;
    for (auto moment = this->past_.rbegin(); moment != this->past_.rend(); ++moment) {
      if (!((*moment).*what) || moment->us < not_before_us) break;
      since_us = moment->us;
      if (now_us - since_us >= for_us) return true;
    }
    return false;
  }
  void remember_cause(const Readings &readings) {
    this->cause.clear();
    std::optional<std::pair<double, size_t>> most, least;
    for (size_t i = 0; i < this->what_.count; i++) {
      const size_t metric = static_cast<size_t>(this->what_.first) + i;
      const double value = readings.value(metric);
      if (std::isnan(value)) continue;
      if (!most || value > most->first) most = {value, metric};
      if (!least || value < least->first) least = {value, metric};
    }
    const Watch watch = this->what_.watch;
    const bool low = watch == Watch::BELOW || watch == Watch::REVERSE ||
                     (watch == Watch::MAGNITUDE && -least->first > most->first);
    if (!low || watch == Watch::SPREAD) this->cause[most->second] = true;
    if (low || watch == Watch::SPREAD) this->cause[least->second] = true;
  }

  ProtectionRow what_;
  std::deque<Moment> past_;
  std::map<size_t, bool> cause;
  std::optional<uint64_t> raised_us_;
  uint64_t changed_us_{0};
};

TEST(Protections, RandomWalksAgreeWithThePlainRule) {
  for (size_t row = 0; row < Protections::ROWS; row++) {
    const ProtectionRow &what = PROTECTIONS[row];
    uint32_t raised = 0;
    for (uint32_t seed = 0; seed < 4; seed++) {
      std::mt19937 dice(seed * 100 + static_cast<uint32_t>(row));
      Watched watched;
      for (size_t i = 0; i < Protections::ROWS; i++) {
        ProtectionSettings settings = watched.protections.settings(i);
        settings.enabled = i == row;
        watched.protections.set(i, settings);
      }
      Plain plain(row);
      const double step = step_of(HOUSE_METRICS[static_cast<size_t>(what.first)]);
      const double width = std::abs(what.limit - what.release) + 3 * step;
      const double centre = (what.limit + what.release) / 2;
      const double sign = what.watch == Watch::REVERSE ? -1 : 1;
      std::vector<double> value(what.count, what.watch == Watch::SPREAD ? 3.3 : centre);
      // Long delays pass in longer strides. A direction is kept for a while, so that delays are met and
      // missed.
      const uint64_t stride_us = BEAT * (what.delay_us > 10'000'000 ? 10 : 1);
      const auto kept_beats = static_cast<uint32_t>((4'000'000 + what.delay_us) / stride_us);
      for (int beat = 0; beat < 20'000; beat++) {
        if (dice() % kept_beats == 0) {
          const auto share = [&](double most) { return std::uniform_real_distribution(-most, most)(dice); };
          const double level = share(1.5);
          for (double &one : value)
            one = what.watch == Watch::SPREAD ? 3.3 : centre + width * (level + share(0.2));
          if (what.watch == Watch::SPREAD) value[dice() % value.size()] += centre + width * level;
        }
        for (size_t i = 0; i < value.size(); i++) {
          const auto metric = static_cast<size_t>(what.first) + i;
          if (dice() % (kept_beats * 2 * value.size()) == 0) {
            watched.readings.forget(metric);
          } else {
            watched.readings.set_value(
                metric, sign * (value[i] + step * std::uniform_real_distribution(-1.0, 1.0)(dice)));
          }
        }
        watched.now_us += stride_us - BEAT;
        plain.step(watched.readings, watched.now_us);
        const bool before = watched.protections.active() != 0;
        watched.step();
        const bool active = watched.protections.active() != 0;
        ASSERT_EQ(active, plain.active) << "row " << row << " seed " << seed << " beat " << beat;
        if (active && !before) raised++;
      }
    }
    EXPECT_GT(raised, 5U) << "row " << row << ": the walks should be exciting";
  }
}

}  // namespace
}  // namespace esphome::microgrid
