// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#define SOC_TWAI_CONTROLLER_NUM 1
#define SOC_CPU_CORES_NUM 2
#define SOC_ADC_DIGI_RESULT_BYTES 2
#define SOC_ADC_DIGI_MAX_BITWIDTH 12
