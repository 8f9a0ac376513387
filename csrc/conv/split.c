/* split.c: searches the parts of split.h. A few hundred trials at the most, for many threads. */
#include "split.h"

#define TASKS_MOST 3     /* a thread, at the most, for the sake of balance */
#define PARTS_MORE 16    /* where memory asks for few parts, up to twice as many are tried, but at most so many more */
#define GOOD_ENOUGH 1.01 /* the busiest thread's work relative to a perfect split */
#define GAIN 0.005       /* more parts must bring so much */

typedef struct {
  double span; /* work of the busiest thread and what the parts repeat; 1: a perfect split */
  int threads;
} trial;

/* How many of the parts have a unit more than the others. */
static int64_t larger_parts(int64_t units, int64_t parts) { return units % parts ? units % parts : parts; }

static trial try_parts(int64_t images, const ck_split_side side[2], int64_t a, int64_t b, int num_threads) {
  const int64_t tasks = images * a * b, rounds = ck_ceil_div(tasks, num_threads);
  const double all = (double)images * (double)side[0].units * (double)side[1].units;
  const double largest = (double)ck_ceil_div(side[0].units, a) * (double)ck_ceil_div(side[1].units, b);
  /* The largest tasks take so many rounds, and the others are like each other. */
  const int64_t large = images * larger_parts(side[0].units, a) * larger_parts(side[1].units, b);
  const int64_t full = ck_ceil_div(large, num_threads);
  const double others = tasks > large ? (all - (double)large * largest) / (double)(tasks - large) : 0;
  const double busiest = (double)full * largest + (double)(rounds - full) * others;
  const double again = side[0].again * (double)(a - side[0].least) + side[1].again * (double)(b - side[1].least);
  return (trial){busiest * num_threads / all * (1 + again), (int)ck_ceil_div(tasks, rounds)};
}

ck_split ck_split_for(int64_t images, const ck_split_side side[2], int num_threads) {
  ck_split best = {{side[0].least, side[1].least}, 1};
  if (num_threads == 1) return best;
  trial found = try_parts(images, side, side[0].least, side[1].least, num_threads);
  const int64_t least = images * side[0].least * side[1].least;
  const int64_t most = ck_max(TASKS_MOST * num_threads, least + ck_max(2 * num_threads, ck_min(least, PARTS_MORE)));
  for (int64_t a = side[0].least; a <= side[0].most && (a == side[0].least || images * a * side[1].least <= most); a++) {
    for (int64_t b = side[1].least; b <= side[1].most && (b == side[1].least || images * a * b <= most); b++) {
      if (found.span < GOOD_ENOUGH) break;
      const trial t = try_parts(images, side, a, b, num_threads);
      if (t.span > found.span - GAIN && !(t.span <= found.span && t.threads < found.threads)) continue;
      found = t;
      best.parts[0] = a;
      best.parts[1] = b;
    }
  }
  best.num_threads = found.threads;
  return best;
}
