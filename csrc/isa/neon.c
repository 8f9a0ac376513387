/* neon.c: the kernel table of neon (part of aarch64). */
#include "../simd/neon.h"
#include "../kernels/instantiate.h"
