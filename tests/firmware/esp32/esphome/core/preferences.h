// ESPHome's preferences as they are on the ESP32: what is saved waits in RAM for sync(). ESPHome calls that
// once a minute, a power cut comes before. What sync() could not write it forgets.
#pragma once
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <vector>

namespace esphome {

class ESPPreferences;

class ESPPreferenceObject {
 public:
  ESPPreferenceObject() = default;
  ESPPreferenceObject(ESPPreferences *all, uint32_t key) : all_(all), key_(key) {}
  bool save(const uint8_t *data, size_t length);
  bool load(uint8_t *data, size_t length);

 protected:
  ESPPreferences *all_{nullptr};
  uint32_t key_{0};
};

class ESPPreferences {
 public:
  ESPPreferenceObject make_preference(size_t /*length*/, uint32_t key, bool /*in_flash*/) {
    return {this, key};
  }
  bool sync() {
    bool all_written = true;
    for (const auto &[key, value] : this->waiting) {
      if (this->flash.contains(key) && this->flash[key] == value) continue;
      if (this->broken || this->refused_sizes.contains(value.size())) {
        all_written = false;
      } else {
        this->flash[key] = value;
        this->writes++;
      }
    }
    this->waiting.clear();
    return all_written;
  }
  void cut_power() { this->waiting.clear(); }

  std::map<uint32_t, std::vector<uint8_t>> waiting;
  std::map<uint32_t, std::vector<uint8_t>> flash;
  std::set<size_t> refused_sizes;
  bool broken{false};
  int writes{0};
};

inline bool ESPPreferenceObject::save(const uint8_t *data, size_t length) {
  this->all_->waiting[this->key_].assign(data, data + length);
  return true;
}

inline bool ESPPreferenceObject::load(uint8_t *data, size_t length) {
  const auto waiting = this->all_->waiting.find(this->key_);
  const auto written = this->all_->flash.find(this->key_);
  const bool waits = waiting != this->all_->waiting.end();
  if (!waits && written == this->all_->flash.end()) return false;
  const std::vector<uint8_t> &value = waits ? waiting->second : written->second;
  if (value.size() != length) return false;
  std::memcpy(data, value.data(), length);
  return true;
}

extern ESPPreferences *global_preferences;

}  // namespace esphome
