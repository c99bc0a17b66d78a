#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own test of L2TP/IP, tools/testing/selftests/net/l2tp.sh, as it is, with its results as KTAP: Ethernet over L2TPv3 over
# IPv4 and IPv6, without and with IPsec. It is in the directory above: in a kernel tree anyway, in the VM because tools/testing/vm/run
# takes it from the kernel's source.

cd "$(dirname "$0")/.." || exit 1
skip() { printf 'TAP version 13\n1..0 # SKIP %s\n' "$*"; exit 4; }
[ -f l2tp.sh ] || skip "no l2tp.sh in $PWD"
modprobe -q -n l2tp_ip || [ -d /sys/module/l2tp_ip ] || skip "no l2tp_ip"

echo "TAP version 13"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
bash ./l2tp.sh > "$log" 2>&1
n=0 failed=0
result() { # <ok?> <name>
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n $2"; else echo "not ok $n $2"; failed=$((failed + 1)); fi
}
while IFS= read -r line; do
	case $line in
	"TEST: "*"[ OK ]") result 0 "$(echo "${line#TEST: }" | sed 's/ *\[ OK \]$//')" ;;
	"TEST: "*"[FAIL]") result 1 "$(echo "${line#TEST: }" | sed 's/ *\[FAIL\]$//')" ;;
	*) echo "# $line" ;;
	esac
done < "$log"
passed=$(sed -n 's/^Tests passed: *//p' "$log")
[ $((passed + $(sed -n 's/^Tests failed: *//p' "$log"))) = $n ] && [ "$n" -gt 0 ]
result $? "the script came to its end"
[ -d /sys/module/l2tp_ip ] && [ -d /sys/module/l2tp_ip6 ] && [ -d /sys/module/l2tp_eth ]
result $? "the modules were used"
echo "1..$n"
[ $failed = 0 ]
