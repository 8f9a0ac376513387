# The C interface (csrc/convkit.h) as Cython sees it. The only header named here.
from libc.stdint cimport int64_t

cdef extern from "stdbool.h":
    ctypedef bint ck_bool "bool"


cdef extern from "convkit.h" nogil:
    const char *CK_VERSION

    ctypedef int ck_status
    ctypedef int ck_dtype
    ctypedef int ck_layout
    ctypedef int ck_activation
    ctypedef int ck_pool_kind

    ck_status CK_STATUS_OK, CK_STATUS_INTERRUPTED, CK_STATUS_ALGORITHM, CK_STATUS_COUNT
    int CK_ALGORITHM_AUTO, CK_ALGORITHM_COUNT, CK_AXES, CK_MAX_THREADS
    size_t CK_ALIGNMENT
    ck_dtype CK_DTYPE_f32, CK_DTYPE_f64, CK_DTYPE_i8, CK_DTYPE_u8, CK_DTYPE_i16, CK_DTYPE_u16
    ck_dtype CK_DTYPE_i32, CK_DTYPE_u32, CK_DTYPE_i64, CK_DTYPE_u64, CK_DTYPE_COUNT
    ck_layout CK_LAYOUT_CHANNELS_FIRST, CK_LAYOUT_CHANNELS_LAST
    ck_activation CK_ACTIVATION_NONE, CK_ACTIVATION_RELU, CK_ACTIVATION_RELU6
    ck_pool_kind CK_POOL_MAX, CK_POOL_AVERAGE, CK_POOL_LP
    const char *ck_status_argument(int status)
    const char *ck_status_rule(int status)
    const char *ck_status_name(int status)

    int64_t ck_dtype_size(ck_dtype dtype)
    ck_dtype ck_dtype_sum(ck_dtype dtype)
    bint ck_dtype_is_real(ck_dtype dtype)

    ctypedef struct ck_control:
        int num_threads
        ck_bool (*interrupted)(void *) noexcept nogil
        void *interrupted_context

    ctypedef struct ck_window:
        int64_t in_ "in"[3]
        int64_t kernel[3]
        int64_t stride[3]
        int64_t dilation[3]
        int64_t before[3]
        int64_t after[3]
        int64_t out[3]

    ck_status ck_window_check(ck_window *window, bint ceil_mode)

    int ck_isa_count()
    const char *ck_isa_name(int isa)
    int ck_isa_current()
    ck_status ck_isa_use(int isa)
    bint ck_isa_has_fma(int isa)
    int ck_isa_lanes(int isa, ck_dtype dtype)
    bint ck_has_openmp()
    const char *ck_compiler()
    double ck_probe_fma(int isa, ck_dtype dtype, int64_t iterations, const ck_control *control)

    ctypedef struct ck_conv_problem:
        int64_t n, g, ic, oc
        ck_window window
        ck_dtype src_dtype
        ck_layout layout
        ck_activation activation
        bint prepared

    ctypedef struct ck_conv_plan:
        ck_conv_problem problem
        int algorithm, isa
        size_t packed_bytes, thread_bytes, shared_bytes
        double cost

    ctypedef struct ck_conv_buffers:
        int64_t n
        const void *src
        int64_t src_batch_stride
        const void *weights
        const void *bias
        void *dst
        void *workspace

    const char *ck_conv_algorithm_name(int algorithm)
    ck_status ck_conv_problem_check(ck_conv_problem *problem)
    ck_status ck_conv_plan_init(ck_conv_plan *plan, const ck_conv_problem *problem, int algorithm)
    const char *ck_conv_declines(const ck_conv_problem *problem, int algorithm)
    void ck_conv_pack(const ck_conv_plan *plan, const void *weights, void *packed)
    size_t ck_conv_workspace_bytes(const ck_conv_plan *plan, int64_t n, int num_threads)
    int64_t ck_conv_task_outputs(const ck_conv_plan *plan, int64_t n, int num_threads, int64_t task)
    ck_status ck_conv_run(const ck_conv_plan *plan, const ck_conv_buffers *buffers, const ck_control *control)

    ctypedef struct ck_pool_problem:
        int64_t n, c
        ck_window window
        ck_dtype src_dtype
        ck_layout layout
        ck_pool_kind kind
        bint ceil_mode, adaptive, count_include_pad, with_indices
        double divisor, power

    ctypedef struct ck_pool_plan:
        ck_pool_problem problem
        int isa
        size_t thread_bytes

    ck_status ck_pool_problem_check(ck_pool_problem *problem)
    ck_status ck_pool_plan_init(ck_pool_plan *plan, const ck_pool_problem *problem)
    size_t ck_pool_workspace_bytes(const ck_pool_plan *plan, int num_threads)
    ck_status ck_pool_run(const ck_pool_plan *plan, const void *src, void *dst, int64_t *indices, void *workspace,
                          const ck_control *control)

    ctypedef struct ck_unpool_problem:
        int64_t n, c, in_plane, out_plane
        ck_dtype dtype
        ck_layout layout

    ck_status ck_unpool_run(const ck_unpool_problem *problem, const void *src, const int64_t *indices, void *dst,
                            const ck_control *control)
    ck_status ck_im2col(const ck_window *window, int64_t n, int64_t c, ck_dtype dtype, const void *src, void *columns,
                        const ck_control *control)
    ck_status ck_col2im(const ck_window *window, int64_t n, int64_t c, ck_dtype dtype, const void *columns, void *dst,
                        const ck_control *control)
