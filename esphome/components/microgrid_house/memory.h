// What a house takes of its memory, part by part, with the log and the stacks of its tasks.
#pragma once

#include "analog_inputs.h"
#include "esphome/components/microgrid_can/bulk_server.h"
#include "esphome/components/microgrid_can/capture_command.h"
#include "esphome/components/microgrid_core/task_stacks.h"
#include "esphome/components/microgrid_log/log_writer.h"
#include "esphome/components/microgrid_measure/memory.h"
#include "esphome/components/microgrid_measure/zero_crossing.h"
#include "house.h"

namespace esphome::microgrid {

constexpr RamUse house_memory(const LogSettings &log) {
  RamUse use;
  use.add("stack of the bus task", BUS_STACK_BYTES);
  use.add("stack of the log's task", LOG_STACK_BYTES);
  use.add("clock, desk, commands", sizeof(Node));
  use.add("readings", HOUSE_METRICS.size() * sizeof(Readings::Cell));
  use.add("protections", sizeof(Protections));
  use.add("the rest of the house", sizeof(House) - sizeof(Protections) + sizeof(CaptureCommand));
  use.add("measuring", sizeof(ZeroCrossing) + sizeof(AnalogInputs) + MEASURING_BUFFER_BYTES);
  use.add("bus", sizeof(BusNode));
  use.add("bulk transfer", sizeof(BulkServer));
  use.add(LogWriter::ram_use(log));
  return use;
}

}  // namespace esphome::microgrid
