// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include "esp_err.h"
#include "hal/adc_types.h"
typedef struct adc_cali_scheme_t *adc_cali_handle_t;
extern "C" esp_err_t adc_cali_raw_to_voltage(adc_cali_handle_t handle, int raw, int *voltage_mv);
