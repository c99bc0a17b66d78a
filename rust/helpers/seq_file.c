// SPDX-License-Identifier: GPL-2.0
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>

__net_helper struct net *net_helper_seq_file_net(struct seq_file *seq)
{
	return seq_file_net(seq);
}
