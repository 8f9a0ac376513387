/* lowering.c: windows as columns of a matrix, and back.
 *
 *   im2col: for unit = (sample, channel, tap), in parallel:        a row of the matrix: what the tap sees in every window
 *             for output row: zeros | every stride-th element | zeros
 *   col2im: for unit = (sample, channel), in parallel:             a plane of the result
 *             dst = 0; for tap in row-major order: for output row: dst[every stride-th] += columns
 *
 * An element of the result of col2im is one chain of sums over the taps, whatever the number of threads. im2col moves bytes;
 * only the size of an element matters. Both are bound by memory. */
#include <string.h>

#include "../base/checked.h"
#include "../convkit.h"
#include "../dispatch.h"
#include "split.h"

typedef struct {
  ck_window window;
  int64_t taps, pixels, plane; /* volumes of kernel, output and input */
  int64_t size;                /* bytes of an element */
  const char *src;
  char *dst;
  void (*scatter_add)(const ck_scatter_add *);
  ck_split split;
} ck_lowering;

/* Windows low .. high - 1 of an axis have this tap on the input; window `low` at position `first`. */
typedef struct {
  int64_t low, high, first;
} ck_seen;

static ck_seen seen_by(const ck_window *w, int axis, int64_t tap) {
  const int64_t at = tap * w->dilation[axis] - w->before[axis], stride = w->stride[axis]; /* of window 0 */
  ck_seen seen = {.low = at < 0 ? ck_ceil_div(-at, stride) : 0};
  seen.high = at >= w->in[axis] ? 0 : ck_min(w->out[axis] - 1, (w->in[axis] - 1 - at) / stride) + 1;
  if (seen.high <= seen.low) return (ck_seen){0, 0, 0};
  seen.first = at + seen.low * stride;
  return seen;
}

CK_INLINE void copy_strided(char *dst, const char *src, int64_t count, int64_t stride, const size_t size) {
  for (int64_t i = 0; i < count; i++) memcpy(dst + (size_t)i * size, src + (size_t)(i * stride) * size, size);
}

static void copy_run(char *dst, const char *src, int64_t count, int64_t stride, int64_t size) {
  if (count <= 1 || stride == 1)
    memcpy(dst, src, (size_t)(count * size));
  else if (size == 1)
    copy_strided(dst, src, count, stride, 1);
  else if (size == 2)
    copy_strided(dst, src, count, stride, 2);
  else if (size == 4)
    copy_strided(dst, src, count, stride, 4);
  else
    copy_strided(dst, src, count, stride, 8);
}

static void seen_on_axes(const ck_window *w, int64_t tap, ck_seen seen[CK_AXES]) {
  seen[2] = seen_by(w, 2, tap % w->kernel[2]);
  seen[1] = seen_by(w, 1, tap / w->kernel[2] % w->kernel[1]);
  seen[0] = seen_by(w, 0, tap / w->kernel[2] / w->kernel[1]);
}

/* Offset in a plane of what output row (od, oh) sees first; both lie in `seen`. */
static int64_t row_at(const ck_window *w, const ck_seen seen[CK_AXES], int64_t od, int64_t oh) {
  const int64_t d = seen[0].first + (od - seen[0].low) * w->stride[0], h = seen[1].first + (oh - seen[1].low) * w->stride[1];
  return (d * w->in[1] + h) * w->in[2] + seen[2].first;
}

static void im2col_tap(const ck_lowering *l, const char *src, char *dst, int64_t tap) {
  const ck_window *w = &l->window;
  const int64_t size = l->size, ow = w->out[2];
  ck_seen seen[CK_AXES];
  seen_on_axes(w, tap, seen);
  const int64_t low = seen[2].low, high = seen[2].high;
  for (int64_t od = 0; od < w->out[0]; od++) {
    for (int64_t oh = 0; oh < w->out[1]; oh++, dst += ow * size) {
      if (od < seen[0].low || od >= seen[0].high || oh < seen[1].low || oh >= seen[1].high || low == high) {
        memset(dst, 0, (size_t)(ow * size));
        continue;
      }
      memset(dst, 0, (size_t)(low * size));
      copy_run(dst + low * size, src + row_at(w, seen, od, oh) * size, high - low, w->stride[2], size);
      memset(dst + high * size, 0, (size_t)((ow - high) * size));
    }
  }
}

static void col2im_tap(const ck_lowering *l, const char *src, char *dst, int64_t tap) {
  const ck_window *w = &l->window;
  ck_seen seen[CK_AXES];
  seen_on_axes(w, tap, seen);
  const int64_t low = seen[2].low, count = seen[2].high - low;
  for (int64_t od = seen[0].low; od < seen[0].high && count > 0; od++) {
    for (int64_t oh = seen[1].low; oh < seen[1].high; oh++) {
      l->scatter_add(&(ck_scatter_add){.src = src + ((od * w->out[1] + oh) * w->out[2] + low) * l->size,
                                       .dst = dst + row_at(w, seen, od, oh) * l->size,
                                       .count = count,
                                       .stride = count > 1 ? w->stride[2] : 1});
    }
  }
}

static void im2col_task(const void *context, int64_t task, int slot) {
  const ck_lowering *l = context;
  (void)slot;
  for (int64_t unit = ck_split_from(&l->split, task); unit < ck_split_to(&l->split, task); unit++)
    im2col_tap(l, l->src + unit / l->taps * l->plane * l->size, l->dst + unit * l->pixels * l->size, unit % l->taps);
}

static void col2im_task(const void *context, int64_t task, int slot) {
  const ck_lowering *l = context;
  (void)slot;
  for (int64_t unit = ck_split_from(&l->split, task); unit < ck_split_to(&l->split, task); unit++) {
    char *dst = l->dst + unit * l->plane * l->size;
    memset(dst, 0, (size_t)(l->plane * l->size));
    for (int64_t tap = 0; tap < l->taps; tap++) col2im_tap(l, l->src + (unit * l->taps + tap) * l->pixels * l->size, dst, tap);
  }
}

static ck_status check(const ck_window *window, int64_t n, int64_t c, ck_dtype dtype, ck_lowering *l) {
  if (n < 0) return CK_STATUS_BATCH;
  if (c < 1) return CK_STATUS_INPUT_SIZE;
  if ((unsigned)dtype >= CK_DTYPE_COUNT) return CK_STATUS_DTYPE;
  *l = (ck_lowering){.window = *window};
  ck_status status = ck_window_check(&l->window, false);
  if (status) return status;
  const ck_window *w = &l->window;
  const int64_t columns[] = {n, c, w->kernel[0], w->kernel[1], w->kernel[2], w->out[0], w->out[1], w->out[2], 16};
  if (ck_checked_product(columns, 9).overflow) return CK_STATUS_TOO_LARGE;
  status = ck_size_check(n, c, w->in, 16);
  if (status) return status;
  l->taps = ck_volume(w->kernel);
  l->pixels = ck_volume(w->out);
  l->plane = ck_volume(w->in);
  l->size = ck_dtype_size(dtype);
  l->scatter_add = ck_isa_table(ck_isa_current())->of[dtype].scatter_add;
  return CK_STATUS_OK;
}

ck_status ck_im2col(const ck_window *window, int64_t n, int64_t c, ck_dtype dtype, const void *src, void *columns,
                    const ck_control *control) {
  ck_lowering l;
  const ck_status status = check(window, n, c, dtype, &l);
  if (status || n == 0) return status;
  l.src = src;
  l.dst = columns;
  l.split = ck_split_units(n * c * l.taps, (double)l.pixels, control->num_threads);
  return ck_split_run(&l.split, control, im2col_task, &l);
}

ck_status ck_col2im(const ck_window *window, int64_t n, int64_t c, ck_dtype dtype, const void *columns, void *dst,
                    const ck_control *control) {
  ck_lowering l;
  const ck_status status = check(window, n, c, dtype, &l);
  if (status || n == 0) return status;
  l.src = columns;
  l.dst = dst;
  l.split = ck_split_units(n * c, (double)l.taps * (double)l.pixels + (double)l.plane, control->num_threads);
  return ck_split_run(&l.split, control, col2im_task, &l);
}
