// SPDX-License-Identifier: GPL-2.0
/* The version, for which the Rust module! macro has no key. */
#include <linux/module.h>

MODULE_VERSION("1.0");
