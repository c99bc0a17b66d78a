// SPDX-License-Identifier: GPL-2.0
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>

__net_helper struct net *net_helper_seq_file_net(struct seq_file *seq)
{
	return seq_file_net(seq);
}

__net_helper void net_helper_seq_net_private_get(struct seq_net_private *p, struct net *net)
{
#ifdef CONFIG_NET_NS
	p->net = get_net_track(net, &p->ns_tracker, GFP_KERNEL);
#endif
}

__net_helper void net_helper_seq_net_private_put(struct seq_net_private *p)
{
#ifdef CONFIG_NET_NS
	put_net_track(p->net, &p->ns_tracker);
#endif
}
