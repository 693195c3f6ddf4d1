// Both sides with the real writers of the log on folders: what a house recorded of a fault, and its log,
// arrive at the gateway byte by byte.
#include <gtest/gtest.h>

#include "esphome/components/microgrid_can/bulk_client.h"
#include "esphome/components/microgrid_can/bulk_server.h"
#include "tests/firmware/log/rig.h"

namespace esphome::microgrid {
namespace {

constexpr uint32_t BIT_RATE = 500'000;
constexpr std::array GATEWAY_SOURCES{CAN_INTERRUPT_STAMPS};

class WriterTest : public testing::Test {
 protected:
  TemporaryFolder house_folder_;
  TemporaryFolder gateway_folder_;
  FolderMedium house_medium_{house_folder_.path};
  FolderMedium gateway_medium_{gateway_folder_.path};
  Rig house_{house_medium_, 71};
  BulkServer server_{house_.node.identity, house_.log.bus_port(), BIT_RATE};

  std::array<Readings::Cell, GATEWAY_METRICS.size()> cells_{};
  Node gateway_{{.role = Role::GATEWAY,
                 .number = 0,
                 .node = "gateway",
                 .cluster = "north",
                 .swarm = "swarm",
                 .name = "",
                 .hardware = "",
                 .firmware = "",
                 .boot_id = 5},
                GATEWAY_SOURCES,
                GATEWAY_METRICS,
                cells_};
  LogWriter log_{gateway_, gateway_medium_, settings()};
  std::vector<uint8_t> relay_room_ = std::vector<uint8_t>(16'384);
  LogRelay relay_{relay_room_};
  HouseDirectory directory_;
  BulkClient client_{log_.bus_port(), relay_, directory_, BIT_RATE};

  std::vector<std::vector<uint8_t>> relayed_;

  static LogSettings settings() {
    LogSettings settings = small_settings();
    settings.log_channels = GATEWAY_LOG;
    settings.capture_channels = GATEWAY_CAPTURE;
    return settings;
  }

  void SetUp() override {
    ASSERT_TRUE(this->house_.ok);
    ASSERT_TRUE(this->log_.setup(this->house_.now_us));
  }

  static void carry(BulkPort &from, BusListener &to, uint64_t now_us) {
    const CanFrame *due = from.due(now_us);
    if (due == nullptr) return;
    CanFrame frame = *due;
    from.sent(now_us);
    frame.mono_us = now_us;
    to.frame(frame);
  }

  /// The house works in steps of 10 ms; the bus between them.
  void run(double seconds) {
    const uint64_t end_us = this->house_.now_us + static_cast<uint64_t>(seconds * 1e6);
    while (this->house_.now_us < end_us) {
      for (uint64_t part_us = 0; part_us < STEP_US; part_us += 500) {
        carry(this->client_, this->server_, this->house_.now_us + part_us);
        carry(this->server_, this->client_, this->house_.now_us + part_us);
      }
      this->house_.run(0.01);
      this->log_.step(this->house_.now_us);
      const auto batch = this->relay_.ready();
      if (!batch) continue;
      FrameScanner scanner(batch->frames);
      while (const auto frame = scanner.next())
        this->relayed_.emplace_back(frame->bytes.begin(), frame->bytes.end());
      this->relay_.acknowledge(batch->last);
    }
  }
};

TEST_F(WriterTest, carry_snapshot_and_log_from_card_to_card) {
  Peer peer{.present = true, .ever = true};
  peer.heartbeat.boot_id = 71;
  this->client_.peer_changed(3, peer);
  this->run(30);
  const NodeEvent event = this->house_.raise();
  this->house_.trigger(event);
  this->client_.fault({.key = event.key,
                       .fault_code = 1,
                       .state = EventState::RAISED,
                       .severity = Severity::CRITICAL,
                       .mono_us = this->house_.now_us,
                       .utc_us = 0,
                       .time_valid = true});
  for (int i = 0; i < 60 && this->client_.statistics().snapshots == 0; i++) this->run(1);
  this->run(1);
  ASSERT_EQ(this->client_.statistics().snapshots, 1U);
  EXPECT_EQ(this->client_.statistics().damaged, 0U);
  EXPECT_TRUE(this->house_.snapshots().empty()) << "the house may forget it";

  std::vector<uint8_t> room(sizeof(StoredSnapshot) * 10);
  ASSERT_TRUE(this->log_.loop_port().ask({.what = ReadRequest::What::SNAPSHOTS, .room = room}));
  this->log_.step(this->house_.now_us);
  const auto list = this->log_.loop_port().reply();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->count, 1U);
  StoredSnapshot stored;
  std::memcpy(static_cast<void *>(&stored), room.data(), sizeof stored);
  EXPECT_EQ(stored.node, 3);
  EXPECT_EQ(stored.key, event.key);
  EXPECT_EQ(stored.part, SnapshotPart::MEASURED);
  EXPECT_EQ(stored.code.view(), "F001");
  EXPECT_NE(stored.state, StoredState::RECORDING) << "whole, with the right CRC";
  EXPECT_GT(stored.bytes, 4000U);

  this->run(60);
  // The ring keeps what was acknowledged until it needs the place.
  std::array<uint8_t, 16> none{};
  const ReadReply left = this->house_.ask({.what = ReadRequest::What::LOG_FROM_START}, none);
  EXPECT_EQ(left.count, 0U);
  ASSERT_GT(this->relayed_.size(), 5U);
  std::optional<uint32_t> last;
  for (const auto &frame : this->relayed_) {
    const auto header = parse_header(frame);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->boot_id, 71U);
    if (last) {
      EXPECT_EQ(header->seq, *last + 1);
    }
    last = header->seq;
  }
}

}  // namespace
}  // namespace esphome::microgrid
