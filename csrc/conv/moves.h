/* moves.h: lists of runs for the kernel `pack` (kernels.h): what taps see of the input, and zeros in the padding. A pixel or
 * tap is a depth, row and column; steps are the elements between neighbours along each axis of the input. */
#ifndef CK_CONV_MOVES_H
#define CK_CONV_MOVES_H

#include "algorithm.h"

/* Adds a run, if it is one, and returns the place of the next. */
CK_INLINE ck_move *ck_move_add(ck_move *move, ptrdiff_t src, ptrdiff_t dst, int64_t count, int64_t step) {
  if (count <= 0) return move;
  *move = (ck_move){.src = src, .dst = dst, .count = (int32_t)count, .step = (int32_t)step};
  return move + 1;
}

/* Whether output row (at[0], at[1]) has the tap inside the input, and the offset of that input row. */
CK_INLINE bool ck_row_inside(const ck_window *w, const int64_t at[CK_AXES], const int64_t tap[CK_AXES],
                             const int64_t steps[CK_AXES], int64_t *offset) {
  *offset = 0;
  for (int axis = 0; axis < 2; axis++) {
    const int64_t i = at[axis] * w->stride[axis] - w->before[axis] + tap[axis] * w->dilation[axis];
    if (i < 0 || i >= w->in[axis]) return false;
    *offset += i * steps[axis];
  }
  return true;
}

/* Lists what one tap of `count` pixels from `at` on in one output row sees: zeros, elements inside the input, zeros. */
CK_INLINE ck_move *ck_move_row(const ck_window *w, const int64_t at[CK_AXES], const int64_t tap[CK_AXES],
                               const int64_t steps[CK_AXES], int64_t count, ptrdiff_t dst, int64_t step, ck_move *move) {
  int64_t offset;
  if (!ck_row_inside(w, at, tap, steps, &offset)) return ck_move_add(move, CK_MOVE_ZERO, dst, count, step);
  const int64_t first = at[2] * w->stride[2] - w->before[2] + tap[2] * w->dilation[2];
  const int64_t left = first < 0 ? ck_min(count, ck_ceil_div(-first, w->stride[2])) : 0;
  const int64_t inside = first < w->in[2] ? ck_min(count, (w->in[2] - 1 - first) / w->stride[2] + 1) : 0;
  const int64_t end = ck_max(left, inside);
  move = ck_move_add(move, CK_MOVE_ZERO, dst, left, step);
  move = ck_move_add(move, offset + (first + left * w->stride[2]) * steps[2], dst + left, end - left, step);
  return ck_move_add(move, CK_MOVE_ZERO, dst + end, count - end, step);
}

#endif
