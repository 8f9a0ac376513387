/* im2col.c: every pixel tile is lowered into a block that stays in L2, then multiplied.
 *
 *   for a group of pixel tiles: for a block of K: lower all tiles; for channel tile: for pixel tile: gemm
 *
 * The full matrix of Chellapilla, Puri and Simard (High Performance Convolutional Neural Networks for Document Processing,
 * 2006) never exists: a group takes half of L2. Lowering costs several cycles a vector and is paid back by packed, unit-stride
 * operands, for any stride, dilation, padding, dtype and layout. */
#include "loops.h"

static const char *declines(const ck_conv_problem *problem) {
  (void)problem;
  return NULL;
}

static ck_status plan(ck_conv_plan *p) { return ck_loops_plan(p, CK_PIXELS_LOWERED); }

const ck_conv_algorithm ck_conv_im2col = {"im2col",      true,         declines,       plan,
                                          ck_loops_pack, ck_loops_run, ck_loops_tasks, ck_loops_task_outputs};
