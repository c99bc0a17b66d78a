// SPDX-License-Identifier: GPL-2.0
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

__net_helper void *net_helper_net_generic(const struct net *net, unsigned int id)
{
	return net_generic(net, id);
}

/* For callers in a read-side critical section. */
__net_helper void *net_helper_net_generic_rcu(const struct net *net, unsigned int id)
{
	return rcu_dereference_check(net->gen, rcu_read_lock_bh_held())->ptr[id];
}

__net_helper struct net *net_helper_get_net(struct net *net)
{
	return get_net(net);
}

__net_helper struct net *net_helper_maybe_get_net(struct net *net)
{
	return maybe_get_net(net);
}

__net_helper void net_helper_put_net(struct net *net)
{
	put_net(net);
}

__net_helper struct net *net_helper_current_net_ns(void)
{
	return current->nsproxy->net_ns;
}
