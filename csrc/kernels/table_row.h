/* table_row.h: the column of the kernel table for the current row of dtypes.def. */
[CK_CAT(CK_DTYPE_, CK_DT)] = {
    .lanes = CK_LANES,
#if CK_KIND == CK_KIND_REAL
    .rows = CK_GEMM_ROWS,
    .shapes = CK_GEMM_SHAPES,
#else
    .rows = CK_GEMM_INTEGER_ROWS,
    .shapes = CK_GEMM_INTEGER_SHAPES,
#endif
#if CK_KIND == CK_KIND_NARROW
#define CK_FOR_SUMS(name) NULL
#else
#define CK_FOR_SUMS(name) CK_OP(name)
#endif
#if CK_KIND == CK_KIND_REAL
#define CK_FOR_REALS(name) CK_OP(name)
#else
#define CK_FOR_REALS(name) NULL
#endif
#if CK_KIND == CK_KIND_REAL && CK_BITS == 32
#define CK_FOR_SINGLE(name) CK_OP(name)
#else
#define CK_FOR_SINGLE(name) NULL
#endif
#define CK_ROW(name, kinds, result, arguments) .name = kinds(name),
#include "kernels.def"
#undef CK_ROW
#undef CK_FOR_SUMS
#undef CK_FOR_REALS
#undef CK_FOR_SINGLE
},
#undef CK_DTYPE_ROW
