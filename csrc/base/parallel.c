/* parallel.c: remembers across a fork that threads were started.
 *
 * The usual OpenMP run-time systems keep a pool of threads. A forked child inherits the pool's book-keeping but not its
 * threads, and its next parallel region would wait for them for ever. The child of a process that had used threads therefore
 * stays serial. */
#include "parallel.h"

#include <pthread.h>

static atomic_bool threads_started, forked_after_start;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_child(void) {
  if (atomic_load(&threads_started)) atomic_store(&forked_after_start, true);
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }

bool ck_parallel_allowed(void) {
  if (atomic_load_explicit(&forked_after_start, memory_order_relaxed)) return false;
  if (!atomic_load_explicit(&threads_started, memory_order_relaxed)) {
    pthread_once(&once, watch_forks);
    atomic_store(&threads_started, true);
  }
  return true;
}
