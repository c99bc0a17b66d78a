#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# packet-cost.sh: in the guest, instructions per packet of an Ethernet session over UDP (ENCAP=ip: over IP), transmit and
# receive apart.
#
# Run with `tools/testing/vm/run --icount`: then a nanosecond of guest time is an instruction. pktgen sends 60-byte frames from
# namespace a to b, as far as: the veth's far end (for `plain`, straight into the veth), the far end of the veth with the tunnel
# in between (`tx`), or out of the session's interface there (`rx`); what arrives is counted and dropped by a tc filter. What the
# driver costs is the difference: tx - plain for transmission, rx - tx for reception.
#
# Arguments: ip|ip6 outer family (default ip), options for the session (default none), packets (default 20000)
set -e
family=${1:-ip} options=$2 packets=${3:-20000} encap=${ENCAP:-udp}

die() { echo "packet-cost: $*" >&2; exit 1; }
in_a() { ip netns exec a "$@"; }

case $encap in
udp) ports="udp_sport 5000 udp_dport 5000" ;;
ip) ports= ;;
*) die "the encapsulation is udp or ip" ;;
esac
modprobe -a l2tp_eth pktgen veth
for ns in a b; do ip netns add $ns; ip -n $ns link set lo up; done
ip link add va netns a type veth peer name vb netns b
case $family in
ip) a=10.0.0.1 b=10.0.0.2 len=24 ;;
ip6) a=fd00::1 b=fd00::2 len=64 ;;
*) die "the outer family is ip or ip6" ;;
esac
ip -n a addr add $a/$len dev va nodad 2>/dev/null || ip -n a addr add $a/$len dev va
ip -n b addr add $b/$len dev vb nodad 2>/dev/null || ip -n b addr add $b/$len dev vb
ip -n a link set va up
ip -n b link set vb up
ip -n a l2tp add tunnel tunnel_id 1 peer_tunnel_id 2 encap $encap local $a remote $b $ports
ip -n b l2tp add tunnel tunnel_id 2 peer_tunnel_id 1 encap $encap local $b remote $a $ports
ip -n a l2tp add session name la tunnel_id 1 session_id 11 peer_session_id 22 $options
ip -n b l2tp add session name lb tunnel_id 2 session_id 22 peer_session_id 11 $options
ip -n a link set la up
ip -n b link set lb up
ip -n b link set lb promisc on
ip netns exec a ping -q -c 1 -W 2 $b >/dev/null || die "no path between the namespaces"
# No traffic but ours: not even for neighbours, whose requests the filters drop too.
ip -n a neigh replace $b dev va lladdr "$(ip netns exec b cat /sys/class/net/vb/address)" nud permanent
in_a sysctl -qw net.ipv6.conf.la.disable_ipv6=1
ip netns exec b sysctl -qw net.ipv6.conf.lb.disable_ipv6=1

# Counts and drops what arrives at device $1 of b; `arrived` prints how many that were.
sink() {
	ip netns exec b tc qdisc add dev "$1" clsact
	ip netns exec b tc filter add dev "$1" ingress pref 1 matchall action drop
}
arrived() { ip netns exec b tc -s filter show dev "$1" ingress | awk '/Sent/ { print $4; exit }'; }
drain() { ip netns exec b tc qdisc del dev "$1" clsact; }

generate() { # device, destination MAC: prints nanoseconds per packet
	local file=/proc/net/pktgen
	in_a bash -c "
		echo rem_device_all > $file/kpktgend_0
		echo 'add_device $1' > $file/kpktgend_0
		for set in 'count $packets' 'pkt_size 60' 'delay 0' 'clone_skb 0' 'flag !SHARED' 'dst_mac $2' 'dst 198.18.0.1' 'queue_map_min 0' 'queue_map_max 0'; do
			echo \"\$set\" > $file/$1
		done
		echo start > $file/pgctrl
		awk '/Result: OK/ { split(\$3, t, \"(\"); print t[1] }' $file/$1"
}

measure() { # label, device in a, destination MAC, device in b
	local before after us
	generate "$2" "$3" >/dev/null # warm up
	before=$(arrived "$4")
	us=$(generate "$2" "$3")
	after=$(arrived "$4")
	[ -n "$us" ] || die "pktgen did not say how long $1 took"
	[ $((after - before)) -ge $packets ] || die "$1: only $((after - before)) of $packets packets arrived"
	echo "$1 $((us * 1000 / packets))"
}

mac() { ip netns exec b cat /sys/class/net/$1/address; }
sink vb
measure plain va "$(mac vb)" vb
drain vb
sink vb
measure tx la "$(mac lb)" vb
drain vb
sink lb
measure rx la "$(mac lb)" lb
