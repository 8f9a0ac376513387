/* avx512.c: the kernel table of avx512 (built with -mavx512f/vl/bw/dq and -mfma). */
#include "../simd/avx512.h"
#include "../kernels/instantiate.h"
