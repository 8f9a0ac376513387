/* tiling.h: what the planner of the loop nest (tiling.c) and its cost (estimate.c) know of each other. */
#ifndef CK_CONV_TILING_H
#define CK_CONV_TILING_H

#include "view.h"

CK_INLINE ck_dtype ck_sum_of(const ck_conv_plan *plan) { return ck_dtype_sum(plan->problem.src_dtype); }
CK_INLINE const ck_kernels *ck_kernels_of(const ck_conv_plan *plan) { return &ck_isa_table(plan->isa)->of[ck_sum_of(plan)]; }

/* Whether a call packs the weights that it is given. */
CK_INLINE bool ck_packs_weights(const ck_conv_plan *plan) { return !plan->problem.prepared && !plan->tiling.weights_in_place; }

/* Whether a call of n samples uses its packed weights so often, and they are so few, that a thread may keep them. */
bool ck_keeps_weights(const ck_conv_plan *plan, int64_t n);

/* Bytes of all groups' packed weights, and one for each of their tiles. */
ck_checked ck_packed_bytes(const ck_conv_plan *plan);
/* Input places that a group sees which is a part of a row, with those between its taps. */
int64_t ck_seen_by_part(const ck_conv_tiling *t);

/* Microseconds of one sample on one thread, of a plan that is complete but for its workspace. */
double ck_loops_estimate(const ck_conv_plan *plan);

#endif
