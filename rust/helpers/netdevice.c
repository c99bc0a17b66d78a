// SPDX-License-Identifier: GPL-2.0
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/netdev_lock.h>

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

__net_helper void net_helper_dev_dstats_tx_add(struct net_device *dev, unsigned int len)
{
	dev_dstats_tx_add(dev, len);
}

__net_helper void net_helper_dev_dstats_tx_dropped(struct net_device *dev)
{
	dev_dstats_tx_dropped(dev);
}

__net_helper void net_helper_dev_dstats_rx_add(struct net_device *dev, unsigned int len)
{
	dev_dstats_rx_add(dev, len);
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
