// How large everything is that the log consists of, for a house and for a gateway.
#pragma once

#include "esphome/components/microgrid_core/identity.h"
#include "esphome/components/microgrid_core/metric_tables.h"
#include "esphome/components/microgrid_core/umg1_event.h"
#include "esphome/components/microgrid_core/umg1_recorder.h"
#include "esphome/components/microgrid_core/umg1_segment.h"

namespace esphome::microgrid {

/// What belongs to the kind of node. Texts and channels live as long as the node.
struct LogSettings {
  std::span<const Channel> log_channels;
  std::span<const Channel> capture_channels;
  RecorderTiming timing{};
  ResetReason reason{ResetReason::UNKNOWN};

  uint32_t log_slots{84};
  uint32_t log_slot_blocks{256};
  uint32_t log_slot_s{7200};  // a segment ends after it, in which a house fills three quarters of its slot
  uint32_t capture_slots{8};  // of 1 MB: three minutes of a cluster of four houses each
  uint32_t capture_slot_blocks{256};
  uint32_t snapshot_slots{16};
  uint32_t snapshot_slot_blocks{128};

  uint32_t queue_bytes{8192};  // frames that are not on the medium yet: a minute of a house
  // Of frames that somebody else has built: a power of two, at least twice the largest and 8; 0: nobody does.
  uint32_t foreign_bytes{0};
  uint32_t max_foreign_frame{0};
  // Without a medium: the ring from which snapshots are cut, and one snapshot. 0: none.
  uint32_t ram_capture_blocks{5};
  uint32_t ram_snapshot_blocks{3};

  uint32_t remount_s{10};
};

/// What an installer says of it.
struct LogSize {
  uint32_t hours;
  uint32_t capture_mb;
  uint32_t snapshots;
  bool ram_fallback;
};

/// Of a node with the channels of its role.
constexpr LogSettings log_settings(Role role, const LogSize &size) {
  LogSettings settings;
  // Long segments, as each has a place in a table; not so long that a search in one would take seconds.
  const uint32_t hours = role == Role::GATEWAY ? 6 : 2;
  settings.log_slots = (size.hours + hours - 1) / hours;
  settings.log_slot_blocks = hours * (524'288 / BLOCK_BYTES);
  settings.log_slot_s = hours * 3600;
  settings.capture_slots = size.capture_mb;
  settings.capture_slot_blocks = 1'048'576 / BLOCK_BYTES;
  settings.snapshot_slots = size.snapshots;
  if (!size.ram_fallback) settings.ram_capture_blocks = settings.ram_snapshot_blocks = 0;
  if (role == Role::GATEWAY) {
    settings.log_channels = GATEWAY_LOG;
    settings.capture_channels = GATEWAY_CAPTURE;
    settings.queue_bytes = 6144;        // a minute of a cluster of four houses
    settings.foreign_bytes = 4096;      // summaries: seven usual ones
    settings.max_foreign_frame = 2040;  // a summary at its worst
  } else {
    settings.log_channels = HOUSE_LOG;
    settings.capture_channels = HOUSE_CAPTURE;
  }
  return settings;
}

}  // namespace esphome::microgrid
