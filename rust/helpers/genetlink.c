// SPDX-License-Identifier: GPL-2.0
#include <net/genetlink.h>

__net_helper void net_helper_genlmsg_end(struct sk_buff *skb, void *hdr)
{
	genlmsg_end(skb, hdr);
}

__net_helper void net_helper_genlmsg_cancel(struct sk_buff *skb, void *hdr)
{
	genlmsg_cancel(skb, hdr);
}

__net_helper int net_helper_genlmsg_unicast(struct net *net, struct sk_buff *skb, u32 portid)
{
	return genlmsg_unicast(net, skb, portid);
}

__net_helper int net_helper_genlmsg_multicast_netns(const struct genl_family *family, struct net *net,
						    struct sk_buff *skb, u32 portid, unsigned int group, gfp_t flags)
{
	return genlmsg_multicast_netns(family, net, skb, portid, group, flags);
}

__net_helper struct net *net_helper_genl_info_net(const struct genl_info *info)
{
	return genl_info_net(info);
}

__net_helper int net_helper_genl_has_listeners(const struct genl_family *family, struct net *net, unsigned int group)
{
	return genl_has_listeners(family, net, group);
}
