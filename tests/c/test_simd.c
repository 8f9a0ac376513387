/* test_simd.c: the vector layer. Every operation that csrc/simd/simd.h promises, for every dtype, against loops over lanes.
 *
 * Compiled once for each instruction set, with its header as ISA_HEADER and its flags; does nothing where the CPU lacks it. The
 * operations of a dtype are in simd_dtype.h. */
#include ISA_HEADER
#include "simd/simd.h"

#include <math.h>

#include "check.h"
#include "convkit.h"

#define CK_EACH_DTYPE "simd_dtype.h"
#include "kernels/dtypes.def"

__attribute__((noinline)) static int run(int argc, char **argv) {
  check_start(argc, argv);
#define SIMD_CALL
#include "kernels/dtypes.def"
  return check_end();
}

int main(int argc, char **argv) {
  for (int isa = 0; isa < ck_isa_count(); isa++)
    if (strcmp(ck_isa_name(isa), CK_STRING(CK_SIMD_NAME)) == 0) return run(argc, argv);
  printf("%s: skipped, this CPU has no " CK_STRING(CK_SIMD_NAME) "\n", argv[0]);
  return 0;
}
