/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before everything else when clang compiles the helpers to be inlined.
 *
 * The kernel may be configured for GCC, which has address spaces for per-CPU variables. So has clang, but it leaves the segment out
 * of operands of inline assembly, which is why the kernel does not let it use them.
 */
#include <linux/kconfig.h>

#undef CONFIG_CC_HAS_NAMED_AS
#undef CONFIG_CC_HAS_NAMED_AS_FIXED_SANITIZERS
#undef CONFIG_USE_X86_SEG_SUPPORT
