// SPDX-License-Identifier: GPL-2.0
#include <net/netlink.h>

__net_helper struct sk_buff *net_helper_nlmsg_new(size_t payload, gfp_t flags)
{
	return nlmsg_new(payload, flags);
}

__net_helper void net_helper_nlmsg_free(struct sk_buff *skb)
{
	nlmsg_free(skb);
}

__net_helper struct nlattr *net_helper_nla_nest_start_noflag(struct sk_buff *skb, int attrtype)
{
	return nla_nest_start_noflag(skb, attrtype);
}

__net_helper int net_helper_nla_nest_end(struct sk_buff *skb, struct nlattr *start)
{
	return nla_nest_end(skb, start);
}

__net_helper int net_helper_nla_put_u64_64bit(struct sk_buff *skb, int attrtype, u64 value, int padattr)
{
	return nla_put_u64_64bit(skb, attrtype, value, padattr);
}
