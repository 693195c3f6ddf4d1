// Pulling an object in chunks over a bus that breaks off: it arrives whole, and no chunk is stored twice.
#include "esphome/components/microgrid_can/isotp_bulk.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "esphome/components/microgrid_core/umg1_crc.h"

namespace esphome::microgrid {
namespace {

using Message = std::vector<uint8_t>;

struct Source {
  explicit Source(size_t size) : data(size) {
    std::mt19937 dice(5);
    for (uint8_t &byte : this->data) byte = static_cast<uint8_t>(dice());
    this->object = {.object = 77, .bytes = static_cast<uint32_t>(size), .crc = crc32(this->data)};
  }
  bool start(const Message &request) {
    const auto parsed = read_bulk_request(request);
    return parsed && this->sender.start(this->object, *parsed, this->room_bytes);
  }
  Message chunk() {
    const auto piece = this->sender.piece();
    if (!piece) return {};
    Message room(BULK_CHUNK_HEADER_BYTES + piece->bytes);
    std::copy_n(this->data.begin() + piece->offset, piece->bytes, room.begin() + BULK_CHUNK_HEADER_BYTES);
    const Bytes sealed = this->sender.seal(room);
    EXPECT_EQ(sealed.size(), room.size());
    return room;
  }
  Message data;
  BulkObject object{};
  BulkSender sender;
  size_t room_bytes{4096};
};

Message request_of(const BulkReceiver &receiver) {
  Message room(BULK_REQUEST_BYTES);
  const Bytes request = receiver.request(room);
  EXPECT_EQ(request.size(), BULK_REQUEST_BYTES);
  return room;
}

TEST(IsoTpBulk, arrives_over_breaks_and_nothing_twice) {
  for (const size_t size : {0U, 1U, 4070U, 4071U, 4072U, 100'000U}) {
    for (const uint32_t chunk_bytes : {1000U, 4071U, 60'000U}) {
      Source source(size);
      BulkReceiver receiver;
      receiver.start(77, chunk_bytes);
      Message stored;
      std::mt19937 dice(6);
      while (receiver.state() == BulkReceiver::State::PULLING) {
        ASSERT_TRUE(source.start(request_of(receiver)));
        for (Message chunk = source.chunk(); !chunk.empty(); source.sender.next(), chunk = source.chunk()) {
          if (dice() % 4 == 0) break;                                 // the bus broke off
          if (dice() % 8 == 0) chunk[dice() % chunk.size()] ^= 0x10;  // or a bit is wrong
          if (const auto piece = receiver.take(chunk)) {
            ASSERT_EQ(piece->offset, stored.size());
            if (dice() % 8 == 0) break;  // the card did not take it
            stored.insert(stored.end(), piece->data.begin(), piece->data.end());
            receiver.stored();
          }
          EXPECT_FALSE(receiver.take(chunk) && receiver.state() != BulkReceiver::State::PULLING);
        }
      }
      ASSERT_EQ(receiver.state(), BulkReceiver::State::COMPLETE) << size << " in " << chunk_bytes;
      EXPECT_EQ(stored, source.data);
    }
  }
}

TEST(IsoTpBulk, goes_on_after_a_restart_of_the_node) {
  Source source(10'000);
  BulkReceiver receiver;
  receiver.start(77, 1000);
  ASSERT_TRUE(source.start(request_of(receiver)));
  for (int i = 0; i < 4; i++, source.sender.next()) {
    ASSERT_TRUE(receiver.take(source.chunk()));
    receiver.stored();
  }
  BulkReceiver restarted;
  restarted.start(77, 1000, receiver.next_chunk(), receiver.crc_so_far());
  ASSERT_TRUE(source.start(request_of(restarted)));
  for (Message chunk = source.chunk(); !chunk.empty(); source.sender.next(), chunk = source.chunk()) {
    ASSERT_TRUE(restarted.take(chunk));
    restarted.stored();
  }
  EXPECT_EQ(restarted.state(), BulkReceiver::State::COMPLETE);
}

TEST(IsoTpBulk, finds_that_the_whole_is_not_what_was_announced) {
  Source source(3000);
  source.object.crc ^= 1;
  BulkReceiver receiver;
  receiver.start(77, 1000);
  ASSERT_TRUE(source.start(request_of(receiver)));
  for (Message chunk = source.chunk(); !chunk.empty(); source.sender.next(), chunk = source.chunk()) {
    ASSERT_TRUE(receiver.take(chunk));
    receiver.stored();
  }
  EXPECT_EQ(receiver.state(), BulkReceiver::State::DAMAGED);
}

TEST(IsoTpBulk, finds_that_the_object_became_another) {
  Source source(3000);
  BulkReceiver receiver;
  receiver.start(77, 1000);
  ASSERT_TRUE(source.start(request_of(receiver)));
  ASSERT_TRUE(receiver.take(source.chunk()));
  receiver.stored();
  source.object.bytes = 2999;
  ASSERT_TRUE(source.start(request_of(receiver)));
  EXPECT_FALSE(receiver.take(source.chunk()));
  EXPECT_EQ(receiver.state(), BulkReceiver::State::DAMAGED);
}

TEST(IsoTpBulk, refusals_and_requests_that_make_no_sense) {
  BulkReceiver receiver;
  receiver.start(77, 1000);
  Message refusal(BULK_REFUSAL_BYTES);
  ASSERT_EQ(write_bulk_refusal(78, BulkRefusal::BUSY, refusal), BULK_REFUSAL_BYTES);
  EXPECT_FALSE(receiver.take(refusal));
  EXPECT_EQ(receiver.state(), BulkReceiver::State::PULLING) << "of another object";
  write_bulk_refusal(77, BulkRefusal::MEDIUM_FAILED, refusal);
  receiver.take(refusal);
  EXPECT_EQ(receiver.state(), BulkReceiver::State::REFUSED);
  EXPECT_EQ(receiver.refusal(), BulkRefusal::MEDIUM_FAILED);

  EXPECT_FALSE(read_bulk_request(refusal));
  EXPECT_FALSE(read_bulk_request(Message{1, 2, 3}));
  const BulkObject object{.object = 1, .bytes = 1000, .crc = 0};
  BulkSender sender;
  EXPECT_FALSE(sender.start(object, {.object = 2, .first_chunk = 0, .chunk_bytes = 100}, 4096));
  EXPECT_FALSE(sender.start(object, {.object = 1, .first_chunk = 0, .chunk_bytes = 0}, 4096));
  EXPECT_FALSE(sender.start(object, {.object = 1, .first_chunk = 10, .chunk_bytes = 100}, 4096))
      << "behind the end";
  EXPECT_FALSE(
      sender.start(object, {.object = 1, .first_chunk = 0xFFFFFFFF, .chunk_bytes = 0xFFFFFFFF}, 4096));
  EXPECT_FALSE(sender.start(object, {.object = 1, .first_chunk = 1, .chunk_bytes = 500}, 100))
      << "other numbers";
  EXPECT_FALSE(sender.piece());
  EXPECT_TRUE(sender.start(object, {.object = 1, .first_chunk = 9, .chunk_bytes = 100}, 4096));
}

}  // namespace
}  // namespace esphome::microgrid
