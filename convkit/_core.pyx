# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""Where Python meets C: plans, pointers, workspace, signals. No shape rule lives here."""

from cpython.buffer cimport PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport int64_t
from libc.stdlib cimport free
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap
from posix.stdlib cimport posix_memalign
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from ._core cimport *

VERSION = CK_VERSION.decode()
ALIGNMENT = CK_ALIGNMENT


# ---- Errors -------------------------------------------------------------------------------------


def check(int status, dict given, str reason=""):
    """Raise the error of a status: ``{argument} {rule} ({reason}), got {value}``."""
    if status == CK_STATUS_OK:
        return
    if status == CK_STATUS_INTERRUPTED:
        PyErr_CheckSignals()
        raise KeyboardInterrupt
    argument = ck_status_argument(status).decode()
    rule = ck_status_rule(status).decode()
    error = NotImplementedError if status == CK_STATUS_ALGORITHM else ValueError
    because = f" ({reason})" if reason else ""
    raise error(f"{argument} {rule}{because}, got {given[argument]!r}")


def statuses():
    """All rows of status.def: (name, argument, rule)."""
    return [
        (ck_status_name(i).decode(), ck_status_argument(i).decode(), ck_status_rule(i).decode())
        for i in range(CK_STATUS_COUNT)
    ]


# ---- Signals ------------------------------------------------------------------------------------

# Between tasks, at most every 50 ms, a long call asks Python whether a signal handler raised. Handlers run on the main thread
# alone, so no other thread asks: one that outlives the interpreter (a daemon) would ask for its lock inside a parallel region,
# and the interpreter ends such a thread, or has freed its state.
cdef int64_t POLL_NANOSECONDS = 50_000_000
cdef unsigned long main_thread = 0


def set_main_thread(unsigned long ident):
    """Tell which thread (``threading.get_ident``) runs signal handlers; a forked child has another."""
    global main_thread
    main_thread = ident


cdef int64_t now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <int64_t>t.tv_sec * 1_000_000_000 + t.tv_nsec


cdef ck_bool interrupted(void *context) noexcept nogil:
    cdef int64_t *last = <int64_t *>context
    cdef int64_t t = now()
    if t - last[0] < POLL_NANOSECONDS:
        return False
    last[0] = t
    with gil:
        return signal_raised()


cdef ck_control controlled(int num_threads, int64_t *started) noexcept:
    """The control of a call that Ctrl-C can end; `started` lives as long as the call."""
    if PyThread_get_thread_ident() != main_thread:
        return ck_control(num_threads, NULL, NULL)
    started[0] = now()
    return ck_control(num_threads, interrupted, started)


cdef object pending = None


cdef bint signal_raised() noexcept:
    """Run Python's signal handlers; keep what they raise for `finish`."""
    global pending
    try:
        PyErr_CheckSignals()
    except BaseException as error:
        pending = error
        return True
    return False


cdef int finish(int status, dict given) except -1:
    global pending
    if status == CK_STATUS_INTERRUPTED and pending is not None:
        error = pending
        pending = None
        raise error
    check(status, given)
    return 0


# ---- Workspace ----------------------------------------------------------------------------------

cdef extern from *:
    """
    /* From this size on a workspace is a mapping of its own: freed, it goes back to the system, wherever it lies. The
     * sanitizers guard the ends of allocated blocks only. */
    #if defined(__SANITIZE_ADDRESS__)
    #define CK_MAPPED_FROM SIZE_MAX
    #else
    #define CK_MAPPED_FROM ((size_t)1 << 20)
    #endif
    """
    const size_t CK_MAPPED_FROM

cdef size_t KEPT_BYTES = 64 << 20
cdef Py_ssize_t KEPT_BLOCKS = 8
cdef list kept = []  # oldest first
cdef size_t kept_bytes = 0


cdef class Workspace:
    """A block of memory that begins on a cache line."""

    cdef void *pointer
    cdef readonly size_t size

    def __cinit__(self, size_t size):
        cdef void *mapped
        self.size = (size + 4095) & ~<size_t>4095
        if self.size >= CK_MAPPED_FROM:
            mapped = mmap(NULL, self.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            self.pointer = NULL if mapped == MAP_FAILED else mapped
        elif self.size < size or posix_memalign(&self.pointer, CK_ALIGNMENT, self.size) != 0:
            self.pointer = NULL
        if self.pointer == NULL:
            raise MemoryError(f"workspace must be allocated, got no {size} bytes")

    def __dealloc__(self):
        if self.size < CK_MAPPED_FROM:
            free(self.pointer)
        elif self.pointer != NULL:
            munmap(self.pointer, self.size)


cdef Workspace borrow(size_t size):
    """A workspace of at least `size` bytes: a kept one, or a new one."""
    global kept_bytes
    cdef Workspace space
    if size == 0:
        return None
    for i in range(len(kept)):
        space = kept[i]
        if space.size >= size:
            del kept[i]
            kept_bytes -= space.size
            return space
    return Workspace(size)


cdef give_back(Workspace space):
    """Keep the workspace for later calls; the oldest make room for it."""
    global kept_bytes
    if space is None or space.size > KEPT_BYTES:
        return
    while kept and (len(kept) >= KEPT_BLOCKS or kept_bytes + space.size > KEPT_BYTES):
        kept_bytes -= (<Workspace>kept[0]).size
        del kept[0]
    kept.append(space)
    kept_bytes += space.size


def release_workspace():
    """Free the workspace that is kept between calls; return its bytes."""
    global kept_bytes
    freed = kept_bytes
    kept.clear()
    kept_bytes = 0
    return freed


# ---- Threads and instruction sets ---------------------------------------------------------------

cdef object thread_source = None


def set_thread_source(source):
    """Set the function that gives the number of threads of a call without the argument."""
    global thread_source
    thread_source = source


def default_threads():
    """The number of threads of a call without the argument."""
    return thread_source()


def has_openmp():
    return bool(ck_has_openmp())


def compiler():
    return ck_compiler().decode()


cdef extern from *:
    """
    #ifndef CK_BUILD_FLAGS
    #define CK_BUILD_FLAGS ""
    #endif
    """
    const char *CK_BUILD_FLAGS


def build_flags():
    return CK_BUILD_FLAGS.decode()


def isa_names():
    return tuple([ck_isa_name(i).decode() for i in range(ck_isa_count())])


def isa_current():
    return ck_isa_current()


def isa_use(int isa):
    return ck_isa_use(isa)


def algorithm_names():
    return tuple([ck_conv_algorithm_name(i).decode() for i in range(CK_ALGORITHM_COUNT)])


def probe_fma(int isa, int dtype, int64_t iterations, int num_threads):
    """Do multiply-adds; return how many FLOP."""
    cdef ck_control control = ck_control(num_threads, NULL, NULL)
    cdef double flop
    with nogil:
        flop = ck_probe_fma(isa, dtype, iterations, &control)
    return flop


# ---- Buffers ------------------------------------------------------------------------------------


cdef class Views:
    """The buffers of a call: held by the buffer protocol, released together."""

    cdef Py_buffer buffers[4]
    cdef int count

    cdef Py_buffer *hold(self, object array, int flags) except NULL:
        cdef Py_buffer *buffer = &self.buffers[self.count]
        PyObject_GetBuffer(array, buffer, flags)
        self.count += 1
        return buffer

    cdef Py_buffer *read(self, object array) except NULL:
        return self.hold(array, PyBUF_STRIDES)

    cdef Py_buffer *write(self, object array) except NULL:
        return self.hold(array, PyBUF_STRIDES | PyBUF_WRITABLE)

    def __dealloc__(self):
        for i in range(self.count):
            PyBuffer_Release(&self.buffers[i])


def to_alignment(array):
    """Bytes from where an array begins to the next multiple of CK_ALIGNMENT, 0 if it begins on one."""
    cdef Views views = Views()
    return (CK_ALIGNMENT - <size_t>views.read(array).buf % CK_ALIGNMENT) % CK_ALIGNMENT


cdef void fill_axes(int64_t *to, tuple values):
    to[0] = values[0]
    to[1] = values[1]
    to[2] = values[2]


cdef void fill_window(ck_window *w, tuple window):
    fill_axes(w.in_, window[0])
    fill_axes(w.kernel, window[1])
    fill_axes(w.stride, window[2])
    fill_axes(w.dilation, window[3])
    fill_axes(w.before, window[4])
    fill_axes(w.after, window[5])


cdef tuple axes_of(const int64_t *values, int axes):
    if axes == 2:
        return (values[1], values[2])
    return tuple([values[i] for i in range(3 - axes, 3)])


def window_out(tuple window, int axes, bint ceil_mode=False):
    """Check a window: (status, output sizes)."""
    cdef ck_window w
    fill_window(&w, window)
    status = ck_window_check(&w, ceil_mode)
    return status, axes_of(w.out, axes)


# ---- Convolution --------------------------------------------------------------------------------


cdef class Conv:
    """A planned convolution. `out`: spatial output sizes; `status` is not 0 where the problem was refused."""

    cdef ck_conv_plan plan
    cdef Workspace packed
    cdef readonly int status
    cdef readonly tuple out
    cdef int asked

    def __init__(self, int axes, int64_t n, int64_t groups, int64_t ic, int64_t oc, tuple window, int dtype, int layout,
                 int activation, int algorithm, bint prepared):
        cdef ck_conv_problem problem
        problem.n = n
        problem.g = groups
        problem.ic = ic
        problem.oc = oc
        fill_window(&problem.window, window)
        problem.src_dtype = dtype
        problem.layout = layout
        problem.activation = activation
        problem.prepared = prepared
        self.asked = algorithm
        self.status = ck_conv_plan_init(&self.plan, &problem, algorithm)
        self.out = axes_of(self.plan.problem.window.out, axes)

    @property
    def algorithm(self):
        return ck_conv_algorithm_name(self.plan.algorithm).decode()

    @property
    def isa(self):
        return ck_isa_name(self.plan.isa).decode()

    @property
    def cost(self):
        return self.plan.cost

    @property
    def packed_bytes(self):
        return self.plan.packed_bytes

    @property
    def thread_bytes(self):
        return self.plan.thread_bytes

    @property
    def shared_bytes(self):
        return self.plan.shared_bytes

    def task_outputs(self, int64_t n, int num_threads):
        """The outputs that each task of a call computes, in the order in which threads take them."""
        cdef list outputs = []
        cdef int64_t count = ck_conv_task_outputs(&self.plan, n, num_threads, 0)
        while count >= 0:
            outputs.append(count)
            count = ck_conv_task_outputs(&self.plan, n, num_threads, len(outputs))
        return outputs

    @property
    def reason(self):
        """Why the algorithm that was asked for does not serve the problem, where that is why it was refused."""
        return self.declines(self.asked) if self.status == CK_STATUS_ALGORITHM and self.asked >= 0 else ""

    def declines(self, int algorithm):
        """Why an algorithm does not serve the problem; None if it does."""
        cdef const char *reason = ck_conv_declines(&self.plan.problem, algorithm)
        return None if reason == NULL else reason.decode()

    def pack(self, weight):
        """Keep the weights in the plan's own order."""
        cdef Views views = Views.__new__(Views)
        cdef Py_buffer *given = views.read(weight)
        if self.plan.packed_bytes:
            self.packed = Workspace(self.plan.packed_bytes)
            with nogil:
                ck_conv_pack(&self.plan, given.buf, self.packed.pointer)

    def run(self, x, weight, bias, y, int num_threads):
        """Convolve: samples of x contiguous, weight, bias and y contiguous, dtypes as planned."""
        cdef Views views = Views.__new__(Views)
        cdef Py_buffer *src = views.read(x)
        cdef ck_conv_buffers buffers
        cdef int64_t started
        cdef ck_control control = controlled(num_threads, &started)
        cdef Workspace space
        cdef int status
        buffers.n = src.shape[0]
        buffers.src = src.buf
        buffers.src_batch_stride = src.strides[0] // src.itemsize
        buffers.weights = self.packed.pointer if self.packed is not None else views.read(weight).buf
        buffers.bias = NULL if bias is None else views.read(bias).buf
        buffers.dst = views.write(y).buf
        space = borrow(ck_conv_workspace_bytes(&self.plan, buffers.n, num_threads))
        buffers.workspace = NULL if space is None else space.pointer
        with nogil:
            status = ck_conv_run(&self.plan, &buffers, &control)
        give_back(space)
        if status:
            finish(status, {"num_threads": num_threads})


# ---- Pooling ------------------------------------------------------------------------------------

POOL_MAX, POOL_AVERAGE, POOL_LP = CK_POOL_MAX, CK_POOL_AVERAGE, CK_POOL_LP


cdef class Pool:
    """A planned pooling. `out`: spatial output sizes; `status` is not 0 where the problem was refused."""

    cdef ck_pool_plan plan
    cdef readonly int status
    cdef readonly tuple out

    def __init__(self, int axes, int64_t n, int64_t c, tuple window, int dtype, int layout, int kind, *, bint ceil_mode=False,
                 tuple adaptive=None, bint count_include_pad=True, bint with_indices=False, double divisor=0, double power=0):
        cdef ck_pool_problem problem
        problem.n = n
        problem.c = c
        fill_window(&problem.window, window)
        problem.src_dtype = dtype
        problem.layout = layout
        problem.kind = kind
        problem.ceil_mode = ceil_mode
        problem.adaptive = adaptive is not None
        if adaptive is not None:
            fill_axes(problem.window.out, adaptive)
        problem.count_include_pad = count_include_pad
        problem.with_indices = with_indices
        problem.divisor = divisor
        problem.power = power
        self.status = ck_pool_plan_init(&self.plan, &problem)
        self.out = axes_of(self.plan.problem.window.out, axes)

    def run(self, x, y, indices, int num_threads):
        """Pool: x, y and indices contiguous, dtypes as planned."""
        cdef Views views = Views.__new__(Views)
        cdef const void *src = views.read(x).buf
        cdef void *dst = views.write(y).buf
        cdef int64_t *winners = NULL
        cdef int64_t started
        cdef ck_control control = controlled(num_threads, &started)
        cdef Workspace space
        cdef int status
        if indices is not None:
            winners = <int64_t *>views.write(indices).buf
        space = borrow(ck_pool_workspace_bytes(&self.plan, num_threads))
        cdef void *workspace = NULL if space is None else space.pointer
        with nogil:
            status = ck_pool_run(&self.plan, src, dst, winners, workspace, &control)
        give_back(space)
        if status:
            finish(status, {"num_threads": num_threads})


def unpool(x, indices, y, int64_t n, int64_t c, int64_t in_plane, int64_t out_plane, int dtype, int layout, int num_threads):
    """Scatter x to the places in indices; all contiguous. Returns the status."""
    cdef Views views = Views.__new__(Views)
    cdef const void *src = views.read(x).buf
    cdef const int64_t *places = <const int64_t *>views.read(indices).buf
    cdef void *dst = views.write(y).buf
    cdef ck_unpool_problem problem
    cdef int64_t started
    cdef ck_control control = controlled(num_threads, &started)
    cdef int status
    problem.n = n
    problem.c = c
    problem.in_plane = in_plane
    problem.out_plane = out_plane
    problem.dtype = dtype
    problem.layout = layout
    with nogil:
        status = ck_unpool_run(&problem, src, places, dst, &control)
    if status == CK_STATUS_INTERRUPTED:
        finish(status, {})
    return status


# ---- Lowering -----------------------------------------------------------------------------------


def lower(x, y, tuple window, int64_t n, int64_t c, int dtype, bint back, int num_threads):
    """im2col from x to y, or with `back` col2im; both contiguous. Returns the status."""
    cdef Views views = Views.__new__(Views)
    cdef const void *src = views.read(x).buf
    cdef void *dst = views.write(y).buf
    cdef ck_window w
    cdef int64_t started
    cdef ck_control control = controlled(num_threads, &started)
    cdef int status
    fill_window(&w, window)
    status = ck_window_check(&w, False)
    if status:
        return status
    with nogil:
        if back:
            status = ck_col2im(&w, n, c, dtype, src, dst, &control)
        else:
            status = ck_im2col(&w, n, c, dtype, src, dst, &control)
    if status == CK_STATUS_INTERRUPTED:
        finish(status, {})
    return status
