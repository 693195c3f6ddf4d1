// The contactor's rules against two sources with a contactor that takes its time.
#include "esphome/components/microgrid_gateway/synchroniser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "two_sources.h"

namespace esphome::microgrid {
namespace {

using enum ContactorEvent;

constexpr uint64_t BEAT_US = 10'000;
constexpr uint64_t S = 1'000'000;

/// A gateway's contactor on two sources.
class Rig {
 public:
  explicit Rig(const SynchroniserSettings &settings = {}, uint64_t seed = 1)
      : site(seed), synchroniser(settings, site, site) {}

  /// True when it was driven closed meanwhile.
  bool run(double s) {
    bool closed = false;
    for (const uint64_t end = this->site.now_us + static_cast<uint64_t>(s * 1e6); this->site.now_us < end;) {
      this->site.pass(BEAT_US);
      this->synchroniser.step(this->site.sample(this->site.now_us), this->site.now_us);
      closed = closed || this->site.driven;
    }
    return closed;
  }
  bool run_until_closed(double at_most_s) {
    for (double s = 0; s < at_most_s; s += 0.01) {
      this->run(0.01);
      if (this->site.closed && this->synchroniser.closed() == true) return true;
    }
    return false;
  }
  /// Closed, on command, and everything told forgotten.
  void close() {
    this->site.cluster.frequency_hz = 50.05;
    this->synchroniser.command(true);
    ASSERT_TRUE(this->run_until_closed(60));
    this->run(1);
    this->site.told.clear();
  }

  TwoSources site;
  Synchroniser synchroniser;
};

TEST(Synchroniser, closes_within_the_limits_in_a_thousand_cases) {
  SynchroniserSettings settings;
  settings.minimum_off_s = 0;
  std::mt19937_64 dice{7};
  std::uniform_real_distribution<double> slip{-0.097, 0.097};
  std::uniform_real_distribution<double> phase{-180, 180};
  std::uniform_real_distribution<double> voltage{-6.8, 6.8};
  std::uniform_real_distribution<double> delay{-10, 10};
  std::uniform_real_distribution<double> wander{-0.002, 0.002};
  double worst_deg = 0;
  double mean_deg = 0;
  double worst_hz = 0;
  double slowest_s = 0;
  int closed = 0;
  for (int i = 0; i < 1000; i++) {
    Rig rig{settings, static_cast<uint64_t>(i)};
    rig.site.swarm.frequency_hz = 49.0 + 0.002 * i;
    rig.site.cluster.frequency_hz = rig.site.swarm.frequency_hz + slip(dice);
    rig.site.cluster.phase_deg = phase(dice);
    rig.site.cluster.voltage_v = 230.0 + voltage(dice);
    rig.site.closing_ms = 30 + delay(dice);
    rig.site.wander_hz_per_s = i % 2 == 0 ? 0 : wander(dice);
    rig.synchroniser.command(true);
    const uint64_t from = rig.site.now_us;
    // Two that turn alike may never meet: only beats of at least 10 mHz must.
    const bool beats = std::abs(rig.site.cluster.frequency_hz - rig.site.swarm.frequency_hz) > 0.01;
    const bool reached = rig.run_until_closed(120);
    if (beats && rig.site.wander_hz_per_s == 0) {
      EXPECT_TRUE(reached) << "case " << i;
    }
    if (!reached) continue;
    closed++;
    worst_deg = std::max(worst_deg, std::abs(rig.site.phases_at_closing.at(0)));
    mean_deg += std::abs(rig.site.phases_at_closing.at(0));
    worst_hz = std::max(worst_hz, std::abs(rig.site.slips_at_closing.at(0)));
    slowest_s = std::max(slowest_s, static_cast<double>(rig.site.now_us - from) * 1e-6);
    ASSERT_LE(std::abs(rig.site.phases_at_closing.at(0)), settings.phase_difference_deg) << "case " << i;
    ASSERT_LE(std::abs(rig.site.slips_at_closing.at(0)), settings.frequency_difference_hz + 0.005);
    ASSERT_LE(std::abs(rig.site.voltages_at_closing.at(0)), 6.9);
    ASSERT_EQ(rig.site.phases_at_closing.size(), 1U);
    ASSERT_EQ(rig.site.count(SYNC_REACHED), 1U);
    ASSERT_EQ(rig.site.count(CONTACTOR_CLOSED), 1U);
  }
  EXPECT_GT(closed, 900);
  std::printf(
      "closings: %d of 1000, phase at the touch %.2f deg at most, %.2f on average, slip %.3f Hz at most, "
      "slowest %.1f s\n",
      closed, worst_deg, mean_deg / closed, worst_hz, slowest_s);
}

TEST(Synchroniser, beats_that_are_too_fast_never_close) {
  for (const double slip_hz : {0.11, 0.15, 0.3, 0.5, 1.0, 2.0, -0.12, -0.7}) {
    Rig rig;
    rig.site.cluster.frequency_hz = 50.0 + slip_hz;
    rig.synchroniser.command(true);
    EXPECT_FALSE(rig.run(100)) << slip_hz;
    EXPECT_EQ(rig.site.count(SYNC_FAILED), 1U);
  }
}

TEST(Synchroniser, events_of_a_closing_and_an_opening) {
  Rig rig;
  rig.site.cluster.frequency_hz = 50.05;
  rig.run(1);
  EXPECT_TRUE(rig.site.told.empty());
  rig.synchroniser.command(true);
  ASSERT_TRUE(rig.run_until_closed(60));
  ASSERT_EQ(rig.site.told.size(), 3U);
  EXPECT_EQ(rig.site.told[0].event, SYNC_STARTED);
  EXPECT_EQ(rig.site.told[1].event, SYNC_REACHED);
  EXPECT_EQ(rig.site.told[2].event, CONTACTOR_CLOSED);
  EXPECT_EQ(rig.synchroniser.closings(), 1U);
  EXPECT_EQ(rig.synchroniser.status().contactor_position, dbc::ContactorPosition::CLOSED);

  rig.run(1);
  rig.synchroniser.command(false);
  rig.site.pass(BEAT_US);
  rig.synchroniser.step(rig.site.sample(0), rig.site.now_us);
  EXPECT_FALSE(rig.site.driven);  // at once
  EXPECT_EQ(rig.synchroniser.status().contactor_position, dbc::ContactorPosition::MOVING);
  rig.run(0.1);
  ASSERT_EQ(rig.site.told.size(), 4U);
  EXPECT_EQ(rig.site.told[3].event, CONTACTOR_OPENED);
  EXPECT_EQ(rig.site.told[3].sample.power_flow_w, 1500.0F);  // what it interrupted
  EXPECT_EQ(rig.synchroniser.status().contactor_position, dbc::ContactorPosition::OPEN);
}

TEST(Synchroniser, stays_open_for_the_minimum_time) {
  SynchroniserSettings settings;
  settings.minimum_off_s = 20;
  Rig rig{settings};
  rig.close();
  rig.synchroniser.command(false);
  rig.run(0.5);
  rig.synchroniser.command(true);
  EXPECT_FALSE(rig.run(19));
  EXPECT_TRUE(rig.run_until_closed(30));
}

TEST(Synchroniser, gives_up_waiting_after_a_minute_and_goes_on_trying) {
  Rig rig;
  rig.site.cluster.frequency_hz = 50.4;
  rig.synchroniser.command(true);
  const uint64_t from = rig.site.now_us;
  rig.run(59.9);
  EXPECT_FALSE(rig.synchroniser.sync_fault());
  EXPECT_EQ(rig.synchroniser.status().synchronisation, dbc::Synchronisation::WAITING);
  rig.run(0.3);
  EXPECT_TRUE(rig.synchroniser.sync_fault());
  EXPECT_EQ(rig.synchroniser.status().synchronisation, dbc::Synchronisation::FAILED);
  EXPECT_NEAR(static_cast<double>(*rig.site.first(SYNC_FAULT_RAISED) - from) * 1e-6, 60.0, 0.05);
  rig.run(60);
  EXPECT_EQ(rig.site.count(SYNC_FAULT_RAISED), 1U);
  EXPECT_EQ(rig.site.count(SYNC_FAILED), 1U);
  rig.site.cluster.frequency_hz = 50.03;
  ASSERT_TRUE(rig.run_until_closed(60));
  EXPECT_FALSE(rig.synchroniser.sync_fault());
  EXPECT_EQ(rig.site.count(SYNC_FAULT_CLEARED), 1U);

  Rig withdrawn;
  withdrawn.site.cluster.frequency_hz = 50.4;
  withdrawn.synchroniser.command(true);
  withdrawn.run(61);
  withdrawn.synchroniser.command(false);
  withdrawn.run(0.1);
  EXPECT_EQ(withdrawn.site.count(SYNC_FAULT_CLEARED), 1U);
  EXPECT_EQ(withdrawn.synchroniser.status().synchronisation, dbc::Synchronisation::IDLE);
}

TEST(Synchroniser, contacts_that_stay_closed_are_a_fault_after_two_seconds) {
  Rig rig;
  rig.close();
  rig.site.stuck = true;
  rig.synchroniser.command(false);
  const uint64_t from = rig.site.now_us;
  rig.run(1.9);
  EXPECT_FALSE(rig.synchroniser.contactor_fault());
  rig.run(0.3);
  EXPECT_TRUE(rig.synchroniser.contactor_fault());
  EXPECT_NEAR(static_cast<double>(*rig.site.first(CONTACTOR_FAULT_RAISED) - from) * 1e-6, 2.0, 0.05);
  EXPECT_EQ(rig.site.count(CONTACTOR_OPENED), 0U);
  EXPECT_EQ(rig.synchroniser.status().contactor_position, dbc::ContactorPosition::CLOSED);
  rig.site.stuck = false;
  rig.site.closed = false;
  rig.run(0.1);
  EXPECT_EQ(rig.site.count(CONTACTOR_FAULT_CLEARED), 1U);
  EXPECT_EQ(rig.site.count(CONTACTOR_OPENED), 1U);
}

TEST(Synchroniser, welded_contacts_that_shall_be_closed_again_are_only_held) {
  Rig rig;
  rig.close();
  rig.site.stuck = true;
  rig.synchroniser.command(false);
  rig.run(10);
  EXPECT_TRUE(rig.synchroniser.contactor_fault());
  rig.synchroniser.command(true);
  EXPECT_TRUE(rig.run(3));
  EXPECT_FALSE(rig.synchroniser.contactor_fault());
  EXPECT_EQ(rig.site.count(SYNC_REACHED), 0U);
  EXPECT_EQ(rig.site.count(CONTACTOR_CLOSED), 0U);
}

TEST(Synchroniser, a_command_to_close_that_is_not_followed_is_withdrawn) {
  Rig rig;
  rig.site.stuck = true;
  rig.site.cluster.frequency_hz = 50.05;
  rig.synchroniser.command(true);
  double driven_s = 0;
  double longest_s = 0;
  uint64_t driven_at = 0;
  uint64_t raised_at = 0;
  int attempts = 0;
  for (int beat = 0; beat < 20'000; beat++) {
    const bool before = rig.site.driven;
    rig.run(0.01);
    if (rig.site.driven && !before) {
      attempts++;
      if (driven_at == 0) driven_at = rig.site.now_us;
    }
    driven_s = rig.site.driven ? driven_s + 0.01 : 0;
    longest_s = std::max(longest_s, driven_s);
    if (raised_at == 0 && rig.synchroniser.contactor_fault()) raised_at = rig.site.now_us;
  }
  EXPECT_LE(longest_s, 0.32);
  EXPECT_NEAR(static_cast<double>(raised_at - driven_at) * 1e-6, 2.0, 0.05);
  EXPECT_TRUE(rig.synchroniser.contactor_fault());
  EXPECT_GE(attempts, 2);  // it tries again, now and then
  EXPECT_LE(attempts, 4);
  EXPECT_EQ(rig.site.count(CONTACTOR_FAULT_RAISED), 1U);
  EXPECT_EQ(rig.site.count(CONTACTOR_CLOSED), 0U);
  rig.site.stuck = false;
  ASSERT_TRUE(rig.run_until_closed(120));
  rig.run(0.1);
  EXPECT_FALSE(rig.synchroniser.contactor_fault());
  EXPECT_LE(std::abs(rig.site.phases_at_closing.at(0)), 10.0);
}

TEST(Synchroniser, contacts_that_fall_open_are_let_go) {
  Rig rig;
  rig.close();
  rig.site.closed = false;  // somebody pulled the coil's fuse
  rig.site.cluster.frequency_hz = 50.08;
  rig.run(0.1);
  EXPECT_FALSE(rig.site.driven);
  EXPECT_EQ(rig.site.count(TRIPPED), 1U);
  rig.run(2.1);
  EXPECT_TRUE(rig.synchroniser.contactor_fault());
  EXPECT_FALSE(rig.run(50));  // not before the time of reconnection
  ASSERT_TRUE(rig.run_until_closed(60));
  rig.run(0.1);
  EXPECT_FALSE(rig.synchroniser.contactor_fault());
}

TEST(Synchroniser, opens_beyond_the_limits_and_comes_back_after_a_minute_of_health) {
  struct Case {
    double frequency_hz;
    double voltage_v;
  };
  for (const Case &bad : {Case{47.4, 230}, Case{52.1, 230}, Case{50, 180}, Case{50, 270}, Case{50, 5}}) {
    Rig rig;
    rig.close();
    rig.site.swarm.frequency_hz = bad.frequency_hz;
    rig.site.swarm.voltage_v = bad.voltage_v;
    rig.run(0.15);
    EXPECT_TRUE(rig.site.driven);  // a dip may pass
    rig.run(0.2);
    EXPECT_FALSE(rig.site.driven) << bad.frequency_hz << " Hz " << bad.voltage_v << " V";
    EXPECT_EQ(rig.site.count(TRIPPED), 1U);
    rig.site.cluster = {50.06, 231, 0};
    rig.run(40);
    rig.site.swarm.frequency_hz = 50;
    rig.site.swarm.voltage_v = 230;
    EXPECT_FALSE(rig.run(59)) << "both sides have to be healthy for a minute";
    EXPECT_TRUE(rig.run_until_closed(40));
  }
}

TEST(Synchroniser, a_short_dip_does_not_open) {
  Rig rig;
  rig.close();
  for (int i = 0; i < 20; i++) {
    rig.site.swarm.frequency_hz = 47.0;
    rig.run(0.15);
    rig.site.swarm.frequency_hz = 50.0;
    rig.run(0.1);
  }
  EXPECT_TRUE(rig.site.driven);
}

TEST(Synchroniser, dead_sides_only_as_configured) {
  for (int allowed = 0; allowed < 4; allowed++) {
    for (int dead = 1; dead < 4; dead++) {
      SynchroniserSettings settings;
      settings.close_on_dead_swarm = (allowed & 1) != 0;
      settings.close_on_dead_cluster = (allowed & 2) != 0;
      Rig rig{settings};
      if ((dead & 1) != 0) rig.site.swarm = {0, 3, 0};
      if ((dead & 2) != 0) rig.site.cluster = {0, 3, 0};
      rig.synchroniser.command(true);
      const bool early = rig.run(4.5);
      EXPECT_FALSE(early);
      EXPECT_EQ(rig.run(4), (allowed & dead) == dead) << "allowed " << allowed << " dead " << dead;
    }
  }
}

TEST(Synchroniser, a_sick_voltage_is_not_a_dead_one) {
  SynchroniserSettings settings;
  settings.close_on_dead_swarm = true;
  settings.close_on_dead_cluster = true;
  for (const double voltage_v : {24.0, 60.0, 120.0, 180.0, 280.0}) {
    Rig rig{settings};
    rig.site.swarm.voltage_v = voltage_v;
    rig.site.cluster.frequency_hz = 50.05;
    rig.synchroniser.command(true);
    EXPECT_FALSE(rig.run(100)) << voltage_v;
  }
}

/// A wire of the voltage broke, and the crossings still come: that side is live.
TEST(Synchroniser, a_side_without_voltage_that_has_a_frequency_is_not_dead) {
  SynchroniserSettings settings;
  settings.close_on_dead_swarm = true;
  settings.close_on_dead_cluster = true;
  for (const bool swarm : {true, false}) {
    Rig rig{settings};
    (swarm ? rig.site.swarm : rig.site.cluster).voltage_v = 2;
    rig.site.cluster.frequency_hz = 50.05;
    rig.synchroniser.command(true);
    EXPECT_FALSE(rig.run(100));
    (swarm ? rig.site.swarm : rig.site.cluster).frequency_hz = 0;
    EXPECT_TRUE(rig.run(10));

    Rig closed{settings};  // while it is closed: it opens as it must, and stays so
    closed.close();
    for (int beat = 0; beat < 30000; beat++) {
      closed.site.pass(BEAT_US);
      GatewaySample sample = closed.site.sample(0);
      (swarm ? sample.swarm_voltage_v : sample.cluster_voltage_v) = 2;
      closed.synchroniser.step(sample, closed.site.now_us);
      ASSERT_EQ(closed.site.driven, beat < 20) << beat;
    }
    EXPECT_EQ(closed.site.count(TRIPPED), 1U);
  }
}

/// Whatever single input is missing, absurd or stuck, the contactor stays open.
TEST(Synchroniser, never_closes_on_what_is_not_known) {
  constexpr float NONE = std::numeric_limits<float>::quiet_NaN();
  constexpr float INFINITE = std::numeric_limits<float>::infinity();
  SynchroniserSettings settings;
  settings.close_on_dead_swarm = true;
  settings.close_on_dead_cluster = true;
  for (int field = 0; field < 6; field++) {
    for (const float value : {NONE, INFINITE, -INFINITE, 1e30F, -1e30F, -1.0F}) {
      Rig rig{settings};
      rig.site.cluster.frequency_hz = 50.05;
      rig.synchroniser.command(true);
      if (field == 4 && value == -1.0F) continue;  // a phase that can be
      for (int beat = 0; beat < 3000; beat++) {
        rig.site.pass(BEAT_US);
        GatewaySample sample = rig.site.sample(0);
        switch (field) {
          case 0:
            sample.cluster_frequency_hz = value;
            break;
          case 1:
            sample.swarm_frequency_hz = value;
            break;
          case 2:
            sample.cluster_voltage_v = value;
            break;
          case 3:
            sample.swarm_voltage_v = value;
            break;
          case 4:
            sample.phase_difference_deg = value;
            break;
          default:
            sample.auxiliary = AuxiliaryContact::UNKNOWN;
        }
        rig.synchroniser.step(sample, rig.site.now_us);
        ASSERT_FALSE(rig.site.driven) << "field " << field << " value " << value;
      }
    }
  }
}

/// Samples thrown by dice around the limits, many of them unknown: whenever it drives, the last half second
/// was good.
TEST(Synchroniser, drives_only_after_half_a_second_of_good_samples) {
  std::mt19937_64 dice{11};
  std::uniform_real_distribution<double> one{0, 1};
  int closings = 0;
  for (int i = 0; i < 300; i++) {
    Rig rig{{}, static_cast<uint64_t>(i)};
    rig.site.cluster.frequency_hz = 50.0 + 0.12 * (one(dice) - 0.5);
    rig.site.cluster.phase_deg = 40 * (one(dice) - 0.5);
    rig.synchroniser.command(true);
    const double missing = i % 3 == 0 ? 0.0 : 0.02 * one(dice);
    uint64_t bad_us = rig.site.now_us;
    for (int beat = 0; beat < 1500 && !rig.site.closed; beat++) {
      rig.site.pass(BEAT_US);
      GatewaySample sample = rig.site.sample(0);
      if (one(dice) < missing) sample.phase_difference_deg = GatewaySample::UNKNOWN;
      if (one(dice) < missing) sample.swarm_voltage_v = 200 + static_cast<float>(60 * one(dice));
      if (one(dice) < missing) sample.cluster_frequency_hz = GatewaySample::UNKNOWN;
      const double slip_hz = sample.cluster_frequency_hz - sample.swarm_frequency_hz;
      const double touch_deg = sample.phase_difference_deg + 360 * slip_hz * 0.03;
      const bool good = std::abs(slip_hz) <= 0.1 && std::abs(touch_deg) <= 10 &&
                        std::abs(sample.cluster_voltage_v - sample.swarm_voltage_v) <= 6.9;
      if (!good) bad_us = rig.site.now_us;
      const bool before = rig.site.driven;
      rig.synchroniser.step(sample, rig.site.now_us);
      if (rig.site.driven && !before) {
        closings++;
        ASSERT_GE(rig.site.now_us - bad_us, 500'000U);
      }
    }
  }
  EXPECT_GT(closings, 50);
}

TEST(Synchroniser, a_phase_that_does_not_move_with_the_frequencies_is_not_believed) {
  Rig rig;
  rig.site.cluster.frequency_hz = 50.05;
  rig.site.stuck_phase_deg = 1.0;
  rig.run(20);  // while nobody wants it closed it learns already
  rig.synchroniser.command(true);
  EXPECT_FALSE(rig.run(100));
  rig.site.stuck_phase_deg.reset();
  EXPECT_TRUE(rig.run_until_closed(120));
  EXPECT_LE(std::abs(rig.site.phases_at_closing.at(0)), 10.0);
}

TEST(Synchroniser, blind_it_opens_after_a_while) {
  Rig rig;
  rig.close();
  for (int beat = 0; beat < 990; beat++) {
    rig.site.pass(BEAT_US);
    GatewaySample sample{};
    sample.auxiliary = AuxiliaryContact::CLOSED;
    rig.synchroniser.step(sample, rig.site.now_us);
  }
  EXPECT_TRUE(rig.site.driven);
  for (int beat = 0; beat < 20; beat++) {
    rig.site.pass(BEAT_US);
    GatewaySample sample{};
    sample.auxiliary = AuxiliaryContact::CLOSED;
    rig.synchroniser.step(sample, rig.site.now_us);
  }
  EXPECT_FALSE(rig.site.driven);
}

TEST(Synchroniser, without_an_auxiliary_contact_the_command_is_believed) {
  SynchroniserSettings settings;
  settings.auxiliary_contact = false;
  Rig rig{settings};
  rig.site.stuck_auxiliary = false;
  rig.site.cluster.frequency_hz = 50.05;
  rig.synchroniser.command(true);
  ASSERT_TRUE(rig.run_until_closed(60));
  rig.run(5);
  EXPECT_TRUE(rig.site.driven);
  EXPECT_FALSE(rig.synchroniser.contactor_fault());
  rig.synchroniser.command(false);
  rig.run(0.1);
  EXPECT_EQ(rig.site.count(CONTACTOR_OPENED), 1U);
}

/// A restart: another synchroniser on the same contactor.
TEST(Synchroniser, after_a_restart_closed_contacts_that_shall_be_closed_are_held) {
  Rig rig;
  rig.close();
  Synchroniser restarted{{}, rig.site, rig.site};
  restarted.command(true);
  for (int beat = 0; beat < 300; beat++) {
    rig.site.pass(BEAT_US);
    restarted.step(rig.site.sample(0), rig.site.now_us);
    ASSERT_TRUE(rig.site.driven) << beat;
    ASSERT_TRUE(rig.site.closed);
  }
  EXPECT_TRUE(restarted.decided());
  EXPECT_TRUE(restarted.driven());
  EXPECT_TRUE(rig.site.told.empty());
  EXPECT_EQ(restarted.closings(), 0U);
}

TEST(Synchroniser, after_a_restart_open_contacts_are_closed_only_in_step) {
  Rig rig;
  rig.synchroniser.command(true);
  rig.site.cluster.frequency_hz = 50.05;
  rig.site.cluster.phase_deg = 90;
  rig.site.pass(BEAT_US);
  rig.synchroniser.step(rig.site.sample(0), rig.site.now_us);
  EXPECT_TRUE(rig.synchroniser.decided());
  EXPECT_FALSE(rig.site.driven);
  ASSERT_TRUE(rig.run_until_closed(60));
  EXPECT_EQ(rig.site.count(SYNC_STARTED), 1U);
  EXPECT_LE(std::abs(rig.site.phases_at_closing.at(0)), 10.0);
}

TEST(Synchroniser, after_a_restart_closed_contacts_that_shall_be_open_are_opened) {
  Rig rig;
  rig.close();
  Synchroniser restarted{{}, rig.site, rig.site};
  rig.site.pass(BEAT_US);
  restarted.step(rig.site.sample(0), rig.site.now_us);
  EXPECT_FALSE(rig.site.driven);
  for (int beat = 0; beat < 10; beat++) {
    rig.site.pass(BEAT_US);
    restarted.step(rig.site.sample(0), rig.site.now_us);
  }
  EXPECT_EQ(rig.site.count(CONTACTOR_OPENED), 1U);
}

/// An auxiliary contact that lies must not make a restart close out of step.
TEST(Synchroniser, after_a_restart_a_lying_auxiliary_contact_closes_nothing) {
  Rig rig;
  rig.site.stuck_auxiliary = true;
  rig.site.cluster.frequency_hz = 50.3;
  rig.synchroniser.command(true);
  EXPECT_FALSE(rig.run(100));
  EXPECT_TRUE(rig.synchroniser.contactor_fault());
}

}  // namespace
}  // namespace esphome::microgrid
