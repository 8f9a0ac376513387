/* control.h: how a caller steers a running call: its threads, and whether to give up. */
#ifndef CK_BASE_CONTROL_H
#define CK_BASE_CONTROL_H

#include <stdbool.h>

#define CK_MAX_THREADS 1024

/* A number of threads that is not from 1 to CK_MAX_THREADS is refused with CK_STATUS_NUM_THREADS before anything is done.
 *
 * interrupted, if given, is asked by the calling thread between tasks; when it answers true the remaining tasks are skipped and
 * CK_STATUS_INTERRUPTED comes back. */
typedef struct {
  int num_threads;
  bool (*interrupted)(void *); /* NULL: never */
  void *interrupted_context;
} ck_control;

#endif
