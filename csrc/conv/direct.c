/* direct.c: pixel tiles are read where they are; only a tile that touches the padding or the end of a row is lowered, alone.
 *
 *   for a group of pixel tiles: for a block of K: for pixel tile: (lower it if need be) for channel tile: gemm
 *
 * A table of offsets, one for each k, leads the micro-kernel through taps and channels; dilation, groups and one to three dimensions are
 * entries of that table. There is no lowering buffer beyond one tile. It wins where lowering would not be paid back: few output channels,
 * pointwise kernels. */
#include "loops.h"

static const char *declines(const ck_conv_problem *problem) {
  (void)problem;
  return NULL;
}

/* The share of pixels whose window leaves the input, or whose tile does. */
static double lowered_share(const ck_conv_problem *p) {
  const ck_window *w = &p->window;
  const bool pointwise = ck_volume(w->kernel) == 1;
  double inside = 1;
  for (int axis = 0; axis < CK_AXES; axis++) {
    const double touched = (double)(ck_ceil_div(w->before[axis], w->stride[axis]) + ck_ceil_div(w->after[axis], w->stride[axis]));
    const double tiles = axis == 2 && touched > 0 ? 16 * (w->before[axis] > 0) + 16 * (w->after[axis] > 0) : touched;
    const double share = (tiles > touched ? tiles : touched) / (double)w->out[axis];
    inside *= share > 1 ? 0 : 1 - share;
  }
  if (!pointwise && w->stride[2] != 1 && p->layout == CK_LAYOUT_CHANNELS_FIRST) return 1;
  return 1 - inside;
}

static ck_status plan(ck_conv_plan *p) {
  return ck_loops_plan(p, (ck_loops_choice){.in_place = true, .lower_share = lowered_share(&p->problem)});
}

const ck_conv_algorithm ck_conv_direct = {"direct", declines, plan, ck_loops_pack, ck_loops_run, ck_loops_tasks};
