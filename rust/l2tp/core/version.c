// SPDX-License-Identifier: GPL-2.0
/* The version that modinfo and /sys/module/l2tp_core/version show. */
#include <linux/module.h>

MODULE_VERSION("V2.0");
