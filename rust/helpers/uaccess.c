// SPDX-License-Identifier: GPL-2.0
#include <linux/uaccess.h>

__net_helper bool net_helper_access_ok(const void *start, unsigned long len)
{
	return access_ok((const void __user *)start, len);
}
