/* test_kernels.c: every kernel of csrc/kernels/kernels.def, for every dtype that has it and every instruction set of this CPU,
 * against plain loops. A new row there does not compile here before it has its test_<name>. */
#include "check.h"
#include "convkit.h"
#include "dispatch.h"
#include "kernels_copy.h"
#include "kernels_dot.h"
#include "kernels_gemm.h"
#include "kernels_pool.h"

/* The Winograd kernels have no test of their own here: tests/test_winograd.py checks them against exact transforms. */
__attribute__((weak)) void test_winograd_input(const ck_kernel_table *table, ck_dtype dtype);
__attribute__((weak)) void test_winograd_weights(const ck_kernel_table *table, ck_dtype dtype);
__attribute__((weak)) void test_winograd_output(const ck_kernel_table *table, ck_dtype dtype);

/* The kinds of kernels.def, as conditions. */
#define CK_FOR_ALL true
#define CK_FOR_SUMS (kind != CK_KIND_NARROW)
#define CK_FOR_REALS (kind == CK_KIND_REAL)
#define CK_FOR_SINGLE (dtype == CK_DTYPE_f32)

int main(int argc, char **argv) {
  check_start(argc, argv);
  for (int isa = 0; isa < ck_isa_count(); isa++) {
    const ck_kernel_table *table = ck_isa_table(isa);
    for (int dtype = 0; dtype < CK_DTYPE_COUNT; dtype++) {
      const int kind = element_types[dtype].kind;
#define CK_ROW(kernel, kinds, result, arguments)                                                                               \
  CHECK((table->of[dtype].kernel != NULL) == (kinds), #kernel " %s %s", table->name, element_types[dtype].name);               \
  if (table->of[dtype].kernel && test_##kernel) test_##kernel(table, (ck_dtype)dtype);
#include "kernels/kernels.def"
#undef CK_ROW
    }
  }
  return check_end();
}
