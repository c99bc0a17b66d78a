// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/kmod.h>

__net_helper int net_helper_request_module(const char *name)
{
	return request_module("%s", name);
}
