// SPDX-License-Identifier: GPL-2.0
#include <linux/skbuff.h>
#include <net/dst.h>
#include <net/xfrm.h>

__net_helper int net_helper_skb_shared(const struct sk_buff *skb)
{
	return skb_shared(skb);
}

__net_helper struct sk_buff *net_helper_skb_share_check(struct sk_buff *skb, gfp_t pri)
{
	return skb_share_check(skb, pri);
}

__net_helper int net_helper_skb_cow_head(struct sk_buff *skb, unsigned int headroom)
{
	return skb_cow_head(skb, headroom);
}

__net_helper void net_helper_nf_reset_ct(struct sk_buff *skb)
{
	nf_reset_ct(skb);
}

__net_helper void net_helper_skb_clear_hash(struct sk_buff *skb)
{
	skb_clear_hash(skb);
}

__net_helper void net_helper_skb_orphan(struct sk_buff *skb)
{
	skb_orphan(skb);
}

__net_helper void net_helper_skb_dst_drop(struct sk_buff *skb)
{
	skb_dst_drop(skb);
}

__net_helper void net_helper_skb_dst_set(struct sk_buff *skb, struct dst_entry *dst)
{
	skb_dst_set(skb, dst);
}

__net_helper void net_helper_skb_dst_set_noref(struct sk_buff *skb, struct dst_entry *dst)
{
	skb_dst_set_noref(skb, dst);
}

__net_helper void net_helper_skb_postpull_rcsum(struct sk_buff *skb, const void *start, unsigned int len)
{
	skb_postpull_rcsum(skb, start, len);
}

__net_helper void net_helper_skb_set_ignore_df(struct sk_buff *skb)
{
	skb->ignore_df = 1;
}

__net_helper bool net_helper_skb_ip_summed_is_unnecessary(const struct sk_buff *skb)
{
	return skb->ip_summed == CHECKSUM_UNNECESSARY;
}

__net_helper void net_helper_skb_set_ip_summed_none(struct sk_buff *skb)
{
	skb->ip_summed = CHECKSUM_NONE;
}
