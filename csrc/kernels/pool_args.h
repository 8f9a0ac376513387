/* pool_args.h: the arguments of the pooling and lowering kernels.
 *
 * "The sum type" of these kernels is the type in which an average is taken: float for float, double for every other dtype. */
#ifndef CK_KERNELS_POOL_ARGS_H
#define CK_KERNELS_POOL_ARGS_H

#include <stdbool.h>

#include "../base/common.h"

#define CK_FOLD_CHAIN 128 /* the longest sum in float, where sums are kept short (fold_wide) */

/* dst[i] = all src[t0 * strides[0] + t1 * strides[1] + t2 * strides[2] + i] combined, taps in row-major order, for i < count.
 *   fold_max    the maximum, NaN if one is NaN; dst has the dtype
 *   fold_sum    the sum, divided by `divisor` unless that is 1; dst has the sum type
 *   fold_wide   the sum of floats, divided as above; dst is double. No chain of float is longer than CK_FOLD_CHAIN
 *   fold_power  the sum of |x|**power; dst is double */
typedef struct {
  const void *src;
  void *dst;
  int64_t taps[3];
  ptrdiff_t strides[3];
  int64_t count;
  bool resume; /* what dst holds is combined too */
  double divisor, power;
} ck_fold;

/* dst[o] = all src[o * stride + t * step], t < taps, combined in rising order of t, for o < count. src and dst have one type.
 *   slide_max   the maximum, NaN if one is NaN
 *   slide_sum   the sum, divided by `divisor` unless that is 1 (reals only)
 * Nothing at or beyond src[readable] is read. */
typedef struct {
  const void *src;
  void *dst;
  int64_t count, taps;
  ptrdiff_t stride, step;
  int64_t readable;
  double divisor;
} ck_slide;

/* fill_lowest(dst, count): minus infinity, or the least integer, in each element: it never wins a maximum. */

/* For each lane i < count: the first of the largest (or the first NaN) of the taps, in row-major order:
 *   dst[i] = src[i * lane_stride + t0 * strides[0] + t1 * strides[1] + t2 * strides[2]]
 *   indices[i] = index + i * lane_index + t0 * places[0] + t1 * places[1] + t2 * places[2]
 * Nothing at or beyond src[readable] is read. */
typedef struct {
  const void *src;
  void *dst;
  int64_t *indices;
  int64_t taps[3];
  ptrdiff_t strides[3], places[3];
  int64_t count, index, lane_index;
  ptrdiff_t lane_stride;
  int64_t readable;
} ck_argmax;

/* dst[i] = src[i]**(1 / power), from double to the dtype (reals only). */
typedef struct {
  const double *src;
  void *dst;
  int64_t count;
  double power;
} ck_root;

/* dst[i * stride] += src[i] for i < count, in the dtype; integers wrap. */
typedef struct {
  const void *src;
  void *dst;
  int64_t count;
  ptrdiff_t stride;
} ck_scatter_add;

#endif
