/* cost.h: what the estimates of all algorithms share. Time is in cycles of one core until the end, where CYCLES_PER_US
 * turns it into the microseconds by which algorithms are compared. */
#ifndef CK_CONV_COST_H
#define CK_CONV_COST_H

#include <stdbool.h>

#include "../base/common.h"

#define CYCLES_PER_US 3000.0
#define CYCLES_TILE 25.0       /* call of a micro-kernel and its stores */
#define CYCLES_FETCH_LINE 6.0  /* a line of cache */
#define WORK_PER_THREAD 100000 /* multiplications: fewer do not pay for one more thread */

/* Cycles of one step of k in a register tile: two multiply-adds and two loads a cycle (`more` loads than the operands need),
 * four cycles until a sum can be used again. */
CK_INLINE double ck_step_cycles(double rows, double vectors, double more) {
  const double adds = rows * vectors / 2.0, loads = (rows + vectors + more) / 1.9;
  const double longer = adds > loads ? adds : loads;
  return longer < 4.0 ? 4.0 : longer;
}

/* The first look at so many bytes of the input. */
CK_INLINE double ck_fetch_cycles(double bytes) { return bytes / CK_ALIGNMENT * CYCLES_FETCH_LINE; }

/* Strides that the kernel `pack` takes out by shuffles; others element by element. */
CK_INLINE bool ck_stride_shuffled(int64_t stride) { return stride == 2 || stride == 4; }

/* Threads that so many multiplications can use, at most `asked`. */
CK_INLINE int ck_threads_for(double work, int asked) {
  const double most = work / WORK_PER_THREAD;
  return (int)ck_clamp((int64_t)(most < 1e6 ? most : 1e6) + 1, 1, asked);
}

#endif
