/* window.c: the only place that decides whether a window is valid and how long its output is. */
#include "window.h"

#include "checked.h"

static ck_status check_axis(const ck_window *w, int axis) {
  if (w->in[axis] < 1) return CK_STATUS_INPUT_SIZE;
  if (w->kernel[axis] < 1) return CK_STATUS_KERNEL_SIZE;
  if (w->stride[axis] < 1) return CK_STATUS_STRIDE;
  if (w->dilation[axis] < 1) return CK_STATUS_DILATION;
  if (w->before[axis] < 0 || w->after[axis] < 0) return CK_STATUS_PADDING;
  return CK_STATUS_OK;
}

static ck_status output_length(ck_window *w, int axis, bool ceil_mode) {
  const ck_checked padded = ck_checked_add(ck_checked_add(ck_checked_of(w->in[axis]), ck_checked_of(w->before[axis])),
                                           ck_checked_of(w->after[axis]));
  const ck_checked reach = ck_checked_mul(ck_checked_of(w->dilation[axis]), ck_checked_of(w->kernel[axis] - 1));
  const ck_checked room = ck_checked_sub(ck_checked_sub(padded, reach), ck_checked_of(1));
  if (room.overflow) {
    w->out[axis] = 0;
    return CK_STATUS_TOO_LARGE;
  }
  const int64_t stride = w->stride[axis];
  if (ceil_mode) {
    /* A last window may stick out, but windows that start in the after-padding are left out. */
    const int64_t last = room.value < 0 ? -(-room.value / stride) : ck_ceil_div(room.value, stride);
    w->out[axis] = ck_min(last + 1, ck_ceil_div(w->in[axis] + w->before[axis], stride));
  } else if (room.value < 0) {
    w->out[axis] = 1 - ck_ceil_div(-room.value, stride);
  } else {
    w->out[axis] = room.value / stride + 1;
  }
  if (w->out[axis] < 1) return CK_STATUS_OUTPUT_SIZE;
  return CK_STATUS_OK;
}

ck_status ck_window_check(ck_window *window, bool ceil_mode) {
  for (int axis = 0; axis < CK_AXES; axis++) {
    const ck_status status = check_axis(window, axis);
    if (status) return status;
  }
  ck_status worst = CK_STATUS_OK;
  for (int axis = 0; axis < CK_AXES; axis++) {
    const ck_status status = output_length(window, axis, ceil_mode);
    if (status && !worst) worst = status;
  }
  return worst;
}

ck_status ck_size_check(int64_t n, int64_t c, const int64_t size[CK_AXES], int64_t element_bytes) {
  const int64_t factors[6] = {n, c, size[0], size[1], size[2], element_bytes};
  return ck_checked_product(factors, 6).overflow ? CK_STATUS_TOO_LARGE : CK_STATUS_OK;
}
