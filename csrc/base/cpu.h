/* cpu.h: what this processor can do. Asked once, when the library is loaded. */
#ifndef CK_BASE_CPU_H
#define CK_BASE_CPU_H

#include <stdbool.h>
#include <stdint.h>

bool ck_cpu_has_avx2(void);   /* AVX2 and FMA, enabled by the operating system */
bool ck_cpu_has_avx512(void); /* F, VL, BW and DQ, enabled by the operating system */
bool ck_cpu_has_neon(void);

typedef struct {
  int64_t l1, l2, l3; /* data cache bytes a core; l3 shared. Typical values where the system does not tell. */
} ck_cache_sizes;

ck_cache_sizes ck_cpu_caches(void);

#endif
