// Schema payloads: checked, written, read.
#include "umg1_schema.h"

#include <algorithm>
#include <array>

namespace esphome::microgrid {

namespace {

bool is_key(std::string_view name) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && lower(name.front()) && std::all_of(name.begin(), name.end(), [&](char c) {
    return lower(c) || (c >= '0' && c <= '9') || c == '_';
  });
}

bool is_possible(const Channel &channel) {
  return channel.id != 0 && is_key(channel.name) && channel.period_us != 0 && channel.group <= Group::FAST &&
         (channel.width == 1 || channel.width == 2 || channel.width == 4);
}

}  // namespace

bool is_valid(const Schema &schema) {
  if (schema.channels.empty() || schema.channels.size() > MAX_CHANNELS) return false;
  std::array<bool, 256> seen{};
  for (const Channel &channel : schema.channels) {
    if (!is_possible(channel) || seen[channel.id]) return false;
    seen[channel.id] = true;
  }
  return true;
}

void write_schema(ByteWriter &out, const Schema &schema) {
  if (!is_valid(schema)) {
    out.fail();
    return;
  }
  out.u8(SCHEMA_VERSION);
  out.text(schema.node);
  out.text(schema.cluster);
  out.u8(static_cast<uint8_t>(schema.channels.size()));
  for (const Channel &channel : schema.channels) {
    out.u8(channel.id);
    out.text(channel.name);
    out.text(channel.unit);
    out.i32(channel.numerator);
    out.number(channel.exponent);
    out.i32(channel.offset);
    out.u32(channel.period_us);
    out.u8(static_cast<uint8_t>(channel.group));
    out.u8(channel.width);
  }
}

std::optional<Schema> read_schema(Bytes payload, std::span<Channel> room) {
  ByteReader in(payload);
  const bool known = in.u8() == SCHEMA_VERSION;
  Schema schema{.node = in.text(), .cluster = in.text(), .channels = {}};
  const size_t count = in.u8();
  if (!known || !in.ok() || count > room.size()) return std::nullopt;
  for (Channel &channel : room.first(count)) {
    channel.id = in.u8();
    channel.name = in.text();
    channel.unit = in.text();
    channel.numerator = in.i32();
    channel.exponent = in.number<int8_t>();
    channel.offset = in.i32();
    channel.period_us = in.u32();
    channel.group = static_cast<Group>(in.u8());
    channel.width = in.u8();
  }
  schema.channels = room.first(count);
  if (!in.ok() || !is_valid(schema)) return std::nullopt;
  return schema;
}

}  // namespace esphome::microgrid
