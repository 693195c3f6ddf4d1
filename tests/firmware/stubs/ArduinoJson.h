// Declarations for syntax checks on a PC: what ESPHome's headers mention of ArduinoJson. We do not use it.
#pragma once
#include <cstddef>
#include <functional>
#include <string>

namespace ArduinoJson {
class Allocator {
 public:
  virtual void *allocate(size_t size) = 0;
  virtual void deallocate(void *pointer) = 0;
  virtual void *reallocate(void *pointer, size_t size) = 0;

 protected:
  ~Allocator() = default;
};
}  // namespace ArduinoJson

struct JsonString {
  JsonString(const char *text, size_t size, bool is_static);
};
struct JsonVariant {
  template <typename T>
  bool set(const T &value);
};
struct JsonObject {};
struct JsonObjectConst {
  JsonObjectConst() = default;
  JsonObjectConst(JsonObject object);
};
struct JsonArray {};
struct JsonDocument {
  template <typename T>
  T to();
};
