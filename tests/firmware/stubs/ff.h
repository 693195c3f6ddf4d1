// Declarations for syntax checks on a PC, by FatFs R0.15 as in ESP-IDF 5.5. Nothing is defined, nothing can
// be linked.
#pragma once
#include <stdint.h>
typedef uint8_t BYTE;
typedef uint16_t WORD;
typedef uint32_t DWORD;
typedef uint64_t QWORD;
typedef DWORD FSIZE_t;  // without exFAT
typedef DWORD LBA_t;
typedef char TCHAR;
typedef unsigned UINT;
typedef struct {
  BYTE fs_type;
  WORD csize;      // sectors of a cluster
  LBA_t database;  // sector of cluster 2
} FATFS;
typedef struct {
  FATFS *fs;
  DWORD sclust;  // first cluster
  FSIZE_t objsize;
} FFOBJID;
typedef struct {
  FFOBJID obj;
  BYTE flag;
} FIL;
typedef struct {
  FSIZE_t fsize;
  BYTE fattrib;
} FILINFO;
typedef enum { FR_OK = 0, FR_DISK_ERR, FR_INT_ERR, FR_NOT_READY, FR_NO_FILE, FR_NO_PATH } FRESULT;
#define FA_READ 0x01
extern "C" {
FRESULT f_open(FIL *file, const TCHAR *path, BYTE mode);
FRESULT f_close(FIL *file);
FRESULT f_stat(const TCHAR *path, FILINFO *info);
FRESULT f_unlink(const TCHAR *path);
}
