/* cpu.c: processor features and cache sizes.
 *
 * On x86 __builtin_cpu_supports also checks that the operating system saves the wide registers. Cache sizes come from
 * sysconf. */
#include "cpu.h"

#include <unistd.h>

#if defined(__x86_64__)
bool ck_cpu_has_avx2(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool ck_cpu_has_avx512(void) {
  __builtin_cpu_init();
  return ck_cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
#else
bool ck_cpu_has_avx2(void) { return false; }
bool ck_cpu_has_avx512(void) { return false; }
#endif

#if defined(__aarch64__)
bool ck_cpu_has_neon(void) { return true; } /* part of the base architecture */
#else
bool ck_cpu_has_neon(void) { return false; }
#endif

static int64_t cache_size(int name, int64_t typical) {
  const long bytes = name < 0 ? 0 : sysconf(name);
  return bytes > 0 ? bytes : typical;
}

static ck_cache_sizes caches;

/* Asked once: the query is an instruction that a virtual machine has to emulate. */
__attribute__((constructor)) static void ask_cache_sizes(void) {
#ifdef _SC_LEVEL1_DCACHE_SIZE
  const int l1 = _SC_LEVEL1_DCACHE_SIZE, l2 = _SC_LEVEL2_CACHE_SIZE, l3 = _SC_LEVEL3_CACHE_SIZE;
#else
  const int l1 = -1, l2 = -1, l3 = -1;
#endif
  caches = (ck_cache_sizes){
      .l1 = cache_size(l1, 32 << 10), .l2 = cache_size(l2, 512 << 10), .l3 = cache_size(l3, 8 << 20)};
}

ck_cache_sizes ck_cpu_caches(void) { return caches; }
