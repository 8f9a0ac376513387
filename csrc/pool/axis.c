/* axis.c: where the windows of one axis lie.
 *
 * Window o of an axis has taps at start + t * dilation, start = o * stride - before, t < kernel. Those on the input are
 * skipped <= t < end:
 *
 *   skipped = ceil(-start / dilation) if start < 0, else 0
 *   end     = min(kernel, floor((in - 1 - start) / dilation) + 1)
 *
 * All in a few divisions, whatever the numbers: kernel, padding and dilation may be of the order of 2**62. ck_window_check
 * has made sure that in + before + after, dilation * (kernel - 1) and so every start fit int64. */
#include "pool.h"

typedef unsigned __int128 ck_wide;

/* Taps from the first to `length` - 1, with none skipped. */
static int64_t taps_below(const ck_window *w, int axis, int64_t start, int64_t length) {
  if (start >= length) return 0;
  const int64_t room = length - 1 - start;
  return ck_min(w->kernel[axis] - 1, room / w->dilation[axis]) + 1;
}

static ck_pool_window adaptive_window(const ck_window *w, int axis, int64_t out) {
  const ck_wide in = (ck_wide)w->in[axis], parts = (ck_wide)w->out[axis];
  const int64_t first = (int64_t)((ck_wide)out * in / parts);
  const int64_t end = (int64_t)((((ck_wide)out + 1) * in + parts - 1) / parts);
  return (ck_pool_window){first, end - first, (double)(end - first)};
}

ck_pool_window ck_pool_window_at(const ck_pool_problem *problem, int axis, int64_t out) {
  const ck_window *w = &problem->window;
  if (problem->adaptive) return adaptive_window(w, axis, out);
  const int64_t start = out * w->stride[axis] - w->before[axis];
  const int64_t skipped = start < 0 ? ck_ceil_div(-start, w->dilation[axis]) : 0;
  const int64_t end = taps_below(w, axis, start, w->in[axis]);
  ck_pool_window window = {0, ck_max(0, end - skipped), 0};
  if (window.taps > 0) window.first = start + skipped * w->dilation[axis];
  window.counted =
      (double)(problem->count_include_pad ? taps_below(w, axis, start, w->in[axis] + w->after[axis]) : window.taps);
  return window;
}

ck_pool_whole ck_pool_whole_of(const ck_pool_problem *problem, int axis) {
  const ck_window *w = &problem->window;
  if (problem->adaptive) {
    const int64_t taps = w->in[axis] / w->out[axis];
    return (ck_pool_whole){0, w->in[axis] % w->out[axis] == 0 ? w->out[axis] : 0, 0, taps, taps};
  }
  const int64_t before = w->before[axis], stride = w->stride[axis];
  const int64_t room = w->in[axis] - 1 - w->dilation[axis] * (w->kernel[axis] - 1);
  const int64_t to = room < 0 ? 0 : ck_min(w->out[axis] - 1, (room + before) / stride) + 1;
  return (ck_pool_whole){ck_ceil_div(before, stride), to, -before, stride, w->kernel[axis]};
}

int64_t ck_pool_runs(const ck_pool_problem *problem, int axis, const ck_pool_whole *whole, int64_t from, int64_t to,
                     ck_pool_alike *runs) {
  int64_t count = 0, last = 0;
  for (int64_t o = from; o < to; o++) {
    if (o >= whole->from && o < whole->to) {
      const int64_t end = ck_min(to, whole->to), first = whole->first + o * whole->stride;
      runs[count++] = (ck_pool_alike){o, end - o, first, end - o > 1 ? whole->stride : 0, whole->taps, (double)whole->taps};
      o = end - 1;
      last = INT64_MAX;
      continue;
    }
    const ck_pool_window window = ck_pool_window_at(problem, axis, o);
    ck_pool_alike *run = count > 0 ? &runs[count - 1] : NULL;
    const int64_t step = window.first - last; /* negative where a dilated window skips more of its taps than the one before */
    const bool alike = run && run->taps == window.taps && run->counted == window.counted && step >= 0;
    if (alike && (run->count == 1 || step == run->stride)) {
      run->stride = step;
      run->count++;
    } else {
      runs[count++] = (ck_pool_alike){o, 1, window.first, 0, window.taps, window.counted};
    }
    last = window.first;
  }
  return count;
}

/* The sum of floor((a * i + b) / m) for i < n, modulo 2**128. a, b < m < 2**63. The steps are those of Euclid's algorithm:
 * the points under a line are counted by columns, then what is left by rows. */
static ck_wide sum_of_floors(ck_wide n, ck_wide m, ck_wide a, ck_wide b) {
  ck_wide sum = 0;
  for (;;) {
    sum += n * (n - 1) / 2 * (a / m) + n * (b / m);
    a %= m;
    b %= m;
    const ck_wide top = a * n + b;
    if (top < m) return sum;
    n = top / m;
    b = top % m;
    const ck_wide swapped = m;
    m = a;
    a = swapped;
  }
}

bool ck_pool_has_empty_window(const ck_window *w, int axis) {
  const int64_t in = w->in[axis], stride = w->stride[axis], dilation = w->dilation[axis], before = w->before[axis];
  if ((w->out[axis] - 1) * stride - before >= in) return true; /* the last starts after the input */
  if (dilation * (w->kernel[axis] - 1) < before) return true;  /* the first ends before it */
  if (dilation <= in) return false;
  /* Windows that start before the input meet it first at start mod dilation, if that is on it. */
  const ck_wide early = (ck_wide)ck_min(w->out[axis], ck_ceil_div(before, stride));
  const ck_wide a = (ck_wide)(stride % dilation), b = (ck_wide)((dilation - before % dilation) % dilation);
  const ck_wide m = (ck_wide)dilation, gap = (ck_wide)(dilation - in);
  return sum_of_floors(early, m, a, b + gap) != sum_of_floors(early, m, a, b);
}

int64_t ck_pool_most_taps(const ck_pool_problem *problem, int axis) {
  const ck_window *w = &problem->window;
  if (problem->adaptive) return ck_ceil_div(w->in[axis], w->out[axis]) + (w->in[axis] % w->out[axis] != 0);
  return ck_min(w->kernel[axis], ck_ceil_div(w->in[axis], w->dilation[axis]));
}

int64_t ck_pool_reach(const ck_pool_problem *problem, int axis, int64_t count) {
  const ck_window *w = &problem->window;
  const int64_t in = w->in[axis], taps = ck_pool_most_taps(problem, axis);
  if (problem->adaptive) return ck_min(in, count >= w->out[axis] ? in : count * ck_ceil_div(in, w->out[axis]) + 1);
  const int64_t one = taps > 1 ? (taps - 1) * w->dilation[axis] + 1 : 1;
  const int64_t more = count > 1 ? (count - 1) * w->stride[axis] : 0;
  return more >= in - one ? in : one + more;
}
