// The messages of bulk transfer: what is written is read, what is not whole or not allowed is refused, and
// the bytes are those of contract/can.md.
#include <gtest/gtest.h>

#include "card.h"
#include "esphome/components/microgrid_can/bulk_messages.h"

namespace esphome::microgrid {
namespace {

constexpr EventKey KEY{.node = 3, .boot_id = 0x5F2A10C4, .number = 17};
constexpr Position POSITION{.boot_id = 0x01020304, .seq = 5};

StoredSnapshot snapshot(uint32_t object) {
  return {.object = object,
          .node = 2,
          .part = SnapshotPart::TRAFFIC,
          .state = StoredState::RECORDING,
          .key = KEY,
          .code = EventCode{"F005"},
          .bytes = 10'000,
          .crc = 0xAABBCCDD};
}

HouseIdentity identity(std::string_view node, std::string_view cluster, std::string_view firmware,
                       uint32_t boot_id = 7) {
  HouseIdentity who{.boot_id = boot_id};
  who.node.assign(node);
  who.cluster.assign(cluster);
  who.firmware.assign(firmware);
  return who;
}

TEST(BulkMessages, have_the_bytes_of_the_contract) {
  std::array<uint8_t, 64> room{};
  const auto bytes = [](Bytes message) { return Data(message.begin(), message.end()); };
  EXPECT_EQ(bytes(write_bulk_question(BulkType::WHICH_SNAPSHOTS, room)), Data{18});
  EXPECT_EQ(bytes(write_bulk_request({.object = 1, .chunk = 2, .chunk_bytes = 4070}, room)),
            (Data{1, 1, 0, 0, 0, 2, 0, 0, 0, 0xE6, 0x0F, 0, 0}));
  EXPECT_EQ(bytes(write_bulk_refusal(9, BulkRefusal::BUSY, room)), (Data{3, 9, 0, 0, 0, 3}));
  EXPECT_EQ(bytes(write_bulk_log_query({.after = POSITION, .bytes = 258}, room)),
            (Data{20, 4, 3, 2, 1, 5, 0, 0, 0, 2, 1, 0, 0}));
  EXPECT_EQ(bytes(write_bulk_log_range(
                {.object = 0x80000001, .first = POSITION, .last = {.boot_id = 6, .seq = 0}}, room)),
            (Data{21, 1, 0, 0, 0x80, 4, 3, 2, 1, 5, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(bytes(write_bulk_position(BulkType::HAVE_LOG, POSITION, room)),
            (Data{22, 4, 3, 2, 1, 5, 0, 0, 0}));
  EXPECT_EQ(bytes(write_bulk_event(BulkType::HAVE_SNAPSHOT, KEY, room)),
            (Data{24, 3, 0xC4, 0x10, 0x2A, 0x5F, 17, 0, 0, 0}));
  EXPECT_EQ(bytes(write_bulk_identity(identity("a", "b", "1", 7), room)),
            (Data{17, 1, 'a', 1, 'b', 1, '1', 7, 0, 0, 0, 0}));
  BulkSnapshotWriter list(room);
  EXPECT_TRUE(list.add(snapshot(4)));
  EXPECT_EQ(bytes(list.message()),
            (Data{19, 1, 3,    0xC4, 0x10, 0x2A, 0x5F, 17,   0,    0,    0, 4,   0,   0,   0,
                  3,  1, 0x10, 0x27, 0,    0,    0xDD, 0xCC, 0xBB, 0xAA, 4, 'F', '0', '0', '5'}));
}

TEST(BulkMessages, are_read_as_written_and_only_whole) {
  std::array<uint8_t, BULK_IDENTITY_BYTES> room{};
  const std::string longest(64, 'v');
  HouseIdentity who = identity(std::string(32, 'n'), std::string(32, 'c'), longest);
  who.name.assign(longest);
  const Bytes message = write_bulk_identity(who, room);
  ASSERT_EQ(message.size(), BULK_IDENTITY_BYTES);
  const auto read = read_bulk_identity(message);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->node, who.node);
  EXPECT_EQ(read->firmware.view(), longest);
  EXPECT_EQ(read->name.view(), longest);
  const size_t without_name = message.size() - 65;  // as houses of the first version send it
  for (size_t size = 0; size < message.size(); size++) {
    const auto part = read_bulk_identity(message.first(size));
    EXPECT_EQ(part.has_value(), size == without_name) << size;
    EXPECT_TRUE(!part || part->name.empty());
  }
  EXPECT_TRUE(write_bulk_identity(who, std::span(room).first(room.size() - 1)).empty());

  const Bytes range = write_bulk_log_range({.object = 1, .first = POSITION, .last = POSITION}, room);
  EXPECT_EQ(read_bulk_log_range(range)->last, POSITION);
  for (size_t size = 0; size < range.size(); size++) EXPECT_FALSE(read_bulk_log_range(range.first(size)));
  EXPECT_FALSE(read_bulk_log_query(range));
  // A later version may say more.
  Data longer(range.begin(), range.end());
  longer.push_back(99);
  EXPECT_TRUE(read_bulk_log_range(longer));
}

TEST(BulkMessages, ids_must_be_fit_for_a_topic) {
  std::array<uint8_t, BULK_IDENTITY_BYTES> room{};
  const auto accepted = [&](std::string_view node, std::string_view cluster, std::string_view firmware,
                            uint32_t boot_id = 7) {
    return read_bulk_identity(write_bulk_identity(identity(node, cluster, firmware, boot_id), room))
        .has_value();
  };
  EXPECT_TRUE(accepted("house_0-1", "north", ""));
  for (const char *bad : {"", "House", "a/b", "a+", "#", "a b", "\xC3\xA9"}) {
    EXPECT_FALSE(accepted(bad, "north", "1")) << bad;
    EXPECT_FALSE(accepted("house", bad, "1")) << bad;
  }
  EXPECT_FALSE(accepted("house", "north", "1\n2"));
  EXPECT_FALSE(accepted("house", "north", "1", 0));
  Data too_long{17, 33};
  too_long.insert(too_long.end(), 33, 'a');
  too_long.insert(too_long.end(), {1, 'b', 0, 7, 0, 0, 0});
  EXPECT_FALSE(read_bulk_identity(too_long));
}

TEST(BulkMessages, a_list_holds_what_there_is_room_for) {
  Data room(BULK_MESSAGE_BYTES + 1000);
  BulkSnapshotWriter list(room);
  uint32_t count = 0;
  while (list.add(snapshot(count))) count++;
  EXPECT_LE(list.message().size(), BULK_MESSAGE_BYTES);
  BulkSnapshotReader in(list.message(), 6);
  for (uint32_t i = 0; i < count; i++) {
    const auto read = in.next();
    ASSERT_TRUE(read);
    EXPECT_EQ(read->object, i);
    EXPECT_EQ(read->node, 6);
    EXPECT_EQ(read->key, KEY);
    EXPECT_EQ(read->part, SnapshotPart::TRAFFIC);
    EXPECT_EQ(read->state, StoredState::RECORDING);
    EXPECT_EQ(read->code.view(), "F005");
  }
  EXPECT_FALSE(in.next());
  EXPECT_TRUE(in.ok());
  // The largest one fits the size that the house reckons with.
  StoredSnapshot largest = snapshot(1);
  largest.code.assign("ABCDEFGHIJKLMNOP");
  std::array<uint8_t, 2 + BULK_LISTED_BYTES> exact{};
  EXPECT_TRUE(BulkSnapshotWriter(exact).add(largest));
}

TEST(BulkMessages, a_list_with_a_wrong_entry_is_malformed) {
  std::array<uint8_t, 64> room{};
  BulkSnapshotWriter list(room);
  list.add(snapshot(4));
  const Data good(list.message().begin(), list.message().end());
  const auto accepted = [](const Data &message) {
    BulkSnapshotReader in(message, 1);
    while (in.next()) {
    }
    return in.ok();
  };
  EXPECT_TRUE(accepted(good));
  constexpr size_t COUNT_AT = 1, STATE_AT = 15, PART_AT = 16, CODE_AT = 26;
  for (const auto &[at, value] : {std::pair{COUNT_AT, 2}, {STATE_AT, 4}, {PART_AT, 2}, {CODE_AT, '/'}}) {
    Data bad = good;
    bad[at] = static_cast<uint8_t>(value);
    EXPECT_FALSE(accepted(bad)) << at;
  }
  for (size_t size = 0; size < good.size(); size++) {
    EXPECT_FALSE(accepted({good.begin(), good.begin() + static_cast<ptrdiff_t>(size)}));
  }
}

TEST(BulkChunks, cover_the_object_once_whatever_their_length) {
  for (const uint32_t bytes : {0U, 1U, 4070U, 4071U, 10'000U}) {
    const Data data = random_data(bytes, bytes);
    const BulkObject object{.object = 77, .bytes = bytes, .crc = crc32(data)};
    for (const uint32_t wanted : {1U, 100U, 4070U, 60'000U}) {
      Data room(BULK_MESSAGE_BYTES);
      Data got;
      uint32_t chunk_bytes = wanted;
      for (uint32_t number = 0; number == 0 || got.size() < bytes; number++) {
        const auto piece =
            bulk_piece(object, {.object = 77, .chunk = number, .chunk_bytes = chunk_bytes}, room.size());
        ASSERT_TRUE(piece);
        std::copy_n(data.begin() + piece->offset, piece->bytes, room.begin() + BULK_CHUNK_HEADER_BYTES);
        const auto chunk = read_bulk_chunk(seal_bulk_chunk(object, *piece, room));
        ASSERT_TRUE(chunk);
        EXPECT_EQ(chunk->piece.offset, got.size());
        got.insert(got.end(), chunk->data.begin(), chunk->data.end());
        chunk_bytes = chunk->piece.chunk_bytes;
      }
      EXPECT_EQ(got, data);
    }
  }
}

TEST(BulkChunks, of_another_object_or_behind_its_end_there_are_none) {
  const BulkObject object{.object = 77, .bytes = 1000, .crc = 0};
  EXPECT_FALSE(bulk_piece(object, {.object = 78, .chunk = 0, .chunk_bytes = 100}, 500));
  EXPECT_FALSE(bulk_piece(object, {.object = 77, .chunk = 10, .chunk_bytes = 100}, 500));
  EXPECT_FALSE(bulk_piece(object, {.object = 77, .chunk = 0xFFFFFFFF, .chunk_bytes = 100}, 500));
  EXPECT_FALSE(bulk_piece(object, {.object = 77, .chunk = 0, .chunk_bytes = 0}, 500));
  EXPECT_FALSE(bulk_piece(object, {.object = 77, .chunk = 1, .chunk_bytes = 600}, 500))
      << "no room for its length";
  EXPECT_FALSE(bulk_piece(object, {.object = 77, .chunk = 0, .chunk_bytes = 600}, BULK_CHUNK_HEADER_BYTES));
  EXPECT_EQ(bulk_piece(object, {.object = 77, .chunk = 0, .chunk_bytes = 600}, 500)->chunk_bytes, 475U);
}

TEST(BulkChunks, are_not_accepted_with_a_wrong_bit_in_their_data_or_length) {
  Data room(BULK_CHUNK_HEADER_BYTES + 50, 0x33);
  const BulkObject object{.object = 77, .bytes = 120, .crc = 5};
  const auto piece = bulk_piece(object, {.object = 77, .chunk = 1, .chunk_bytes = 50}, room.size());
  const Bytes message = seal_bulk_chunk(object, *piece, room);
  ASSERT_TRUE(read_bulk_chunk(message));
  for (size_t size = 0; size < message.size(); size++) EXPECT_FALSE(read_bulk_chunk(message.first(size)));
  constexpr size_t OBJECT_AT = 1, NUMBER_AT = 5, OBJECT_BYTES_AT = 13, CRC_AT = 17;
  for (size_t bit = 0; bit < message.size() * 8; bit++) {
    const size_t at = bit / 8;
    const bool about_the_object =
        (at >= OBJECT_AT && at < NUMBER_AT) || (at >= OBJECT_BYTES_AT && at < CRC_AT + 4);
    const bool number = at >= NUMBER_AT && at < NUMBER_AT + 4;  // another chunk may be as long
    if (about_the_object || number) continue;
    Data bad(message.begin(), message.end());
    bad[at] ^= static_cast<uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(read_bulk_chunk(bad)) << bit;
  }
}

}  // namespace
}  // namespace esphome::microgrid
