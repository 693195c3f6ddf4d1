// The driver of the MCP2515 and a model of the chip.
#include <gtest/gtest.h>

#include "mcp2515_model.h"

namespace esphome::microgrid {
namespace {

using Model = Mcp2515Model;

CanFrame frame(uint32_t identifier, std::initializer_list<uint8_t> data) {
  CanFrame made{
      .identifier = identifier, .mono_us = 0, .length = static_cast<uint8_t>(data.size()), .data = {}};
  std::copy(data.begin(), data.end(), made.data.begin());
  return made;
}

class Mcp2515Test : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(this->controller.start(16'000'000, 500'000)); }

  Mcp2515Findings look() { return this->controller.look(this->model.take_edge()); }
  /// Until the interrupt line is up.
  std::vector<CanFrame> drain() {
    std::vector<CanFrame> frames;
    Mcp2515Findings findings;
    do {
      findings = this->look();
      frames.insert(frames.end(), findings.frames.begin(), findings.frames.begin() + findings.frame_count);
    } while (findings.more);
    EXPECT_FALSE(this->model.interrupt_is_low());
    return frames;
  }

  Model model;
  Mcp2515 controller{model};
};

/// Length of the bit and its sample point in quanta, from the registers, by the formulas of the data sheet.
struct Bit {
  double rate;
  double sample_point;
};
Bit bit_of(const Mcp2515Timing &timing, double crystal_hz) {
  const int propagation = (timing.cnf2 & 7) + 1;
  const int phase1 = (timing.cnf2 >> 3 & 7) + 1;
  const int phase2 = (timing.cnf3 & 7) + 1;
  const int jump = (timing.cnf1 >> 6) + 1;
  EXPECT_TRUE(timing.cnf2 & 0x80);
  EXPECT_GE(phase2, 2);
  EXPECT_GT(phase2, jump);
  EXPECT_GE(propagation + phase1, phase2);
  const int quanta = 1 + propagation + phase1 + phase2;
  return {crystal_hz / (2.0 * ((timing.cnf1 & 0x3F) + 1)) / quanta, (1.0 + propagation + phase1) / quanta};
}

TEST(Mcp2515TimingTest, makes_the_bit_rates_of_the_contract) {
  for (const uint32_t crystal_hz : {8'000'000U, 16'000'000U}) {
    for (const uint32_t bit_rate : {500'000U, 125'000U}) {
      const auto timing = mcp2515_timing(crystal_hz, bit_rate);
      ASSERT_TRUE(timing);
      const Bit bit = bit_of(*timing, crystal_hz);
      EXPECT_EQ(bit.rate, bit_rate);
      const bool tight = crystal_hz == 8'000'000 && bit_rate == 500'000;
      EXPECT_NEAR(bit.sample_point, tight ? 0.75 : 0.8125, 1e-9);
    }
  }
  EXPECT_FALSE(mcp2515_timing(16'000'000, 0));
  EXPECT_FALSE(mcp2515_timing(16'000'000, 300'000));
  EXPECT_FALSE(mcp2515_timing(8'000'000, 1'000'000));
  EXPECT_FALSE(mcp2515_timing(20'000'000, 500'000));
}

TEST_F(Mcp2515Test, starts_the_chip) {
  const auto timing = mcp2515_timing(16'000'000, 500'000);
  EXPECT_EQ((Mcp2515Timing{model.at(Model::CNF1), model.at(Model::CNF2), model.at(Model::CNF3)}), *timing);
  EXPECT_EQ(model.at(Model::CANSTAT) & 0xE0, 0x00) << "normal mode";
  EXPECT_EQ(model.at(Model::RXB0CTRL), 0x64) << "any identifier, roll over";
  EXPECT_EQ(model.at(Model::RXB1CTRL), 0x60);
  EXPECT_EQ(controller.status().state, ControllerState::ACTIVE);
}

TEST_F(Mcp2515Test, knows_when_there_is_no_chip) {
  model.connected = false;
  EXPECT_FALSE(controller.start(16'000'000, 500'000));
  EXPECT_EQ(controller.refresh_status().state, ControllerState::STOPPED);
  EXPECT_FALSE(controller.send(frame(1, {})));
  model.connected = true;
  model.normal_mode_works = false;  // the bus is short-circuited
  EXPECT_FALSE(controller.start(16'000'000, 500'000));
  model.normal_mode_works = true;
  EXPECT_FALSE(controller.start(16'000'000, 123'456));
  EXPECT_TRUE(controller.start(8'000'000, 125'000));
}

TEST_F(Mcp2515Test, receives_every_kind_of_frame) {
  for (const CanFrame &sent : {frame(0, {}), frame(0x7EF, {1, 2, 3, 4, 5, 6, 7, 8}), frame(0x2A5, {9, 8, 7}),
                               frame(CAN_EXTENDED | 0x1ABCDEF3, {1, 2}), frame(CAN_REMOTE | 0x123, {}),
                               frame(CAN_EXTENDED | CAN_REMOTE | 0x1FFFFFFF, {})}) {
    model.arrive(sent);
    const auto received = this->drain();
    ASSERT_EQ(received.size(), 1U);
    EXPECT_EQ(received[0].identifier, sent.identifier);
    EXPECT_EQ(received[0].length, sent.length);
    EXPECT_EQ(received[0].data, sent.data) << "bytes beyond the length are zero";
  }
  model.length_code = 15;
  model.arrive(frame(0x101, {1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(this->drain().at(0).length, 8);
}

TEST_F(Mcp2515Test, sends_every_kind_of_frame) {
  for (const CanFrame &wanted : {frame(0, {}), frame(0x7EF, {1, 2, 3, 4, 5, 6, 7, 8}),
                                 frame(0x2A5, {9, 8, 7}), frame(CAN_EXTENDED | 0x1ABCDEF3, {1, 2}),
                                 frame(CAN_REMOTE | 0x123, {}), frame(CAN_EXTENDED | CAN_REMOTE | 5, {})}) {
    ASSERT_TRUE(controller.send(wanted));
    EXPECT_TRUE(controller.sending());
    EXPECT_FALSE(controller.send(frame(1, {}))) << "one at a time";
    model.complete();
    EXPECT_TRUE(this->look().sent);
    EXPECT_FALSE(controller.sending());
    EXPECT_EQ(model.sent.back().identifier, wanted.identifier);
    EXPECT_EQ(model.sent.back().length, wanted.length);
    EXPECT_EQ(model.sent.back().data, wanted.data);
    this->drain();
  }
}

TEST_F(Mcp2515Test, takes_two_frames_in_their_order) {
  model.arrive(frame(0x701, {1}));
  model.arrive(frame(0x701, {2}));
  const auto received = this->drain();
  ASSERT_EQ(received.size(), 2U);
  EXPECT_EQ(received[0].data[0], 1);
  EXPECT_EQ(received[1].data[0], 2);
  EXPECT_EQ(controller.status().missed, 0U);
}

TEST_F(Mcp2515Test, says_when_a_third_was_lost) {
  for (uint8_t i = 1; i <= 3; i++) model.arrive(frame(0x701, {i}));
  const auto received = this->drain();
  ASSERT_EQ(received.size(), 2U);
  EXPECT_EQ(received[1].data[0], 2);
  EXPECT_EQ(controller.status().missed, 1U);
  EXPECT_EQ(model.at(Model::EFLG) & 0xC0, 0);
  model.arrive(frame(0x701, {4}));
  EXPECT_EQ(this->drain().size(), 1U);
  EXPECT_EQ(controller.status().missed, 1U);
}

TEST_F(Mcp2515Test, loses_nothing_that_comes_while_it_reads) {
  model.arrive(frame(0x701, {1}));
  for (uint8_t i = 2; i <= 5; i++) {
    model.after_transfers.emplace_back(nullptr);  // the flags
    model.after_transfers.emplace_back(
        [this, i] { model.arrive(frame(0x701, {i})); });  // after the buffer was read
  }
  const auto received = this->drain();
  ASSERT_EQ(received.size(), 5U);
  for (uint8_t i = 0; i < 5; i++) EXPECT_EQ(received[i].data[0], i + 1);
}

TEST_F(Mcp2515Test, stamps_a_frame_at_the_edge) {
  this->drain();
  model.time_us = 50'000;
  model.arrive(frame(0x000, {1}));
  model.time_us = 50'300;  // the task was busy
  EXPECT_EQ(this->drain().at(0).mono_us, 50'000U);
}

TEST_F(Mcp2515Test, never_stamps_too_early) {
  this->drain();
  // Two causes, one edge: it may have been the other one.
  model.time_us = 50'000;
  ASSERT_TRUE(controller.send(frame(0x000, {})));
  model.complete();
  model.time_us = 50'250;
  model.arrive(frame(0x001, {1}));
  Mcp2515Findings findings = this->look();
  ASSERT_TRUE(findings.sent);
  EXPECT_FALSE(findings.sent_us);
  EXPECT_GE(findings.frames[0].mono_us, 50'250U);
  this->drain();

  // The edge falls just before the flags are read: the frame is found without it, and the next one must not
  // get it.
  model.time_us = 60'000;
  model.arrive(frame(0x001, {1}));
  const auto late_edge = model.take_edge();
  findings = controller.look(std::nullopt);
  ASSERT_EQ(findings.frame_count, 1U);
  EXPECT_GE(findings.frames[0].mono_us, 60'000U);
  model.time_us = 60'200;
  model.arrive(frame(0x001, {2}));
  model.take_edge();
  findings = controller.look(late_edge);
  ASSERT_EQ(findings.frame_count, 1U);
  EXPECT_GE(findings.frames[0].mono_us, 60'200U);
}

TEST_F(Mcp2515Test, stamps_a_transmission_at_the_edge) {
  this->drain();
  ASSERT_TRUE(controller.send(frame(0x000, {1})));
  EXPECT_FALSE(this->look().sent) << "not yet";
  model.time_us = 70'000;
  model.complete();
  model.time_us = 70'400;
  const Mcp2515Findings findings = this->look();
  EXPECT_TRUE(findings.sent);
  EXPECT_EQ(findings.sent_us, 70'000U);
}

TEST_F(Mcp2515Test, reads_the_error_counters) {
  model.set_errors(130, 7, 0x15);
  this->drain();
  EXPECT_EQ(controller.status().state, ControllerState::PASSIVE);
  EXPECT_EQ(controller.refresh_status().transmit_errors, 130);
  EXPECT_EQ(controller.status().receive_errors, 7);
  model.set_errors(0, 0, 0);
  EXPECT_EQ(controller.refresh_status().state, ControllerState::ACTIVE);
  this->drain();
  for (int i = 0; i < 3; i++) {
    model.fail_a_frame();
    EXPECT_FALSE(model.interrupt_is_low()) << "a bus without a second node must not keep the task busy";
    this->look();
  }
  EXPECT_EQ(controller.status().bus_errors, 3U);
}

TEST_F(Mcp2515Test, comes_back_from_bus_off_without_old_news) {
  ASSERT_TRUE(controller.send(frame(0x000, {1})));
  model.set_errors(255, 0, 0x35);
  this->drain();
  EXPECT_EQ(controller.status().state, ControllerState::BUS_OFF);
  EXPECT_EQ(controller.status().bus_offs, 1U);
  EXPECT_EQ(model.at(Model::TXB0CTRL) & 0x08, 0) << "what waited is withdrawn";
  EXPECT_FALSE(controller.send(frame(0x000, {2})));
  controller.refresh_status();
  EXPECT_EQ(controller.status().bus_offs, 1U) << "still the same";
  model.set_errors(0, 0, 0);
  this->drain();
  EXPECT_EQ(controller.status().state, ControllerState::ACTIVE);
  ASSERT_TRUE(controller.send(frame(0x000, {3})));
  model.complete();
  EXPECT_TRUE(this->look().sent);
}

TEST_F(Mcp2515Test, knows_when_the_chip_alone_was_reset) {
  ASSERT_TRUE(controller.send(frame(0x000, {1})));
  model.reset();
  EXPECT_EQ(controller.refresh_status().state, ControllerState::STOPPED);
  EXPECT_FALSE(controller.sending());
  EXPECT_FALSE(controller.send(frame(0x000, {2})));
  EXPECT_EQ(controller.refresh_status().state, ControllerState::STOPPED) << "until it is started";
  ASSERT_TRUE(controller.start(16'000'000, 500'000));
  EXPECT_EQ(controller.refresh_status().state, ControllerState::ACTIVE);
  model.arrive(frame(0x701, {3}));
  EXPECT_EQ(this->drain().size(), 1U);
  ASSERT_TRUE(controller.send(frame(0x000, {4})));
  model.complete();
  EXPECT_TRUE(this->look().sent);
}

TEST_F(Mcp2515Test, finds_nothing_on_a_line_without_a_chip) {
  for (const uint8_t level : {uint8_t{0xFF}, uint8_t{0x00}}) {
    model.idle_level = level;
    model.connected = false;
    Mcp2515Findings findings = this->look();
    EXPECT_EQ(findings.frame_count, 0);
    EXPECT_FALSE(findings.more) << "it would be looked at for ever";
    EXPECT_EQ(controller.refresh_status().state, ControllerState::STOPPED);
    EXPECT_EQ(controller.status().bus_offs, 0U);
    findings = this->look();
    EXPECT_EQ(findings.frame_count, 0);
    EXPECT_FALSE(findings.more);
    EXPECT_FALSE(controller.start(16'000'000, 500'000));
    model.connected = true;
    ASSERT_TRUE(controller.start(16'000'000, 500'000));
  }
}

TEST_F(Mcp2515Test, a_single_wrong_answer_does_not_stop_it) {
  model.wrong_answers = 1;
  EXPECT_EQ(controller.refresh_status().state, ControllerState::ACTIVE);
}

}  // namespace
}  // namespace esphome::microgrid
