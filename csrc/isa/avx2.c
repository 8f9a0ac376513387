/* avx2.c: the kernel table of avx2 (built with -mavx2 -mfma). */
#include "../simd/avx2.h"
#include "../kernels/instantiate.h"
