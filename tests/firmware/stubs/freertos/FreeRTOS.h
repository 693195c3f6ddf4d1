// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "sdkconfig.h"
typedef int BaseType_t;
typedef unsigned UBaseType_t;
typedef uint32_t TickType_t;
typedef uint8_t StackType_t;
struct StaticTask_t {
  char opaque[352];
};
struct StaticSemaphore_t {
  char opaque[84];
};
#define pdTRUE 1
#define pdFALSE 0
#define pdPASS 1
#define pdFAIL 0
#define portMAX_DELAY 0xffffffffUL
#define portTICK_PERIOD_MS 1
#define portNUM_PROCESSORS 2
#define pdMS_TO_TICKS(ms) ((TickType_t)(ms))
template <typename... T>
void stub_yield_from_isr(T... woken);
#define portYIELD_FROM_ISR(...) stub_yield_from_isr(__VA_ARGS__)
#define configMAX_PRIORITIES 25
#define configTASK_NOTIFICATION_ARRAY_ENTRIES 2
#define tskIDLE_PRIORITY 0
extern "C" BaseType_t xPortInIsrContext(void);
extern "C" BaseType_t xPortGetCoreID(void);
