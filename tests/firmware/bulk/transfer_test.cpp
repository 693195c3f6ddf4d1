// Snapshots and logs on their way from houses to the gateway, over a bus that is loaded, loses frames, and
// nodes that restart at any time.
#include <gtest/gtest.h>

#include "cluster.h"

namespace esphome::microgrid {
namespace {

constexpr EventKey FAULT{.node = 1, .boot_id = 7, .number = 3};

TEST(Snapshots, of_four_houses_arrive_within_30_s_at_less_than_30_percent_of_the_bus) {
  Cluster cluster(4);
  cluster.hear_all();
  cluster.bus.run_until(61 * SECOND);
  // The window is over 10 s after the fault; then each house copies it into its store for a second.
  cluster.fault();
  const uint64_t window_ends_us = cluster.bus.now_us + 10 * SECOND;
  for (const auto &house : cluster.houses) {
    house->card.pin(FAULT, house->number, {}, SnapshotPart::MEASURED, StoredState::RECORDING);
    for (int i = 0; i < 20; i++) house->log(1200);  // and their logs wait too
  }
  cluster.bus.run_until(window_ends_us + SECOND);
  size_t bytes = 0;
  for (const auto &house : cluster.houses) {
    house->card.snapshots.clear();
    house->card.pin(FAULT, house->number, random_data(90'000, 9), SnapshotPart::TRAFFIC);
    house->card.pin(FAULT, house->number, random_data(10'000U + house->number, house->number));
    bytes += house->card.snapshots.back().data.size();
  }
  const auto all_there = [&] {
    return std::all_of(cluster.houses.begin(), cluster.houses.end(),
                       [&](const auto &house) { return cluster.pulled(house->number, FAULT) != nullptr; });
  };
  uint64_t most_us = 0;  // of bulk in any second
  while (!all_there() && cluster.bus.now_us < window_ends_us + 60 * SECOND) {
    const uint64_t before_us = cluster.bus.bulk_us;
    cluster.bus.run_until(cluster.bus.now_us + SECOND, all_there);
    most_us = std::max(most_us, cluster.bus.bulk_us - before_us);
  }
  const double seconds = static_cast<double>(cluster.bus.now_us - window_ends_us) / 1e6;
  constexpr size_t OWN_BYTES = 90'000;  // of the gateway, with the traffic: on its card already
  std::printf(
      "snapshots of 4 houses: %zu bytes over the bus, %zu with the gateway's own, %.1f s after the window, "
      "bulk takes at most %.1f %% of the bus\n",
      bytes, bytes + OWN_BYTES, seconds, static_cast<double>(most_us) / 1e4);
  ASSERT_TRUE(all_there());
  EXPECT_LE(seconds, 30);
  EXPECT_LE(bytes + OWN_BYTES, 150'000U);
  EXPECT_LE(most_us, 300'000U);
  for (const auto &house : cluster.houses)
    EXPECT_EQ(*cluster.pulled(house->number, FAULT), random_data(10'000U + house->number, house->number));
  EXPECT_EQ(cluster.gateway.card.stored_bytes, bytes) << "nothing twice, and no traffic";
  cluster.bus.run_until(cluster.bus.now_us + 30 * SECOND);
  for (const auto &house : cluster.houses) {
    EXPECT_TRUE(house->card.snapshots.empty()) << "told that it may be forgotten";
    EXPECT_EQ(cluster.stored[house->number], Cluster::positions(*house)) << "then the logs";
  }
  EXPECT_EQ(cluster.gateway.client->statistics().timeouts, 0U);
  EXPECT_EQ(cluster.gateway.client->statistics().snapshots, 4U);
}

TEST(Snapshots, complete_without_repetition_when_a_fifth_of_the_frames_is_lost) {
  Cluster cluster(2);
  cluster.bus.loss = 0.2;
  for (const auto &house : cluster.houses) {
    house->card.pin(FAULT, house->number, random_data(1500, house->number));
    for (int i = 0; i < 3; i++) house->log(300);
  }
  cluster.hear_all();
  const auto over = [&] {
    return cluster.pulled(1, FAULT) != nullptr && cluster.pulled(2, FAULT) != nullptr &&
           cluster.stored[1].size() == 3 && cluster.stored[2].size() == 3;
  };
  EXPECT_TRUE(cluster.bus.run_until(12 * 3600 * SECOND, over));
  std::printf("20 %% loss: 2 x 1.5 kB and 2 x 1 kB of log in %.0f min, %u exchanges broke off\n",
              static_cast<double>(cluster.bus.now_us) / 60e6,
              cluster.gateway.client->statistics().timeouts.load());
  EXPECT_EQ(cluster.gateway.card.stored_bytes, 3000U);
  for (const auto &house : cluster.houses) {
    EXPECT_EQ(cluster.stored[house->number], Cluster::positions(*house));
    EXPECT_EQ(*cluster.pulled(house->number, FAULT), random_data(1500, house->number));
  }
}

TEST(Snapshots, go_on_after_a_little_loss_at_nearly_full_speed) {
  Cluster cluster(1);
  cluster.bus.loss = 0.002;
  cluster.house(1).card.pin(FAULT, 1, random_data(50'000, 1));
  cluster.hear_all();
  EXPECT_TRUE(cluster.bus.run_until(120 * SECOND, [&] { return cluster.pulled(1, FAULT) != nullptr; }));
  std::printf("0.2 %% loss: 50 kB in %.0f s\n", static_cast<double>(cluster.bus.now_us) / 1e6);
  EXPECT_EQ(cluster.gateway.card.stored_bytes, 50'000U);
}

TEST(Snapshots, go_on_where_they_were_after_a_restart_of_the_house) {
  for (const size_t stored : {0U, 1U, 9'000U, 19'000U}) {
    Cluster cluster(2);
    cluster.house(1).card.pin(FAULT, 1, random_data(20'000, 1));
    cluster.hear_all();
    ASSERT_TRUE(
        cluster.bus.run_until(60 * SECOND, [&] { return cluster.gateway.card.stored_bytes >= stored; }));
    cluster.bus.run_until(cluster.bus.now_us + 123'456);  // in the middle of a chunk
    cluster.house(1).server.reset();
    cluster.bus.run_until(cluster.bus.now_us + 2 * SECOND);
    cluster.house(1).restart();
    cluster.hear(1);
    ASSERT_TRUE(cluster.bus.run_until(60 * SECOND, [&] { return cluster.pulled(1, FAULT) != nullptr; }))
        << stored;
    EXPECT_EQ(*cluster.pulled(1, FAULT), random_data(20'000, 1));
    EXPECT_EQ(cluster.gateway.card.stored_bytes, 20'000U);
  }
}

TEST(Snapshots, go_on_where_they_were_after_a_restart_of_the_gateway) {
  for (const size_t stored : {0U, 1U, 9'000U, 19'000U, 20'000U}) {
    Cluster cluster(2);
    cluster.house(1).card.pin(FAULT, 1, random_data(20'000, 1));
    cluster.hear_all();
    ASSERT_TRUE(
        cluster.bus.run_until(60 * SECOND, [&] { return cluster.gateway.card.stored_bytes >= stored; }));
    if (stored < 20'000) cluster.bus.run_until(cluster.bus.now_us + 123'456);
    cluster.gateway.restart();
    cluster.hear_all();
    const auto over = [&] { return cluster.house(1).card.snapshots.empty(); };
    ASSERT_TRUE(cluster.bus.run_until(60 * SECOND, over)) << stored;
    EXPECT_EQ(*cluster.pulled(1, FAULT), random_data(20'000, 1));
    EXPECT_EQ(cluster.gateway.card.stored_bytes, 20'000U);
    EXPECT_EQ(cluster.gateway.card.foreign.size(), 1U);
  }
}

TEST(Snapshots, of_a_house_that_vanishes_do_not_keep_the_others_waiting) {
  Cluster cluster(2);
  for (const auto &house : cluster.houses)
    house->card.pin(FAULT, house->number, random_data(20'000, house->number));
  cluster.hear_all();
  ASSERT_TRUE(cluster.bus.run_until(60 * SECOND, [&] { return cluster.gateway.card.stored_bytes > 4000; }));
  const uint8_t first = cluster.gateway.card.foreign[0].about.node;
  const auto second = static_cast<uint8_t>(3 - first);
  cluster.house(first).server.reset();
  cluster.hear(first, false);
  const uint64_t gone_us = cluster.bus.now_us;
  ASSERT_TRUE(cluster.bus.run_until(60 * SECOND, [&] { return cluster.pulled(second, FAULT) != nullptr; }));
  EXPECT_LT(cluster.bus.now_us - gone_us, 6 * SECOND);
  cluster.house(first).restart();
  cluster.hear(first);
  ASSERT_TRUE(cluster.bus.run_until(120 * SECOND, [&] { return cluster.pulled(first, FAULT) != nullptr; }));
  EXPECT_EQ(cluster.gateway.card.stored_bytes, 40'000U);
}

TEST(Snapshots, wait_until_they_are_recorded_and_until_the_card_takes_them) {
  Cluster cluster(1);
  cluster.house(1).card.pin(FAULT, 1, random_data(5000, 1), SnapshotPart::MEASURED, StoredState::RECORDING);
  cluster.hear_all();
  cluster.bus.run_until(5 * SECOND);
  EXPECT_TRUE(cluster.gateway.card.foreign.empty());
  cluster.gateway.card.failing = true;
  cluster.house(1).card.snapshots[0].about.state = StoredState::PARTIAL;
  cluster.bus.run_until(30 * SECOND);
  EXPECT_TRUE(cluster.gateway.card.foreign.empty());
  EXPECT_GT(cluster.gateway.client->statistics().medium_errors, 0U);
  cluster.gateway.card.failing = false;
  cluster.gateway.card.latency_us = 3 * SECOND;  // and then it is slow
  EXPECT_TRUE(cluster.bus.run_until(90 * SECOND, [&] { return cluster.pulled(1, FAULT) != nullptr; }));
  EXPECT_EQ(cluster.gateway.card.foreign[0].about.state, StoredState::PARTIAL);
  EXPECT_EQ(cluster.gateway.card.foreign[0].about.code.view(), "F005");
  EXPECT_EQ(cluster.gateway.client->statistics().timeouts, 0U);
}

TEST(Snapshots, without_a_name_wait_until_they_have_one) {
  Cluster cluster(1);
  cluster.house(1).card.pin({.node = 3, .boot_id = 0, .number = 4}, 1, random_data(500, 1));
  cluster.hear_all();
  cluster.bus.run_until(30 * SECOND);
  EXPECT_TRUE(cluster.gateway.card.foreign.empty());
  constexpr EventKey NAMED{.node = 3, .boot_id = 11, .number = 4};
  cluster.house(1).card.snapshots[0].about.key = NAMED;
  EXPECT_TRUE(cluster.bus.run_until(100 * SECOND, [&] { return cluster.pulled(1, NAMED) != nullptr; }));
}

TEST(Snapshots, that_are_damaged_come_after_the_good_ones) {
  Cluster cluster(1);
  constexpr EventKey OTHER{.node = 2, .boot_id = 8, .number = 1};
  cluster.house(1).card.pin(OTHER, 1, random_data(5000, 2));
  cluster.house(1).card.pin(FAULT, 1, random_data(5000, 1)).crc ^= 1;  // the newest: first in the list
  cluster.hear_all();
  EXPECT_TRUE(cluster.bus.run_until(150 * SECOND, [&] { return cluster.pulled(1, OTHER) != nullptr; }));
  cluster.bus.run_until(cluster.bus.now_us + SECOND);
  EXPECT_EQ(cluster.pulled(1, FAULT), nullptr);
  EXPECT_EQ(cluster.house(1).card.snapshots.size(), 1U) << "what is not safe is not forgotten";
}

TEST(Snapshots, that_are_wanted_come_at_once) {
  Cluster cluster(1);
  cluster.hear_all();
  cluster.bus.run_until(100 * SECOND);
  constexpr EventKey WANTED{.node = 2, .boot_id = 8, .number = 1};
  cluster.house(1).card.pin(WANTED, 1, random_data(5000, 2));
  cluster.house(1).card.pin(FAULT, 1, random_data(5000, 1));
  EXPECT_TRUE(cluster.gateway.client->want(1, WANTED));
  const uint64_t asked_us = cluster.bus.now_us;
  EXPECT_TRUE(cluster.bus.run_until(110 * SECOND, [&] { return cluster.pulled(1, WANTED) != nullptr; }));
  EXPECT_LT(cluster.bus.now_us - asked_us, 2 * SECOND);
  EXPECT_EQ(cluster.pulled(1, FAULT), nullptr);
}

TEST(Log, every_frame_arrives_once_and_in_order_over_ten_minutes_without_broker) {
  Cluster cluster(4);
  cluster.hear_all();
  for (int second = 1; second <= 1200; second++) {
    cluster.online = second < 100 || second >= 700;
    if (second % 12 == 0) {
      for (const auto &house : cluster.houses) house->log(1200);
    }
    if (second % 60 == 0) {
      for (const auto &house : cluster.houses) house->log(2000);
    }
    if (second == 300) {  // in the middle of it, one starts anew
      cluster.house(2).restart();
      cluster.hear(2);
    }
    if (second == 400) {  // and one is gone for a while
      cluster.house(3).server.reset();
      cluster.hear(3, false);
    }
    if (second == 500) {
      cluster.house(3).restart();
      cluster.hear(3);
    }
    cluster.bus.run_until(static_cast<uint64_t>(second) * SECOND);
  }
  const auto all_stored = [&] {
    return std::all_of(cluster.houses.begin(), cluster.houses.end(), [&](const auto &house) {
      return house->card.acknowledged == house->card.log.back().position;
    });
  };
  EXPECT_TRUE(cluster.bus.run_until(1300 * SECOND, all_stored)) << "each house knows that all is stored";
  for (const auto &house : cluster.houses) {
    EXPECT_EQ(cluster.stored[house->number], Cluster::positions(*house));
    Data bytes;
    for (const auto &logged : house->card.log)
      bytes.insert(bytes.end(), logged.frame.begin(), logged.frame.end());
    EXPECT_EQ(cluster.stored_bytes[house->number], bytes);
  }
  EXPECT_EQ(cluster.gateway.client->statistics().damaged, 0U);
}

TEST(Log, goes_on_after_a_restart_of_the_gateway_with_what_nobody_acknowledged) {
  Cluster cluster(1);
  for (int i = 0; i < 40; i++) cluster.house(1).log(1200);
  cluster.hear_all();
  ASSERT_TRUE(
      cluster.bus.run_until(60 * SECOND, [&] { return cluster.house(1).card.acknowledged.has_value(); }));
  cluster.gateway.restart();
  cluster.hear_all();
  const size_t before = cluster.stored[1].size();
  EXPECT_LT(before, 40U);
  ASSERT_TRUE(cluster.bus.run_until(90 * SECOND, [&] { return cluster.stored[1].size() >= 40; }));
  cluster.bus.run_until(cluster.bus.now_us + 10 * SECOND);
  EXPECT_EQ(cluster.stored[1], Cluster::positions(cluster.house(1)));
}

TEST(Log, is_pulled_again_from_what_was_acknowledged_in_part) {
  Cluster cluster(1);
  for (int i = 0; i < 10; i++) cluster.house(1).log(1000);
  cluster.online = false;
  cluster.hear_all();
  ASSERT_TRUE(cluster.bus.run_until(30 * SECOND, [&] { return cluster.gateway.relay->ready().has_value(); }));
  const auto batch = cluster.gateway.relay->ready();
  EXPECT_EQ(batch->house, 1);
  EXPECT_EQ(batch->first.seq, 0U);
  EXPECT_EQ(cluster.gateway.directory->house(1).node.view(), "house-1");
  EXPECT_TRUE(cluster.gateway.relay->acknowledge({batch->first.boot_id, 4}));
  EXPECT_FALSE(cluster.gateway.relay->acknowledge(batch->last));
  ASSERT_TRUE(cluster.bus.run_until(60 * SECOND, [&] { return cluster.gateway.relay->ready().has_value(); }));
  EXPECT_EQ(cluster.gateway.relay->ready()->first.seq, 5U);
}

TEST(Log, that_nobody_wants_is_put_back_and_the_others_get_through) {
  Cluster cluster(2);
  for (const auto &house : cluster.houses) house->log(100);
  cluster.online = false;
  cluster.hear_all();
  const auto ready = [&] { return cluster.gateway.relay->ready().has_value(); };
  ASSERT_TRUE(cluster.bus.run_until(30 * SECOND, ready));
  const uint8_t unwanted = cluster.gateway.relay->ready()->house;
  EXPECT_TRUE(cluster.gateway.relay->put_back());
  cluster.bus.run_until(cluster.bus.now_us + SECOND);
  ASSERT_TRUE(ready());
  EXPECT_NE(cluster.gateway.relay->ready()->house, unwanted);
  cluster.online = true;
  cluster.bus.run_until(cluster.bus.now_us + 70 * SECOND);
  for (const auto &house : cluster.houses) {
    EXPECT_EQ(cluster.stored[house->number], Cluster::positions(*house)) << "nothing is lost";
  }
}

TEST(Log, the_largest_frame_of_a_house_passes) {
  Cluster cluster(1);
  for (int i = 0; i < 5; i++) cluster.house(1).log(BULK_LOG_BYTES - FRAME_HEADER_BYTES);
  cluster.hear_all();
  EXPECT_TRUE(cluster.bus.run_until(60 * SECOND, [&] { return cluster.stored[1].size() == 5; }));
  EXPECT_EQ(cluster.stored[1], Cluster::positions(cluster.house(1)));
}

TEST(Log, a_frame_that_is_too_large_is_refused_and_the_others_get_theirs) {
  Cluster cluster(2);
  cluster.house(1).log(5000);
  cluster.house(2).log(3000);
  cluster.hear_all();
  EXPECT_TRUE(cluster.bus.run_until(30 * SECOND, [&] { return cluster.stored[2].size() == 1; }));
  EXPECT_TRUE(cluster.stored[1].empty());
  EXPECT_GT(cluster.gateway.client->statistics().refusals, 0U);
}

TEST(Log, another_house_with_the_same_number_begins_from_its_start) {
  Cluster cluster(1);
  cluster.house(1).log(100);
  cluster.hear_all();
  ASSERT_TRUE(
      cluster.bus.run_until(30 * SECOND, [&] { return cluster.house(1).card.acknowledged.has_value(); }));
  SimulatedHouse &house = cluster.house(1);
  house.name = "house-9";
  house.card.log.clear();
  house.card.acknowledged.reset();
  house.restart();
  house.log(100);
  cluster.hear(1);
  ASSERT_TRUE(cluster.bus.run_until(60 * SECOND, [&] { return house.card.acknowledged.has_value(); }));
  EXPECT_EQ(cluster.stored[1].size(), 2U);
  EXPECT_EQ(cluster.gateway.directory->house(1).node.view(), "house-9");
}

TEST(Houses, one_whose_card_hangs_costs_the_others_little) {
  Cluster cluster(3);
  cluster.house(1).card.latency_us = 3600 * SECOND;
  for (const auto &house : cluster.houses) {
    house->card.pin(FAULT, house->number, random_data(8000, house->number));
    for (int i = 0; i < 5; i++) house->log(1000);
  }
  cluster.hear_all();
  EXPECT_TRUE(cluster.bus.run_until(60 * SECOND, [&] {
    return cluster.pulled(2, FAULT) != nullptr && cluster.pulled(3, FAULT) != nullptr &&
           cluster.stored[2].size() == 5 && cluster.stored[3].size() == 5;
  }));
  EXPECT_GT(cluster.gateway.client->statistics().timeouts, 0U);
}

/// Sends frames all the time, as fast as the separation lets it.
class Babbler final : public BulkPort, public BusListener {
 public:
  const CanFrame *due(uint64_t now_us) override {
    if (now_us < this->next_us_) return nullptr;
    if (this->waiting_) return &this->frame_;
    this->waiting_ = true;
    // Any kind of ISO-TP frame, as this house's answer or as the gateway's request to any.
    const auto word = static_cast<uint32_t>(this->dice_());
    this->frame_ = {.identifier = (word & 1) != 0 ? 0x703U : 0x600U + (word >> 1) % 5,
                    .mono_us = now_us,
                    .length = 8,
                    .data = {}};
    for (uint8_t &byte : this->frame_.data) byte = static_cast<uint8_t>(this->dice_());
    if ((word & 0x100) != 0) this->frame_.data[0] &= 0x3F;
    if ((word & 0xE00) == 0) this->frame_.length = static_cast<uint8_t>(word >> 12 & 7);
    return &this->frame_;
  }
  void sent(uint64_t now_us) override {
    this->waiting_ = false;
    this->next_us_ = now_us + 5'000;
  }

 protected:
  std::mt19937 dice_{3};
  CanFrame frame_{};
  bool waiting_{false};
  uint64_t next_us_{0};
};

TEST(Houses, one_that_babbles_breaks_nothing_but_itself) {
  Cluster cluster(4);
  Babbler babbler;
  cluster.foreign = &babbler;
  cluster.foreign_ears = &babbler;
  for (const auto &house : cluster.houses) {
    house->card.pin(FAULT, house->number, random_data(6000, house->number));
    for (int i = 0; i < 5; i++) house->log(800);
  }
  cluster.hear_all();
  const auto over = [&] {
    return cluster.pulled(1, FAULT) != nullptr && cluster.pulled(2, FAULT) != nullptr &&
           cluster.pulled(4, FAULT) != nullptr && cluster.stored[1].size() == 5 &&
           cluster.stored[2].size() == 5 && cluster.stored[4].size() == 5;
  };
  EXPECT_TRUE(cluster.bus.run_until(600 * SECOND, over));
  std::printf("babbling node: three houses in %.0f s\n", static_cast<double>(cluster.bus.now_us) / 1e6);
  for (const uint8_t number : {uint8_t{1}, uint8_t{2}, uint8_t{4}}) {
    ASSERT_NE(cluster.pulled(number, FAULT), nullptr);
    EXPECT_EQ(*cluster.pulled(number, FAULT), random_data(6000, number));
    EXPECT_EQ(cluster.stored[number], Cluster::positions(cluster.house(number)));
  }
}

/// A house of another make, that has room for chunks of 500 bytes only.
class SmallHouse final : public BulkPort, public BusListener {
 public:
  SmallHouse() {
    this->object_ = {
        .object = 5, .bytes = static_cast<uint32_t>(this->data_.size()), .crc = crc32(this->data_)};
  }
  const CanFrame *due(uint64_t now_us) override { return this->link_.due(0x701, now_us); }
  void sent(uint64_t now_us) override { this->link_.sent(now_us); }
  void frame(const CanFrame &frame) override {
    if (frame.identifier != 0x601) return;
    const Bytes message = this->link_.receive(frame, frame.mono_us);
    if (message.empty()) return;
    Bytes answer;
    if (bulk_type(message) == BulkType::WHO_ARE_YOU) {
      answer = write_bulk_identity(
          {.boot_id = 9, .node = ShortText<32>{"small"}, .cluster = ShortText<32>{"north"}}, this->room_);
    } else if (bulk_type(message) == BulkType::WHICH_SNAPSHOTS) {
      BulkSnapshotWriter list(this->room_);
      if (!this->forgotten)
        list.add({.object = 5,
                  .node = 1,
                  .part = SnapshotPart::MEASURED,
                  .state = StoredState::COMPLETE,
                  .key = FAULT,
                  .code = {},
                  .bytes = this->object_.bytes,
                  .crc = this->object_.crc});
      answer = list.message();
    } else if (const auto request = read_bulk_request(message)) {
      const auto piece = bulk_piece(this->object_, *request, BULK_CHUNK_HEADER_BYTES + 500);
      if (piece) {
        std::copy_n(this->data_.begin() + piece->offset, piece->bytes,
                    this->room_.begin() + BULK_CHUNK_HEADER_BYTES);
        answer = seal_bulk_chunk(this->object_, *piece, this->room_);
      } else {
        answer = write_bulk_refusal(request->object, BulkRefusal::BAD_REQUEST, this->room_);
      }
    } else if (const auto key = read_bulk_event(BulkType::HAVE_SNAPSHOT, message)) {
      this->forgotten = true;
      answer = write_bulk_event(BulkType::SNAPSHOT_NOTED, *key, this->room_);
    } else {
      answer = write_bulk_log_range({}, this->room_);
    }
    this->link_.send(answer, frame.mono_us);
  }
  bool forgotten{false};

 protected:
  Data data_ = random_data(7000, 4);
  BulkObject object_{};
  Data received_ = Data(64);
  Data room_ = Data(600);
  BulkLink link_{this->received_, BIT_RATE};
};

TEST(Houses, one_with_smaller_chunks_is_understood_also_after_a_restart_of_the_gateway) {
  Cluster cluster(1);
  SmallHouse small;
  cluster.house(1).server.reset();
  cluster.foreign = &small;
  cluster.foreign_ears = &small;
  cluster.hear_all();
  ASSERT_TRUE(cluster.bus.run_until(60 * SECOND, [&] { return cluster.gateway.card.stored_bytes >= 3000; }));
  cluster.gateway.restart();
  cluster.hear_all();
  EXPECT_TRUE(cluster.bus.run_until(60 * SECOND, [&] { return small.forgotten; }));
  ASSERT_NE(cluster.pulled(1, FAULT), nullptr);
  EXPECT_EQ(*cluster.pulled(1, FAULT), random_data(7000, 4));
  EXPECT_EQ(cluster.gateway.card.stored_bytes, 7000U);
}

}  // namespace
}  // namespace esphome::microgrid
