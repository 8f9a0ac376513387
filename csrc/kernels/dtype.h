/* dtype.h: the element types as plain data, for the layers that never touch an element. */
#ifndef CK_KERNELS_DTYPE_H
#define CK_KERNELS_DTYPE_H

#include <stdbool.h>

#include "dtype_row.h"

typedef enum {
#define CK_EACH_DTYPE "dtype_enum_row.h"
#include "dtypes.def"
#undef CK_EACH_DTYPE
  CK_DTYPE_COUNT
} ck_dtype;

/* Bytes of one element. */
int64_t ck_dtype_size(ck_dtype dtype);
/* The type in which sums of `dtype` are taken and returned: itself for reals, int32 for 8 and 16 bits, int64 for wider
 * integers. */
ck_dtype ck_dtype_sum(ck_dtype dtype);
bool ck_dtype_is_real(ck_dtype dtype);

#endif
