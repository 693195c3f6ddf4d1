// What a node says to Home Assistant, written as contract/mqtt demands. Nothing here knows when it is said.
#pragma once

#include "esphome/components/microgrid_core/json_writer.h"
#include "esphome/components/microgrid_core/node.h"
#include "esphome/components/microgrid_log/log_store.h"
#include "houses.h"

namespace esphome::microgrid {

/// Which metrics of a table, a bit per row.
using MetricSet = uint64_t;

/// A node that announces itself, or is announced by its gateway.
struct NodeView {
  Role role{Role::HOUSE};
  std::string_view node;
  std::string_view name;
  std::string_view parent{};
  std::string_view hardware{};
  std::string_view firmware{};
  uint32_t boot_id{0};
  const Readings *readings{nullptr};
  ActiveFaults faults{};
  bool card_failed{false};  // of a house: its own event waits on the card
  std::span<const Command> commands{};
};

/// Which metrics are known at this moment.
MetricSet known_metrics(const Readings &readings);

/// `metrics` are those that the node has ever measured: nobody waits for the others.
void write_birth(JsonWriter &json, const NodeView &node, MetricSet metrics, int64_t utc_us);

/// The fields of one live message, into an object that is open. What is in `metrics` and not known is null.
void write_live(JsonWriter &json, const NodeView &node, MetricSet metrics, uint32_t seq, int64_t utc_us);

/// An event on its way to the broker.
struct OutgoingEvent {
  uint8_t number{0};  // of the node on the bus
  EventId event_id{};
  EventType type{};
  EventState state{};
  Severity severity{};
  EventCode code{};
  uint32_t boot_id{0};
  uint32_t seq{0};
  int64_t utc_us{0};
  std::array<EventValue, NodeEvent::MAX_VALUES> values{};
  uint8_t value_count{0};
  LostRange lost{};
};
/// `rows` tell what the channels of the values are.
void write_event(JsonWriter &json, const OutgoingEvent &event, std::span<const MetricRow> rows);

void write_snapshot_list(JsonWriter &json, std::string_view cluster,
                         std::span<const StoredSnapshot> snapshots);

enum class CommandStatus : uint8_t { SUCCEEDED, FAILED, REJECTED, EXPIRED };
/// `text`: the id of the event that a command began, when it succeeded; otherwise why it did not.
void write_command_result(JsonWriter &json, std::string_view id, CommandStatus status, std::string_view text);

/// The header of a chunk, see contract/mqtt.
constexpr size_t CHUNK_HEADER_BYTES = 24;
constexpr size_t CHUNK_BYTES = 8192;
constexpr uint8_t CHUNK_UNKNOWN = 4;  // a state beside StoredState
struct ChunkHeader {
  SnapshotPart part;
  uint8_t state;
  uint32_t number;
  uint32_t count;
  uint32_t object_bytes;
  uint32_t object_crc;
};
/// Into the first 24 bytes of `chunk`, behind which the data stand.
void write_chunk_header(const ChunkHeader &header, std::span<uint8_t> chunk);

}  // namespace esphome::microgrid
