/* instantiate.h: every template for every dtype, and the table of one instruction set. Included by isa/<isa>.c alone, after the
 * header of the instruction set. */
#include "../simd/simd.h"
#include "kernels.h"

#define CK_EACH_DTYPE "each_dtype.h"
#include "dtypes.def"
#undef CK_EACH_DTYPE

#define CK_FOR_ALL(name) CK_OP(name)
extern const ck_kernel_table CK_CAT(ck_kernels_, CK_SIMD_NAME);
const ck_kernel_table CK_CAT(ck_kernels_, CK_SIMD_NAME) = {
    .name = CK_STRING(CK_SIMD_NAME),
    .has_fma = CK_SIMD_HAS_FMA,
    .of = {
#define CK_EACH_DTYPE "table_row.h"
#include "dtypes.def"
#undef CK_EACH_DTYPE
    }};
