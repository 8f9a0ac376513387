/* dispatch.c: the list of instruction sets, best first, and the choice among them.
 *
 * The list is made once, when the library is loaded. CONVKIT_ISA, read there, and ck_isa_use narrow the choice; neither can add
 * an instruction set that the CPU lacks. */
#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/parallel.h"
#include "convkit.h"

typedef struct {
  const ck_kernel_table *table;
  bool (*supported)(void);
} ck_isa;

extern const ck_kernel_table ck_kernels_scalar;
static bool always(void) { return true; }

#if defined(__x86_64__)
extern const ck_kernel_table ck_kernels_avx2, ck_kernels_avx512;
#elif defined(__aarch64__)
extern const ck_kernel_table ck_kernels_neon;
#endif

static const ck_isa known[] = {
#if defined(__x86_64__)
    {&ck_kernels_avx512, ck_cpu_has_avx512},
    {&ck_kernels_avx2, ck_cpu_has_avx2},
#elif defined(__aarch64__)
    {&ck_kernels_neon, ck_cpu_has_neon},
#endif
    {&ck_kernels_scalar, always},
};

#define KNOWN ((int)(sizeof known / sizeof *known))

static const ck_kernel_table *usable[KNOWN];
static int usable_count;
static _Atomic int current;

__attribute__((constructor)) static void choose(void) {
  usable_count = 0;
  for (int i = 0; i < KNOWN; i++)
    if (known[i].supported()) usable[usable_count++] = known[i].table;
  const char *wanted = getenv("CONVKIT_ISA");
  for (int i = 0; wanted && i < usable_count; i++)
    if (strcmp(wanted, usable[i]->name) == 0) current = i;
}

const ck_kernel_table *ck_isa_table(int isa) { return usable[isa]; }
int ck_isa_count(void) { return usable_count; }
const char *ck_isa_name(int isa) { return isa >= 0 && isa < usable_count ? usable[isa]->name : NULL; }
int ck_isa_current(void) { return current; }
bool ck_isa_has_fma(int isa) { return usable[isa]->has_fma; }
int ck_isa_lanes(int isa, ck_dtype dtype) { return usable[isa]->of[dtype].lanes; }

ck_status ck_isa_use(int isa) {
  if (isa < 0 || isa >= usable_count) return CK_STATUS_ISA;
  current = isa;
  return CK_STATUS_OK;
}

bool ck_has_openmp(void) {
#ifdef CK_PARALLEL_OPENMP
  return true;
#else
  return false;
#endif
}

const char *ck_compiler(void) {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

typedef struct {
  int isa;
  ck_dtype dtype;
  int64_t iterations;
} ck_probe;

static void probe_task(const void *context, int64_t task, int slot) {
  const ck_probe *probe = context;
  (void)task, (void)slot;
  usable[probe->isa]->of[probe->dtype].fma_probe(probe->iterations);
}

double ck_probe_fma(int isa, ck_dtype dtype, int64_t iterations, const ck_control *control) {
  const ck_probe probe = {isa, dtype, iterations};
  ck_parallel_for(control, control->num_threads, probe_task, &probe);
  return control->num_threads * usable[isa]->of[dtype].fma_probe(1) * (double)iterations;
}
