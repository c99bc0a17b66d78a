// SPDX-License-Identifier: GPL-2.0
#include <linux/etherdevice.h>
#include <net/gro.h>

__net_helper unsigned int net_helper_skb_gro_offset(const struct sk_buff *skb)
{
	return skb_gro_offset(skb);
}

__net_helper void *net_helper_skb_gro_header(struct sk_buff *skb, unsigned int hlen, unsigned int offset)
{
	return skb_gro_header(skb, hlen, offset);
}

__net_helper void net_helper_skb_gro_pull(struct sk_buff *skb, unsigned int len)
{
	skb_gro_pull(skb, len);
}

__net_helper void net_helper_skb_gro_postpull_rcsum(struct sk_buff *skb, const void *start, unsigned int len)
{
	skb_gro_postpull_rcsum(skb, start, len);
}

__net_helper bool net_helper_gro_same_flow(const struct sk_buff *skb)
{
	return NAPI_GRO_CB(skb)->same_flow;
}

__net_helper void net_helper_gro_set_other_flow(struct sk_buff *skb)
{
	NAPI_GRO_CB(skb)->same_flow = 0;
}

__net_helper void net_helper_gro_set_flush(struct sk_buff *skb)
{
	NAPI_GRO_CB(skb)->flush = 1;
}

__net_helper unsigned int net_helper_gro_inner_network_offset(const struct sk_buff *skb)
{
	return NAPI_GRO_CB(skb)->inner_network_offset;
}

__net_helper struct sk_buff *net_helper_call_gro_receive_eth(struct list_head *head, struct sk_buff *skb)
{
	return call_gro_receive(eth_gro_receive, head, skb);
}
