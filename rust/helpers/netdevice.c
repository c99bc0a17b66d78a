// SPDX-License-Identifier: GPL-2.0
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/ip_tunnels.h>
#include <net/netdev_lock.h>

/* The limit that the kernel's own IP tunnels have: each of them needs more stack than a device otherwise does. */
__net_helper bool net_helper_is_nested_deep(void)
{
	return dev_recursion_level() > IP_TUNNEL_RECURSION_LIMIT;
}

__net_helper void *net_helper_netdev_priv(const struct net_device *dev)
{
	return netdev_priv(dev);
}

__net_helper struct net *net_helper_dev_net(const struct net_device *dev)
{
	return dev_net(dev);
}

__net_helper void net_helper_dev_net_set(struct net_device *dev, struct net *net)
{
	dev_net_set(dev, net);
}

__net_helper void net_helper_eth_hw_addr_random(struct net_device *dev)
{
	eth_hw_addr_random(dev);
}

__net_helper void net_helper_eth_broadcast_addr(u8 *addr)
{
	eth_broadcast_addr(addr);
}

/* As dev_dstats_tx_add(), for several packets. */
__net_helper void net_helper_dev_dstats_tx_add(struct net_device *dev, unsigned int packets, unsigned int bytes)
{
	struct pcpu_dstats *dstats = this_cpu_ptr(dev->dstats);

	u64_stats_update_begin(&dstats->syncp);
	u64_stats_add(&dstats->tx_packets, packets);
	u64_stats_add(&dstats->tx_bytes, bytes);
	u64_stats_update_end(&dstats->syncp);
}

__net_helper void net_helper_dev_dstats_tx_dropped(struct net_device *dev)
{
	dev_dstats_tx_dropped(dev);
}

__net_helper void net_helper_dev_dstats_rx_add(struct net_device *dev, unsigned int packets, unsigned int bytes)
{
	struct pcpu_dstats *dstats = this_cpu_ptr(dev->dstats);

	u64_stats_update_begin(&dstats->syncp);
	u64_stats_add(&dstats->rx_packets, packets);
	u64_stats_add(&dstats->rx_bytes, bytes);
	u64_stats_update_end(&dstats->syncp);
}

__net_helper int net_helper_____dev_forward_skb(struct net_device *dev, struct sk_buff *skb)
{
	return ____dev_forward_skb(dev, skb, true);
}

__net_helper void net_helper_DEV_STATS_INC_rx_errors(struct net_device *dev)
{
	DEV_STATS_INC(dev, rx_errors);
}

__net_helper void net_helper_SET_NETDEV_DEVTYPE(struct net_device *dev, const struct device_type *type)
{
	SET_NETDEV_DEVTYPE(dev, type);
}

__net_helper void net_helper_netdev_lockdep_set_classes(struct net_device *dev)
{
	netdev_lockdep_set_classes(dev);
}

__net_helper void net_helper_netdev_set_no_queue(struct net_device *dev)
{
	dev->priv_flags |= IFF_NO_QUEUE;
}

__net_helper void net_helper_netdev_set_lltx(struct net_device *dev)
{
	dev->lltx = true;
}

__net_helper void net_helper_netdev_clear_tx_skb_sharing(struct net_device *dev)
{
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
}

__net_helper void net_helper_netdev_set_dstats(struct net_device *dev)
{
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_DSTATS;
}

__net_helper bool net_helper_netdev_is_unregistering(const struct net_device *dev)
{
	return READ_ONCE(dev->reg_state) == NETREG_UNREGISTERING;
}
