/* dtype.c: the rows of dtypes.def as a table. */
#include "dtype.h"

static const struct {
  int64_t size;
  ck_dtype sum;
  bool real;
} info[CK_DTYPE_COUNT] = {
#define CK_EACH_DTYPE "dtype_info_row.h"
#include "dtypes.def"
#undef CK_EACH_DTYPE
};

int64_t ck_dtype_size(ck_dtype dtype) { return info[dtype].size; }
ck_dtype ck_dtype_sum(ck_dtype dtype) { return info[dtype].sum; }
bool ck_dtype_is_real(ck_dtype dtype) { return info[dtype].real; }
