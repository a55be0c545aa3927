/* A stand-in for libnvidia-ml.so.1 with two cards, so that nvidia-ml-py's true ctypes way is tested without a GPU.
 * Card 0 is of today: it is hot, full and throttled. Card 1 is old: it supports next to nothing. What is missing here
 * altogether (enforced power limit) is answered by the binding with "function not found", as an old driver does.
 * FAKE_NVML_LOST=1 in the environment: card 1 has fallen off the bus. */
#include <stdlib.h>
#include <string.h>

typedef int Return;
typedef void *Device;
enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, TOO_SMALL = 7, LOST = 15 };
static int cards[2];

Return nvmlInitWithFlags(unsigned flags) { return OK; }
Return nvmlInit_v2(void) { return OK; }
Return nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(Return code) { return code == LOST ? "GPU is lost" : "fake error"; }
Return nvmlSystemGetDriverVersion(char *text, unsigned length) { strncpy(text, "570.00", length); return OK; }
Return nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return OK; }

Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device) {
  if (index > 1) return INVALID;
  if (index == 1 && getenv("FAKE_NVML_LOST")) return LOST;
  *device = &cards[index];
  return OK;
}

static int old(Device device) { return device == &cards[1]; }

Return nvmlDeviceGetName(Device d, char *text, unsigned length) {
  strncpy(text, old(d) ? "Fake Old" : "Fake 4090", length);
  return OK;
}
Return nvmlDeviceGetUUID(Device d, char *text, unsigned length) {
  strncpy(text, old(d) ? "GPU-old" : "GPU-new", length);
  return OK;
}

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
Return nvmlDeviceGetMemoryInfo(Device d, Memory *m) {
  m->total = 8ULL << 30; m->used = 1ULL << 30; m->free = 7ULL << 30;
  return OK;
}
Return nvmlDeviceGetMemoryInfo_v2(Device d, Memory2 *m) {
  if (old(d)) return NOT_SUPPORTED;
  m->total = 24ULL << 30; m->reserved = 300ULL << 20; m->used = 20ULL << 30; m->free = m->total - m->used - m->reserved;
  return OK;
}

typedef struct { unsigned gpu, memory; } Utilization;
Return nvmlDeviceGetUtilizationRates(Device d, Utilization *u) {
  if (old(d)) return NOT_SUPPORTED;
  u->gpu = 97; u->memory = 61;
  return OK;
}
Return nvmlDeviceGetTemperature(Device d, unsigned sensor, unsigned *celsius) {
  if (old(d)) return NOT_SUPPORTED;
  *celsius = 83;
  return OK;
}
Return nvmlDeviceGetPowerUsage(Device d, unsigned *milliwatts) {
  if (old(d)) return NOT_SUPPORTED;
  *milliwatts = 412000;
  return OK;
}
Return nvmlDeviceGetClockInfo(Device d, unsigned kind, unsigned *mhz) {
  if (old(d)) return NOT_SUPPORTED;
  *mhz = 1410;
  return OK;
}
Return nvmlDeviceGetCurrentClocksThrottleReasons(Device d, unsigned long long *reasons) {
  if (old(d)) return NOT_SUPPORTED;
  *reasons = 0x40 | 0x04 | 0x01; /* hot, at its power limit, and (no trouble) idle */
  return OK;
}

typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;
Return nvmlDeviceGetComputeRunningProcesses_v3(Device d, unsigned *count, Process *list) {
  if (old(d)) return NOT_SUPPORTED;
  if (*count < 2 || !list) { *count = 2; return TOO_SMALL; }
  memset(list, 0, 2 * sizeof *list);
  list[0].pid = (unsigned)atoi(getenv("FAKE_NVML_PID") ? getenv("FAKE_NVML_PID") : "1");
  list[0].used = 12ULL << 30;
  list[1].pid = 4194305; /* above the greatest pid of Linux: a process of another namespace */
  list[1].used = getenv("FAKE_NVML_HIDDEN") ? ~0ULL : 3ULL << 30;
  *count = 2;
  return OK;
}
