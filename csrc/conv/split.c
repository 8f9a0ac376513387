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

/* Units of the largest parts of a side, and how many there are of them. */
typedef struct {
  double units;
  int64_t count;
} largest;

static largest largest_of(const ck_split_side *side, int64_t parts) {
  const int64_t units = ck_ceil_div(side->units, parts), longer = side->units % parts;
  if (parts == 1) return (largest){(double)units - side->missing, 1};
  return (largest){(double)units, longer ? longer : parts - (side->missing > 0)};
}

static trial try_parts(int64_t images, const ck_split_side side[2], int64_t a, int64_t b, int num_threads) {
  const int64_t tasks = images * a * b, rounds = ck_ceil_div(tasks, num_threads);
  const double all = (double)images * ((double)side[0].units - side[0].missing) * ((double)side[1].units - side[1].missing);
  const largest first = largest_of(&side[0], a), second = largest_of(&side[1], b);
  const double task = first.units * second.units;
  /* The largest tasks take so many rounds, and the others are like each other. */
  const int64_t large = images * first.count * second.count;
  const int64_t full = ck_ceil_div(large, num_threads);
  const double others = tasks > large ? (all - (double)large * task) / (double)(tasks - large) : 0;
  const double busiest = (double)full * task + (double)(rounds - full) * others;
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
