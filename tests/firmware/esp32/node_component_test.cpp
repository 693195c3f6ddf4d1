// What a node keeps in the flash of the ESP32, over power cuts.
#include "esphome/components/microgrid_core/node_component.h"

#include <esp_system.h>
#include <gtest/gtest.h>

#include "esphome/components/microgrid_core/platform.h"

esp_reset_reason_t esp_reset_reason() { return ESP_RST_POWERON; }

namespace esphome {

ESPPreferences *global_preferences;

namespace microgrid {

uint64_t mono_us() { return 1'000'000; }
uint32_t random_u32() { return 4; }

namespace {

/// A node between two losses of its power.
class Life {
 public:
  explicit Life(ESPPreferences &flash) : flash_(flash) { global_preferences = &flash; }
  ~Life() { this->flash_.cut_power(); }
  Life(const Life &) = delete;
  Life &operator=(const Life &) = delete;

  bool save(std::string_view name, uint8_t value) { return this->storage_.save(name, std::array{value}); }
  bool save_now(std::string_view name, uint8_t value) {
    return this->storage_.save_now(name, std::array{value});
  }
  /// 0: there is none.
  uint8_t load(std::string_view name) {
    std::array<uint8_t, 1> value{};
    return this->storage_.load(name, value) ? value[0] : uint8_t{0};
  }
  Storage &storage() { return this->storage_; }

 protected:
  ESPPreferences &flash_;
  NodeComponent node_{Role::HOUSE, 3, "house_3", "north", "test", "House", "bench", "1"};
  Storage &storage_{node_.storage()};
};

TEST(NodeComponent, WhatIsSavedWaitsForTheNextWritingOfAll) {
  ESPPreferences flash;
  {
    Life life{flash};
    EXPECT_TRUE(life.save("cursor", 1));
    EXPECT_EQ(life.load("cursor"), 1);
    flash.sync();
    EXPECT_TRUE(life.save("cursor", 2));
  }
  EXPECT_EQ(Life{flash}.load("cursor"), 1);
  EXPECT_EQ(flash.writes, 1);
}

TEST(NodeComponent, WhatIsSavedNowOutlivesAPowerCut) {
  ESPPreferences flash;
  EXPECT_TRUE(Life{flash}.save_now("trip", 1));
  EXPECT_EQ(Life{flash}.load("trip"), 1);
  EXPECT_TRUE(Life{flash}.save_now("trip", 2));
  EXPECT_EQ(Life{flash}.load("trip"), 2);
}

TEST(NodeComponent, SaysWhenFlashDoesNotTakeIt) {
  ESPPreferences flash;
  Life life{flash};
  EXPECT_TRUE(life.save_now("trip", 1));
  flash.broken = true;
  EXPECT_FALSE(life.save_now("trip", 2));
  EXPECT_EQ(life.load("trip"), 1);
  EXPECT_TRUE(life.save_now("trip", 1)) << "it is there";
}

TEST(NodeComponent, TheTroubleOfOthersIsNotItsOwn) {
  ESPPreferences flash;
  Life life{flash};
  flash.refused_sizes = {28};
  EXPECT_TRUE(life.storage().save("counters", std::array<uint8_t, 28>{}));
  EXPECT_TRUE(life.save_now("trip", 1));
}

}  // namespace
}  // namespace microgrid
}  // namespace esphome
