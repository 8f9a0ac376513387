/* direct.c: no pixel is held once a tap. With pixels in lanes, a table of offsets, one for each k, leads the micro-kernel
 * through taps and channels of the input, in place where that is possible, else of a padded copy of a few of its rows
 * (panel.c). With channels in lanes, a list of stretches does, one for each tap or row of taps that lies inside the input, in
 * place or in a transposed copy (view.c).
 *
 *   for a group of pixel tiles: for a block of K: (copy the rows) for channel tile: for pixel tile: gemm
 *
 * Stride, dilation, padding, groups and one to three dimensions are entries of these tables. */
#include "loops.h"

static const char *declines(const ck_conv_problem *problem) {
  (void)problem;
  return NULL;
}

/* With pixels in lanes: in place where nothing stands between the micro-kernel and the input, as in pointwise kernels. */
static ck_status plan(ck_conv_plan *p) {
  const ck_window *w = &p->problem.window;
  bool plain = ck_volume(w->kernel) == 1 && w->stride[2] == 1;
  for (int axis = 0; axis < CK_AXES; axis++) plain = plain && w->before[axis] == 0 && w->after[axis] == 0;
  return ck_loops_plan(p, plain ? CK_PIXELS_IN_PLACE : CK_PIXELS_PANEL);
}

const ck_conv_algorithm ck_conv_direct = {"direct",      true,         declines,       plan,
                                          ck_loops_pack, ck_loops_run, ck_loops_tasks, ck_loops_task_outputs};
