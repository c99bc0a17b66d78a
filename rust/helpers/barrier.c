// SPDX-License-Identifier: GPL-2.0
#include <asm/barrier.h>

__net_helper void net_helper_smp_rmb(void)
{
	smp_rmb();
}
