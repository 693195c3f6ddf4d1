// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include "FreeRTOS.h"
typedef struct tskTaskControlBlock *TaskHandle_t;
typedef void (*TaskFunction_t)(void *);
typedef enum { eNoAction, eSetBits, eIncrement } eNotifyAction;
#define tskNO_AFFINITY 0x7FFFFFFF
#define taskYIELD()
extern "C" {
BaseType_t xTaskCreate(TaskFunction_t fn, const char *name, uint32_t stack, void *arg, UBaseType_t priority,
                       TaskHandle_t *handle);
BaseType_t xTaskCreatePinnedToCore(TaskFunction_t fn, const char *name, uint32_t stack, void *arg,
                                   UBaseType_t priority, TaskHandle_t *handle, BaseType_t core);
TaskHandle_t xTaskCreateStatic(TaskFunction_t fn, const char *name, uint32_t stack, void *arg,
                               UBaseType_t priority, StackType_t *memory, StaticTask_t *task);
void vTaskDelete(TaskHandle_t handle);
void vTaskDelay(TickType_t ticks);
char *pcTaskGetName(TaskHandle_t handle);
TickType_t xTaskGetTickCount(void);
TickType_t xTaskGetTickCountFromISR(void);
TaskHandle_t xTaskGetCurrentTaskHandle(void);
UBaseType_t uxTaskGetStackHighWaterMark(TaskHandle_t handle);
BaseType_t xTaskNotifyGive(TaskHandle_t handle);
void vTaskNotifyGiveFromISR(TaskHandle_t handle, BaseType_t *woken);
uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks);
BaseType_t xTaskNotifyGiveIndexed(TaskHandle_t handle, UBaseType_t index);
void vTaskNotifyGiveIndexedFromISR(TaskHandle_t handle, UBaseType_t index, BaseType_t *woken);
uint32_t ulTaskNotifyTakeIndexed(UBaseType_t index, BaseType_t clear, TickType_t ticks);
void vPortYield(void);
}
