/* parallel.h: the one place that knows OpenMP.
 *
 * ck_parallel_for(control, tasks, body, context) runs body(context, task, slot) for each task once, in any order, on at most
 * control->num_threads threads. `slot` tells apart the threads of one call (workspace index). A task must not depend on which
 * thread takes it or on what ran before. Runs on the calling thread when built without OpenMP, inside another parallel region,
 * and in a child that was forked after threads had started (their pool did not survive the fork). control.h tells what else the
 * control does.
 *
 * How long one task takes depends on the instruction set, the compiler and the load of the machine: tasks without a small bound
 * on their work run under ck_parallel_for_stoppable, ask ck_parallel_stopped on the way, and return early when it answers
 * true. */
#ifndef CK_BASE_PARALLEL_H
#define CK_BASE_PARALLEL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common.h"
#include "control.h"
#include "status.h"

#ifdef _OPENMP
#include <omp.h>
#define CK_PARALLEL_OPENMP 1
#endif

typedef void (*ck_task)(const void *context, int64_t task, int slot);

CK_INLINE bool ck_parallel_accepts(const ck_control *control) {
  return control->num_threads >= 1 && control->num_threads <= CK_MAX_THREADS;
}

/* Whether threads may be started now; remembers that they were (parallel.c). */
bool ck_parallel_allowed(void);

/* Whether to give up; asks the caller, where this is its thread, and tells the other threads. */
CK_INLINE bool ck_parallel_stopped(const ck_control *control, int slot, atomic_bool *stop) {
  if (atomic_load_explicit(stop, memory_order_relaxed)) return true;
  if (slot != 0 || !control->interrupted || !control->interrupted(control->interrupted_context)) return false;
  atomic_store(stop, true);
  return true;
}

CK_INLINE void ck_parallel_worker(const ck_control *control, int64_t tasks, ck_task body, const void *context, int slot,
                                  _Atomic int64_t *next, atomic_bool *stop) {
  for (;;) {
    const int64_t task = atomic_fetch_add_explicit(next, 1, memory_order_relaxed);
    if (task >= tasks || atomic_load_explicit(stop, memory_order_relaxed)) return;
    body(context, task, slot);
    ck_parallel_stopped(control, slot, stop);
  }
}

/* How many threads ck_parallel_for will use at most for so many tasks: the number of workspaces to bring. */
CK_INLINE int ck_parallel_width(int num_threads, int64_t tasks) {
#ifdef _OPENMP
  return (int)ck_clamp(ck_min(num_threads, tasks), 1, CK_MAX_THREADS);
#else
  (void)num_threads, (void)tasks;
  return 1;
#endif
}

/* ck_parallel_for with a `stop`, false at first, that the tasks see too. */
static inline __attribute__((unused)) ck_status ck_parallel_for_stoppable(const ck_control *control, int64_t tasks,
                                                                          ck_task body, const void *context,
                                                                          atomic_bool *stop) {
  _Atomic int64_t next = 0;
  if (!ck_parallel_accepts(control)) return CK_STATUS_NUM_THREADS;
#ifdef _OPENMP
  const int width = ck_parallel_width(control->num_threads, tasks);
  if (width > 1 && !omp_in_parallel() && ck_parallel_allowed()) {
#pragma omp parallel num_threads(width)
    ck_parallel_worker(control, tasks, body, context, omp_get_thread_num(), &next, stop);
    return *stop ? CK_STATUS_INTERRUPTED : CK_STATUS_OK;
  }
#endif
  ck_parallel_worker(control, tasks, body, context, 0, &next, stop);
  return *stop ? CK_STATUS_INTERRUPTED : CK_STATUS_OK;
}

static inline __attribute__((unused)) ck_status ck_parallel_for(const ck_control *control, int64_t tasks, ck_task body,
                                                                const void *context) {
  atomic_bool stop = false;
  return ck_parallel_for_stoppable(control, tasks, body, context, &stop);
}

#endif
