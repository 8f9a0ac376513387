/* convkit.h: the public C interface. Convolution and pooling of dense arrays on the CPU.
 *
 * The library allocates nothing, prints nothing and keeps no state but the chosen instruction set, the sizes of the caches, and
 * whether threads have run. A call is made in three steps:
 *
 *   1. describe  fill a ck_conv_problem or ck_pool_problem with plain numbers;
 *   2. plan      ck_*_plan_init checks every number, computes the output size, chooses algorithm and blocking;
 *   3. run       ck_*_run with pointers and as much workspace as the plan asks for. Runs of one plan may overlap in time.
 *
 * A problem always has three spatial axes, depth, height and width; unused ones have length 1 and kernel 1. Every function that
 * can fail answers a ck_status (base/status.def): CK_STATUS_OK is 0. */
#ifndef CONVKIT_H
#define CONVKIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "base/control.h"
#include "base/status.h"
#include "base/window.h"
#include "kernels/activation.h"
#include "kernels/dtype.h"

#define CK_VERSION "0.1.0"

typedef enum { CK_LAYOUT_CHANNELS_FIRST, CK_LAYOUT_CHANNELS_LAST } ck_layout;

/* ---- The machine --------------------------------------------------------------------------------------------------------- */

int ck_isa_count(void);           /* instruction sets that this build and this CPU share, best first */
const char *ck_isa_name(int isa); /* NULL beyond the last */
int ck_isa_current(void);
ck_status ck_isa_use(int isa); /* process-wide; plans keep the one they were made with */
bool ck_isa_has_fma(int isa);  /* instruction sets with FMA give the same bits */
int ck_isa_lanes(int isa, ck_dtype dtype);

bool ck_has_openmp(void);
const char *ck_compiler(void);

/* FLOP that one call of the probe does; the probe keeps every FMA unit of one core busy with numbers from registers. */
double ck_probe_fma(int isa, ck_dtype dtype, int64_t iterations, const ck_control *control);

/* ---- Convolution --------------------------------------------------------------------------------------------------------- */

typedef struct {
  int64_t n, g, ic, oc; /* batch, groups, channels of input and output (all groups together) */
  ck_window window;
  ck_dtype src_dtype; /* of the input; weights, bias and output have ck_dtype_sum(src_dtype) */
  ck_layout layout;
  ck_activation activation;
  bool prepared; /* the weights are constant and will be packed once by ck_conv_pack */
} ck_conv_problem;

enum {
  CK_ALGORITHM_AUTO = -1,
#define CK_ROW(name) CK_ALGORITHM_##name,
#include "conv/algorithms.def"
#undef CK_ROW
  CK_ALGORITHM_COUNT
};

const char *ck_conv_algorithm_name(int algorithm); /* NULL beyond the last */

/* Where the micro-kernel finds the pixels of a tile: in a block that holds them once a tap; in the input itself; in a copy of
 * input rows that holds them once, padded, or with the channels of each place side by side. */
typedef enum { CK_PIXELS_LOWERED, CK_PIXELS_IN_PLACE, CK_PIXELS_PANEL, CK_PIXELS_TRANSPOSED } ck_conv_pixels;

/* How the loops are blocked (conv/loops.h has them). Sizes in elements. */
typedef struct {
  ck_window window; /* the problem's, with axes merged where one run of pixels can serve them */
  bool pixel_lanes; /* vector lanes are neighbouring pixels; else output channels */
  ck_conv_pixels pixels;
  bool run_on;                      /* panel: lanes run on over the ends of output rows */
  bool weights_in_place;            /* weights are read as they were given */
  bool weights_by_tile;             /* weights are packed for a register tile at a time, just before it is used */
  bool weights_kept;                /* a thread packs weights the first time that it uses them, and keeps them */
  bool skips;                       /* taps that lie in the padding are left out */
  bool staged;                      /* sums are kept in a block of the workspace and transposed into dst at the end */
  int32_t vectors, rows;            /* micro-kernel tile */
  int64_t k_outer, k_inner;         /* the reduction: taps x channels */
  int64_t block_outer, block_inner; /* the part of it that one pass takes */
  int64_t group_pixels;             /* pixels whose input is lowered, copied or read together, at most */
  int64_t pixel_unit;               /* tasks begin at a multiple of it, or at the vector before */
  int64_t sums_stride;              /* of the staged sums, from pixel to pixel */
  /* In a thread's workspace. */
  size_t tiles_at, moves_at, offsets_at, taps_at, lowered_at, weights_at, known_at, sums_at, zeros_at;
} ck_conv_tiling;

/* Plain data: a plan may be copied and shared. */
typedef struct {
  ck_conv_problem problem;
  ck_conv_tiling tiling; /* of the algorithms that run the loop nest */
  int64_t detail[8];     /* what another algorithm has chosen; its own file has the names */
  int algorithm, isa;
  size_t packed_bytes; /* of the weights after ck_conv_pack; 0 if they are read as they are */
  size_t thread_bytes; /* workspace of each thread */
  size_t shared_bytes; /* workspace beside that, of the whole call */
  double cost;         /* estimated microseconds of one sample on one thread */
} ck_conv_plan;

/* Checks the problem's numbers and computes window.out. */
ck_status ck_conv_problem_check(ck_conv_problem *problem);
/* Checks the problem as above and keeps it, with its output size, in plan->problem in any case. */
ck_status ck_conv_plan_init(ck_conv_plan *plan, const ck_conv_problem *problem, int algorithm);
/* Why the algorithm does not serve the problem, in words; NULL if it does. The problem has passed ck_conv_problem_check. */
const char *ck_conv_declines(const ck_conv_problem *problem, int algorithm);

/* Brings weights (oc, ic/g, kd, kh, kw) into the plan's order. packed: plan->packed_bytes, 64-byte aligned. */
void ck_conv_pack(const ck_conv_plan *plan, const void *weights, void *packed);
size_t ck_conv_workspace_bytes(const ck_conv_plan *plan, int64_t n, int num_threads);
/* How a call will be split: the outputs that task 0, 1, ... computes, -1 after the last. Threads take tasks in this order. */
int64_t ck_conv_task_outputs(const ck_conv_plan *plan, int64_t n, int num_threads, int64_t task);

typedef struct {
  int64_t n;
  const void *src;          /* each sample contiguous in the problem's layout */
  int64_t src_batch_stride; /* elements from one sample to the next, of any sign */
  const void *weights;      /* packed if plan->packed_bytes > 0, else as given to ck_conv_pack */
  const void *bias;         /* oc elements, or NULL */
  void *dst;                /* contiguous; must not overlap an input */
  void *workspace;          /* ck_conv_workspace_bytes, 64-byte aligned */
} ck_conv_buffers;

ck_status ck_conv_run(const ck_conv_plan *plan, const ck_conv_buffers *buffers, const ck_control *control);

/* ---- Pooling ------------------------------------------------------------------------------------------------------------- */

typedef enum { CK_POOL_MAX, CK_POOL_AVERAGE, CK_POOL_LP } ck_pool_kind;

typedef struct {
  int64_t n, c;
  ck_window window;
  ck_dtype src_dtype; /* max: of input and output; average, lp: the output is float32 for float32, else float64 */
  ck_layout layout;
  ck_pool_kind kind;
  bool ceil_mode;
  bool adaptive;          /* window.out is given; window i covers [floor(i in / out), ceil((i + 1) in / out)) */
  bool count_include_pad; /* average: divide by the window's size within the padded input, not by its elements */
  bool with_indices;      /* max: also the flat index of the winner in its spatial plane, int64 */
  double divisor;         /* average: divide by this instead; 0: no */
  double power;           /* lp: p */
} ck_pool_problem;

typedef struct {
  ck_pool_problem problem;
  int isa;
  size_t thread_bytes;
  int64_t detail[16];
} ck_pool_plan;

/* Checks the problem's numbers and computes window.out. */
ck_status ck_pool_problem_check(ck_pool_problem *problem);
ck_status ck_pool_plan_init(ck_pool_plan *plan, const ck_pool_problem *problem);
size_t ck_pool_workspace_bytes(const ck_pool_plan *plan, int num_threads);
/* src and dst contiguous in the problem's layout; indices: NULL unless with_indices; workspace: 64-byte aligned. */
ck_status ck_pool_run(const ck_pool_plan *plan, const void *src, void *dst, int64_t *indices, void *workspace,
                      const ck_control *control);

/* Writes src[i] to dst[indices[i]] in each plane (n * c planes; channels_last interleaves them); everything else becomes zero.
 * Of several equal indices the last one wins. Checks every index before anything is written to dst. */
typedef struct {
  int64_t n, c, in_plane, out_plane; /* elements of a spatial plane */
  ck_dtype dtype;
  ck_layout layout;
} ck_unpool_problem;

ck_status ck_unpool_run(const ck_unpool_problem *problem, const void *src, const int64_t *indices, void *dst,
                        const ck_control *control);

/* ---- Lowering ------------------------------------------------------------------------------------------------------------ */

/* columns (n, c * taps, pixels) from src (n, c, in...), channels first, element type unchanged. */
ck_status ck_im2col(const ck_window *window, int64_t n, int64_t c, ck_dtype dtype, const void *src, void *columns,
                    const ck_control *control);
/* Adds every column element back to the place it came from; dst (n, c, in...) is written whole. Sums of `dtype` itself. */
ck_status ck_col2im(const ck_window *window, int64_t n, int64_t c, ck_dtype dtype, const void *columns, void *dst,
                    const ck_control *control);

#ifdef __cplusplus
}
#endif

#endif
