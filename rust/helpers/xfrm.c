// SPDX-License-Identifier: GPL-2.0
#include <net/xfrm.h>

__net_helper int net_helper_xfrm_policy_check(struct sock *sk, int dir, struct sk_buff *skb, unsigned short family)
{
	return xfrm_policy_check(sk, dir, skb, family);
}
