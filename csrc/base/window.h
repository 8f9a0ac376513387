/* window.h: the sliding window that convolution, pooling and lowering share, and the rules for its sizes. */
#ifndef CK_BASE_WINDOW_H
#define CK_BASE_WINDOW_H

#include "common.h"
#include "status.h"

#include <stdbool.h>

#define CK_AXES 3 /* depth, height, width */

typedef struct {
  int64_t in[CK_AXES], kernel[CK_AXES], stride[CK_AXES], dilation[CK_AXES];
  int64_t before[CK_AXES], after[CK_AXES]; /* padding on each side */
  int64_t out[CK_AXES];                    /* computed by ck_window_check */
} ck_window;

/* Checks every number and computes out: floor((in + before + after - dilation * (kernel - 1) - 1) / stride) + 1; with ceil_mode
 * the ceiling, less a last window that would start in the after-padding. out is set (clamped to int64) also when it is below
 * 1. */
ck_status ck_window_check(ck_window *window, bool ceil_mode);

/* CK_STATUS_TOO_LARGE unless the product of the factors and of the three sizes, in bytes, stays below 2**63. */
ck_status ck_size_check(int64_t n, int64_t c, const int64_t size[CK_AXES], int64_t element_bytes);

CK_INLINE int64_t ck_volume(const int64_t size[CK_AXES]) { return size[0] * size[1] * size[2]; }

#endif
