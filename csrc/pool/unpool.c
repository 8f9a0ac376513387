/* unpool.c: puts values back to the places that pooling took them from.
 *
 *   for unit, in parallel: every index within the plane?            nothing is written before all are known
 *   for unit = (plane, chunk of channels), in parallel:
 *     dst = 0
 *     for position in row-major order: for channel: dst[indices[position, channel], channel] = src[position, channel]
 *
 * A unit owns its part of dst, so the last of several equal indices wins for any number of threads. The element's bytes are
 * moved as they are; only their number matters. */
#include <string.h>

#include "../convkit.h"
#include "split.h"

enum { channel_chunk = 64, check_chunk = 1 << 14 };

typedef struct {
  ck_unpool_problem problem;
  int64_t planes, inner, chunks;
  size_t size;
  const char *src;
  char *dst;
  const int64_t *indices;
  ck_split split;
  atomic_bool *outside;
} ck_unpool_call;

static void check_task(const void *context, int64_t task, int slot) {
  const ck_unpool_call *call = context;
  const uint64_t plane = (uint64_t)call->problem.out_plane;
  const int64_t total = call->planes * call->problem.in_plane * call->inner;
  const int64_t end = ck_min(total, ck_split_to(&call->split, task) * check_chunk);
  bool outside = false;
  (void)slot;
  for (int64_t i = ck_split_from(&call->split, task) * check_chunk; i < end; i++)
    outside |= (uint64_t)call->indices[i] >= plane;
  if (outside) atomic_store(call->outside, true);
}

CK_INLINE void scatter(const ck_unpool_call *call, int64_t plane, int64_t channel, int64_t channels, const size_t size) {
  const int64_t inner = call->inner, in_plane = call->problem.in_plane, out_plane = call->problem.out_plane;
  const char *src = call->src + (size_t)(plane * in_plane * inner + channel) * size;
  char *dst = call->dst + (size_t)(plane * out_plane * inner + channel) * size;
  const int64_t *indices = call->indices + plane * in_plane * inner + channel;
  if (channels == inner)
    memset(dst, 0, (size_t)(out_plane * inner) * size);
  else
    for (int64_t i = 0; i < out_plane; i++) memset(dst + (size_t)(i * inner) * size, 0, (size_t)channels * size);
  for (int64_t i = 0; i < in_plane * inner; i += inner) {
    for (int64_t c = 0; c < channels; c++)
      memcpy(dst + (size_t)(indices[i + c] * inner + c) * size, src + (size_t)(i + c) * size, size);
  }
}

static void scatter_task(const void *context, int64_t task, int slot) {
  const ck_unpool_call *call = context;
  (void)slot;
  for (int64_t unit = ck_split_from(&call->split, task); unit < ck_split_to(&call->split, task); unit++) {
    const int64_t plane = unit / call->chunks, channel = unit % call->chunks * channel_chunk;
    const int64_t channels = ck_min(channel_chunk, call->inner - channel);
    switch (call->size) {
      case 1:
        scatter(call, plane, channel, channels, 1);
        break;
      case 2:
        scatter(call, plane, channel, channels, 2);
        break;
      case 4:
        scatter(call, plane, channel, channels, 4);
        break;
      default:
        scatter(call, plane, channel, channels, 8);
    }
  }
}

static ck_status check_problem(const ck_unpool_problem *p) {
  if (p->n < 0) return CK_STATUS_BATCH;
  if (p->c < 1 || p->in_plane < 1) return CK_STATUS_INPUT_SIZE;
  if (p->out_plane < 1) return CK_STATUS_TARGET_SIZE;
  if ((unsigned)p->dtype >= CK_DTYPE_COUNT) return CK_STATUS_DTYPE;
  const ck_status status = ck_size_check(p->n, p->c, (const int64_t[]){1, 1, p->in_plane}, 16);
  return status ? status : ck_size_check(p->n, p->c, (const int64_t[]){1, 1, p->out_plane}, 16);
}

ck_status ck_unpool_run(const ck_unpool_problem *problem, const void *src, const int64_t *indices, void *dst,
                        const ck_control *control) {
  ck_status status = check_problem(problem);
  if (status || problem->n == 0) return status;
  const bool by_channels = problem->layout == CK_LAYOUT_CHANNELS_LAST;
  atomic_bool outside = false;
  ck_unpool_call call = {.problem = *problem,
                         .planes = by_channels ? problem->n : problem->n * problem->c,
                         .inner = by_channels ? problem->c : 1,
                         .size = (size_t)ck_dtype_size(problem->dtype),
                         .src = src,
                         .dst = dst,
                         .indices = indices,
                         .outside = &outside};
  call.chunks = ck_ceil_div(call.inner, channel_chunk);
  const int64_t total = call.planes * problem->in_plane * call.inner;
  call.split = ck_split_units(ck_ceil_div(total, check_chunk), check_chunk, control->num_threads);
  status = ck_split_run(&call.split, control, check_task, &call);
  if (status) return status;
  if (outside) return CK_STATUS_INDICES;
  const double steps =
      ((double)problem->in_plane * 16 + (double)problem->out_plane) * (double)ck_min(call.inner, channel_chunk);
  call.split = ck_split_units(call.planes * call.chunks, steps, control->num_threads);
  return ck_split_run(&call.split, control, scatter_task, &call);
}
