/* split.h: how a call's work is cut into tasks for a team of threads. */
#ifndef CK_CONV_SPLIT_H
#define CK_CONV_SPLIT_H

#include "../base/common.h"

/* One side of the work (pixels, output channels): equal units that cannot be divided, the last of which may be less, cut into
 * even parts. */
typedef struct {
  int64_t units;
  int64_t least, most; /* parts: as memory asks for, as are of use */
  double again;        /* what one more part costs, as a share of the whole work: what it repeats */
  double missing;      /* of the last unit, as a share of it */
} ck_split_side;

typedef struct {
  int64_t parts[2];
  int num_threads;
} ck_split;

/* The parts of both sides for `images` equal images and at most so many threads: those with which the busiest thread is done
 * first, and of those the fewest. Threads that would not make it sooner stay out of the team. */
ck_split ck_split_for(int64_t images, const ck_split_side side[2], int num_threads);

#endif
