// A recording on command: what the bus hears of it, what is kept, and when it is refused.
#include <gtest/gtest.h>

#include "esphome/components/microgrid_can/capture_command.h"
#include "memory_log.h"

namespace esphome::microgrid {
namespace {

constexpr uint64_t S = 1'000'000;
constexpr std::array SOURCES{CAN_INTERRUPT_STAMPS};
constexpr Identity IDENTITY{.role = Role::GATEWAY,
                            .number = 0,
                            .node = "gateway-1",
                            .cluster = "north",
                            .swarm = "village",
                            .name = "Gateway",
                            .hardware = "test",
                            .firmware = "0",
                            .boot_id = 0x5f2a10c4};

class CaptureTest : public testing::Test, public BusListener {
 protected:
  CaptureTest() {
    this->bus_.add(*this);
    this->command_.start();
  }
  void fault(const HeardFault &fault) override { this->heard_.push_back(fault); }

  std::array<Readings::Cell, GATEWAY_METRICS.size()> cells_{};
  Node node_{IDENTITY, SOURCES, GATEWAY_METRICS, cells_};
  BusNode bus_{node_.identity, node_.clock, node_.desk, {}};
  MemoryLog log_;
  CaptureCommand command_{node_, bus_, log_};
  std::vector<HeardFault> heard_;
};

TEST_F(CaptureTest, is_declared_without_parameters) {
  const auto declared = this->node_.command("capture_snapshot");
  ASSERT_EQ(declared.size(), 1U);
  EXPECT_TRUE(declared[0].parameters.empty());
  EXPECT_EQ(declared[0].handler, &this->command_);
  EXPECT_TRUE(this->node_.command("self_destruct").empty());
}

TEST_F(CaptureTest, names_an_event_of_its_own_that_the_bus_task_begins) {
  this->node_.desk.raise({.code = EventCode{"BOOT"}});
  const CommandOutcome outcome = this->command_.begin(60 * S);
  EXPECT_TRUE(outcome.succeeded);
  EXPECT_EQ(outcome.event_id.view(), "north.0:5f2a10c4:1");
  EXPECT_TRUE(this->heard_.empty());
  this->bus_.step(60 * S + 2000);
  this->bus_.step(60 * S + 4000);
  ASSERT_EQ(this->heard_.size(), 1U);
  const HeardFault &heard = this->heard_[0];
  EXPECT_EQ(heard.key, (EventKey{.node = 0, .boot_id = 0x5f2a10c4, .number = 1}));
  EXPECT_EQ(heard.fault_code, NO_FAULT);
  EXPECT_EQ(heard.state, EventState::RAISED);
  EXPECT_EQ(heard.mono_us, 60 * S + 2000);
  EXPECT_EQ(heard.utc_us, 0) << "nobody knows the time";
  EXPECT_EQ(this->node_.desk.raise({}).key.number, 2U);
}

TEST_F(CaptureTest, is_refused_when_the_last_one_was_a_moment_ago) {
  EXPECT_TRUE(this->command_.begin(60 * S).succeeded);
  const CommandOutcome outcome = this->command_.begin(90 * S - 1);
  EXPECT_FALSE(outcome.succeeded);
  EXPECT_EQ(outcome.reason, "the last recording was begun less than 30 s ago");
  EXPECT_TRUE(outcome.event_id.empty());
  EXPECT_TRUE(this->command_.begin(90 * S).succeeded);
}

TEST_F(CaptureTest, is_refused_without_a_place_and_costs_no_turn) {
  this->log_.snapshots_free = 0;
  EXPECT_EQ(this->command_.begin(60 * S).reason, "as many snapshots as fit are being recorded already");
  this->log_.card = CardState::MISSING;
  EXPECT_EQ(this->command_.run({}).reason, "there is no memory card to record on");
  this->bus_.step(61 * S);
  EXPECT_TRUE(this->heard_.empty());
  this->log_.snapshots_free = 1;  // in RAM
  EXPECT_EQ(this->command_.begin(61 * S).event_id.view(), "north.0:5f2a10c4:0");
}

}  // namespace
}  // namespace esphome::microgrid
