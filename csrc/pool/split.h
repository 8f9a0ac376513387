/* split.h: how many units of work make a task, and how many threads are worth waking.
 *
 * Which unit belongs to which task never changes a result, so the split may depend on the number of threads. */
#ifndef CK_POOL_SPLIT_H
#define CK_POOL_SPLIT_H

#include "../base/parallel.h"

/* In steps: one element that passes through a register, about a tenth of a nanosecond. */
#define CK_STEPS_PER_THREAD 100e3 /* less is done sooner than a thread wakes up */
#define CK_STEPS_PER_TASK 50e6    /* more would keep an interruption waiting */
#define CK_TASKS_PER_THREAD 8     /* the last task leaves the other threads idle for at most this part of the time */

typedef struct {
  int64_t units, units_per_task, tasks;
  int num_threads;
} ck_split;

CK_INLINE ck_split ck_split_units(int64_t units, double steps_per_unit, int num_threads) {
  const double threads = (double)units * steps_per_unit / CK_STEPS_PER_THREAD;
  const int used = threads < num_threads ? (int)threads + 1 : num_threads;
  const int64_t even = ck_ceil_div(units, used > 1 ? (int64_t)used * CK_TASKS_PER_THREAD : 1);
  const double most = CK_STEPS_PER_TASK / steps_per_unit;
  const int64_t per_task = ck_max(1, (double)even < most ? even : (int64_t)most);
  return (ck_split){units, per_task, ck_ceil_div(units, per_task), used};
}

CK_INLINE int64_t ck_split_from(const ck_split *split, int64_t task) { return task * split->units_per_task; }
CK_INLINE int64_t ck_split_to(const ck_split *split, int64_t task) {
  return ck_min(split->units, (task + 1) * split->units_per_task);
}

CK_INLINE ck_status ck_split_run(const ck_split *split, const ck_control *control, ck_task body, const void *context) {
  if (!ck_parallel_accepts(control)) return CK_STATUS_NUM_THREADS;
  ck_control limited = *control;
  limited.num_threads = split->num_threads;
  return ck_parallel_for(&limited, split->tasks, body, context);
}

#endif
