// What a house answers to each request, by its own ISO-TP peer: also to wrong ones, to two at once, and after
// a restart.
#include <gtest/gtest.h>

#include "card.h"
#include "esphome/components/microgrid_can/bulk_server.h"

namespace esphome::microgrid {
namespace {

constexpr EventKey KEY{.node = 3, .boot_id = 7, .number = 17};
constexpr uint32_t BIT_RATE = 500'000;

/// A gateway's end of the bus, without any idea of its own.
class ServerTest : public testing::Test {
 protected:
  Identity identity_{.role = Role::HOUSE,
                     .number = 2,
                     .node = "house-2",
                     .cluster = "north",
                     .swarm = "s",
                     .name = "",
                     .hardware = "",
                     .firmware = "1.2.3",
                     .boot_id = 0x55};
  Card card_;
  BulkServer server_{identity_, *card_.port, BIT_RATE};
  Data room_ = Data(BULK_MESSAGE_BYTES);
  BulkLink link_{room_, BIT_RATE};
  uint64_t now_us_{1'000'000};
  std::vector<Data> answers_;

  void step() {
    this->now_us_ += 500;
    this->card_.step(this->now_us_);
    if (const CanFrame *due = this->server_.due(this->now_us_)) {
      const CanFrame frame = *due;
      EXPECT_EQ(frame.identifier, 0x702U);
      this->server_.sent(this->now_us_);
      const Bytes message = this->link_.receive(frame, this->now_us_);
      if (!message.empty()) this->answers_.emplace_back(message.begin(), message.end());
    }
    if (const CanFrame *due = this->link_.due(0x602, this->now_us_)) {
      CanFrame frame = *due;
      this->link_.sent(this->now_us_);
      frame.mono_us = this->now_us_;
      this->server_.frame(frame);
    }
  }
  void run(uint64_t us) {
    for (const uint64_t end_us = this->now_us_ + us; this->now_us_ < end_us;) this->step();
  }
  Data ask(Bytes request) {
    this->answers_.clear();
    EXPECT_TRUE(this->link_.send(request, this->now_us_));
    for (int i = 0; i < 10'000 && this->answers_.empty(); i++) this->step();
    return this->answers_.empty() ? Data{} : this->answers_[0];
  }
  BulkRefusal refusal_of(Bytes request) {
    const auto refused = read_bulk_refusal(this->ask(request));
    EXPECT_TRUE(refused);
    return refused ? refused->reason : BulkRefusal::OTHER;
  }
  Bytes chunk_request(uint32_t object, uint32_t chunk, uint32_t bytes = BULK_CHUNK_BYTES) {
    return write_bulk_request({.object = object, .chunk = chunk, .chunk_bytes = bytes}, this->request_);
  }
  Bytes log_request(Position after, uint32_t bytes = BULK_LOG_BYTES) {
    return write_bulk_log_query({.after = after, .bytes = bytes}, this->request_);
  }

  std::array<uint8_t, BULK_SMALL_BYTES> request_{};
};

TEST_F(ServerTest, says_who_it_is) {
  const auto who = read_bulk_identity(this->ask(write_bulk_question(BulkType::WHO_ARE_YOU, this->request_)));
  ASSERT_TRUE(who);
  EXPECT_EQ(who->node.view(), "house-2");
  EXPECT_EQ(who->cluster.view(), "north");
  EXPECT_EQ(who->firmware.view(), "1.2.3");
  EXPECT_EQ(who->boot_id, 0x55U);
}

TEST_F(ServerTest, lists_its_snapshots_and_gives_any_chunk_of_them) {
  EXPECT_EQ(this->ask(write_bulk_question(BulkType::WHICH_SNAPSHOTS, this->request_)), (Data{19, 0}));
  this->card_.next_object = 0x80000002;  // as one that is kept in RAM
  const uint32_t object = this->card_.pin(KEY, 2, random_data(5000, 1)).object;
  const Data list = this->ask(write_bulk_question(BulkType::WHICH_SNAPSHOTS, this->request_));
  BulkSnapshotReader in(list, 2);
  const auto listed = in.next();
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->object, object);
  EXPECT_EQ(listed->key, KEY);
  EXPECT_EQ(listed->crc, crc32(random_data(5000, 1)));
  for (const auto &[chunk, bytes] : {std::pair{1U, 4070U}, {0U, 4070U}, {12U, 400U}, {4999U, 1U}}) {
    const Data message = this->ask(this->chunk_request(object, chunk, bytes));
    const auto read = read_bulk_chunk(message);
    ASSERT_TRUE(read) << chunk;
    const Data whole = random_data(5000, 1);
    EXPECT_TRUE(std::equal(read->data.begin(), read->data.end(), whole.begin() + chunk * bytes));
    EXPECT_EQ(read->data.size(), std::min(bytes, 5000 - chunk * bytes));
  }
}

TEST_F(ServerTest, gives_the_log_as_whole_frames_in_an_object_that_does_not_change) {
  for (uint32_t seq = 0; seq < 8; seq++) this->card_.append({7, seq}, 1000);
  const auto range = read_bulk_log_range(this->ask(this->log_request({.boot_id = 7, .seq = 1})));
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first.seq, 2U);
  EXPECT_EQ(range->last.seq, 5U);  // a fifth one does not fit
  Data expected;
  for (size_t i = 2; i <= 5; i++)
    expected.insert(expected.end(), this->card_.log[i].frame.begin(), this->card_.log[i].frame.end());
  // In pieces, twice, while the log grows and the list is asked for in between.
  for (int repetition = 0; repetition < 2; repetition++) {
    Data got;
    for (uint32_t chunk = 0; got.size() < expected.size(); chunk++) {
      const Data message = this->ask(this->chunk_request(range->object, chunk, 700));
      const auto read = read_bulk_chunk(message);
      ASSERT_TRUE(read);
      EXPECT_EQ(read->object.bytes, expected.size());
      EXPECT_EQ(read->object.crc, crc32(expected));
      got.insert(got.end(), read->data.begin(), read->data.end());
    }
    EXPECT_EQ(got, expected);
    this->card_.append({7, static_cast<uint32_t>(this->card_.log.size())}, 10);
    this->ask(write_bulk_question(BulkType::WHICH_SNAPSHOTS, this->request_));
  }
  // The next range is another object, the old one is gone.
  const auto next = read_bulk_log_range(this->ask(this->log_request(range->last)));
  ASSERT_TRUE(next);
  EXPECT_NE(next->object, range->object);
  EXPECT_EQ(this->refusal_of(this->chunk_request(range->object, 0)), BulkRefusal::UNKNOWN_OBJECT);
}

TEST_F(ServerTest, begins_the_log_at_what_is_left) {
  EXPECT_EQ(read_bulk_log_range(this->ask(this->log_request({})))->object, 0U) << "nothing";
  for (uint32_t seq = 0; seq < 4; seq++) this->card_.append({7, seq}, 100);
  EXPECT_EQ(read_bulk_log_range(this->ask(this->log_request({})))->first.seq, 0U);
  this->card_.acknowledged = Position{7, 1};
  EXPECT_EQ(read_bulk_log_range(this->ask(this->log_request({})))->first.seq, 2U);
  EXPECT_EQ(read_bulk_log_range(this->ask(this->log_request({.boot_id = 99, .seq = 5})))->first.seq, 2U);
  EXPECT_EQ(read_bulk_log_range(this->ask(this->log_request({.boot_id = 7, .seq = 3})))->object, 0U);
}

TEST_F(ServerTest, refuses_a_range_from_the_start_that_became_another) {
  for (uint32_t seq = 0; seq < 4; seq++) this->card_.append({7, seq}, 100);
  const auto range = read_bulk_log_range(this->ask(this->log_request({})));
  this->ask(write_bulk_question(BulkType::WHICH_SNAPSHOTS,
                                this->request_));  // the range is no longer in the buffer
  this->card_.acknowledged = Position{7, 1};
  EXPECT_EQ(this->refusal_of(this->chunk_request(range->object, 0)), BulkRefusal::UNKNOWN_OBJECT);
}

TEST_F(ServerTest, notes_what_is_safe_elsewhere) {
  this->card_.append({7, 0}, 100);
  this->card_.pin(KEY, 2, random_data(50, 1));
  this->card_.pin(KEY, 2, random_data(60, 1), SnapshotPart::TRAFFIC);
  const auto noted = read_bulk_position(
      BulkType::LOG_NOTED, this->ask(write_bulk_position(BulkType::HAVE_LOG, {7, 0}, this->request_)));
  EXPECT_EQ(noted, (Position{7, 0}));
  EXPECT_EQ(this->card_.acknowledged, (Position{7, 0}));
  for (int repetition = 0; repetition < 2; repetition++) {
    const auto forgotten = read_bulk_event(
        BulkType::SNAPSHOT_NOTED, this->ask(write_bulk_event(BulkType::HAVE_SNAPSHOT, KEY, this->request_)));
    EXPECT_EQ(forgotten, KEY);
    EXPECT_TRUE(this->card_.snapshots.empty());
  }
}

TEST_F(ServerTest, refuses_what_is_no_request) {
  EXPECT_EQ(this->refusal_of(Data{99}), BulkRefusal::BAD_REQUEST);
  EXPECT_EQ(this->refusal_of(Data{1, 1, 0, 0, 0, 0}), BulkRefusal::BAD_REQUEST);
  EXPECT_EQ(this->refusal_of(Data{20, 1, 0, 0, 0}), BulkRefusal::BAD_REQUEST);
  EXPECT_EQ(this->refusal_of(Data{24, 1}), BulkRefusal::BAD_REQUEST);
  EXPECT_EQ(this->refusal_of(this->log_request({}, 10)), BulkRefusal::BAD_REQUEST);
  EXPECT_EQ(this->server_.statistics().malformed, 4U);
  EXPECT_EQ(this->refusal_of(this->chunk_request(0, 0)), BulkRefusal::UNKNOWN_OBJECT);
  EXPECT_EQ(this->refusal_of(this->chunk_request(12, 0)), BulkRefusal::UNKNOWN_OBJECT);
  EXPECT_EQ(this->refusal_of(this->chunk_request(0x40000055, 0)), BulkRefusal::UNKNOWN_OBJECT);
  const uint32_t object = this->card_.pin(KEY, 2, random_data(50, 1)).object;
  EXPECT_EQ(this->refusal_of(this->chunk_request(object, 1)), BulkRefusal::BAD_REQUEST);
  EXPECT_EQ(this->refusal_of(this->chunk_request(object, 0, 0)), BulkRefusal::BAD_REQUEST);
  this->card_.snapshots[0].about.state = StoredState::RECORDING;
  this->card_.snapshots[0].about.object = 77;
  EXPECT_EQ(this->refusal_of(this->chunk_request(77, 0)), BulkRefusal::UNKNOWN_OBJECT);
  EXPECT_FALSE(this->ask(write_bulk_question(BulkType::WHO_ARE_YOU, this->request_)).empty())
      << "and goes on";
}

TEST_F(ServerTest, takes_no_request_that_is_longer_than_any) {
  this->answers_.clear();
  ASSERT_TRUE(this->link_.send(random_data(BULK_SMALL_BYTES + 1, 1), this->now_us_));
  this->run(100'000);
  EXPECT_EQ(this->link_.sending(), IsoTpState::FAILED);
  EXPECT_TRUE(this->answers_.empty());
}

TEST_F(ServerTest, says_when_the_card_fails) {
  this->card_.failing = true;
  EXPECT_EQ(this->refusal_of(write_bulk_question(BulkType::WHICH_SNAPSHOTS, this->request_)),
            BulkRefusal::MEDIUM_FAILED);
  EXPECT_EQ(this->refusal_of(this->log_request({})), BulkRefusal::MEDIUM_FAILED);
  EXPECT_EQ(this->refusal_of(write_bulk_position(BulkType::HAVE_LOG, {7, 0}, this->request_)),
            BulkRefusal::MEDIUM_FAILED);
}

TEST_F(ServerTest, is_busy_for_a_second_gateway_while_it_reads_for_the_first) {
  this->card_.latency_us = 2'000'000;
  for (uint32_t seq = 0; seq < 4; seq++) this->card_.append({7, seq}, 100);
  ASSERT_TRUE(this->link_.send(this->log_request({}), this->now_us_));
  this->run(500'000);
  ASSERT_TRUE(this->answers_.empty());
  const auto refused = read_bulk_refusal(this->ask(this->chunk_request(31, 0)));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, BulkRefusal::BUSY);
  EXPECT_EQ(refused->object, 31U);
  this->answers_.clear();
  this->run(3'000'000);
  ASSERT_EQ(this->answers_.size(), 1U);
  EXPECT_EQ(read_bulk_log_range(this->answers_[0])->last.seq, 3U);
}

TEST_F(ServerTest, answers_the_newer_request_when_nobody_takes_the_answer_to_the_older) {
  const uint32_t object = this->card_.pin(KEY, 2, random_data(4000, 1)).object;
  ASSERT_TRUE(this->link_.send(this->chunk_request(object, 0), this->now_us_));
  this->run(100'000);  // in the middle of the chunk
  this->link_.reset();
  this->answers_.clear();
  const auto who = read_bulk_identity(this->ask(write_bulk_question(BulkType::WHO_ARE_YOU, this->request_)));
  EXPECT_TRUE(who);
  EXPECT_EQ(this->server_.statistics().interrupted, 1U);
}

}  // namespace
}  // namespace esphome::microgrid
