// What a gateway takes of its memory, part by part, with log, uplink and the stacks of its tasks.
#pragma once

#include "esphome/components/microgrid_can/bulk_client.h"
#include "esphome/components/microgrid_core/network_time.h"
#include "esphome/components/microgrid_core/task_stacks.h"
#include "esphome/components/microgrid_log/log_writer.h"
#include "esphome/components/microgrid_measure/ac_meter.h"
#include "esphome/components/microgrid_measure/memory.h"
#include "esphome/components/microgrid_uplink/uplink.h"
#include "gateway.h"
#include "phase_meter.h"
#include "relay_room.h"

namespace esphome::microgrid {

constexpr RamUse gateway_memory(const LogSettings &log) {
  RamUse use;
  use.add("stack of the bus task", BUS_STACK_BYTES);
  use.add("stack of the log's task", LOG_STACK_BYTES);
  use.add("clock, desk, commands", sizeof(Node));
  use.add("readings", GATEWAY_METRICS.size() * sizeof(Readings::Cell));
  use.add("readings of the houses", sizeof(Cluster));
  use.add("a minute of summaries", sizeof(SummaryLog));
  use.add("the rest of the gateway", sizeof(Gateway) - sizeof(Cluster) - sizeof(SummaryLog));
  use.add("measuring", sizeof(PhaseMeter) + 2 * sizeof(AcMeter) + MEASURING_BUFFER_BYTES);
  use.add("bus", sizeof(BusNode));
  use.add("bulk transfer", sizeof(BulkClient));
  use.add("identities of houses", sizeof(HouseDirectory));
  use.add("relay of their logs", sizeof(LogRelay) + RELAY_BYTES);
  use.add("time server", sizeof(TimeClient));
  use.add("uplink: log batch", Uplink::LOG_ROOM_BYTES);
  use.add("uplink: JSON", Uplink::JSON_ROOM_BYTES);
  use.add("uplink: snapshot chunk", sizeof(SnapshotDesk));
  use.add("uplink, the rest",
          sizeof(Uplink) - sizeof(SnapshotDesk) - Uplink::LOG_ROOM_BYTES - Uplink::JSON_ROOM_BYTES);
  use.add(LogWriter::ram_use(log));
  return use;
}

}  // namespace esphome::microgrid
