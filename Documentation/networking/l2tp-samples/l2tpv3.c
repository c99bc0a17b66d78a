// SPDX-License-Identifier: GPL-2.0
/*
 * One end of an L2TPv3 tunnel directly over IP with an Ethernet session, made through generic netlink.
 *
 *	l2tpv3 <device> <address> <tunnel> <session>  <peer's address, tunnel, session>
 *
 * Prints "ready" when the device is there, and what the peer's control messages contain; each line of input is sent to the peer in
 * one. On end of input everything goes. There is no more of the control protocol than the header of its messages, by which the kernel
 * tells which socket they are for: the other end is to be told the same the other way round.
 *
 *	l2tpv3 l2tpeth0 10.0.0.1 1 10  10.0.0.2 2 20
 *	l2tpv3 l2tpeth0 10.0.0.2 2 20  10.0.0.1 1 10
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/l2tp.h>
#include <linux/netlink.h>

static const char cookie[4] = "tea";

/* Header of a control message, RFC 3931, 3.2.1. */
struct control {
	__be16 flags, length;
	__be32 connection;
	__be16 ns, nr;
};

static int check(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "l2tpv3: %s: %s\n", what, strerror(errno));
		exit(1);
	}
	return result;
}

/* A generic netlink request in the making. */
struct request {
	struct nlmsghdr head;
	struct genlmsghdr command;
	char attributes[512];
};

static void begin(struct request *r, int family, int command)
{
	memset(r, 0, sizeof(*r));
	r->head.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	r->head.nlmsg_type = family;
	r->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	r->command.cmd = command;
	r->command.version = 1;
}

static void add(struct request *r, int type, const void *value, int length)
{
	struct nlattr *a = (struct nlattr *)((char *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + length;
	memcpy((char *)a + NLA_HDRLEN, value, length);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

static void add8(struct request *r, int type, __u8 value) { add(r, type, &value, sizeof(value)); }
static void add16(struct request *r, int type, __u16 value) { add(r, type, &value, sizeof(value)); }
static void add32(struct request *r, int type, __u32 value) { add(r, type, &value, sizeof(value)); }

/* Sends a request and waits until it is acknowledged. Returns the 16-bit attribute `wanted` of the reply, if there is one. */
static int submit(int nl, struct request *r, int wanted, const char *what)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	char buffer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	int found = 0;

	check(sendto(nl, r, r->head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)), what);
	for (;;) {
		int length = check(recv(nl, buffer, sizeof(buffer), 0), what);
		struct nlmsghdr *m = (struct nlmsghdr *)buffer;

		for (; NLMSG_OK(m, (unsigned int)length); m = NLMSG_NEXT(m, length)) {
			struct nlattr *a = (struct nlattr *)((char *)NLMSG_DATA(m) + GENL_HDRLEN);

			if (m->nlmsg_type == NLMSG_ERROR) {
				errno = -((struct nlmsgerr *)NLMSG_DATA(m))->error;
				check(errno ? -1 : 0, what);
				return found;
			}
			while ((char *)a + NLA_HDRLEN <= (char *)m + m->nlmsg_len && a->nla_len >= NLA_HDRLEN) {
				if (a->nla_type == wanted)
					found = *(__u16 *)((char *)a + NLA_HDRLEN);
				a = (struct nlattr *)((char *)a + NLA_ALIGN(a->nla_len));
			}
		}
	}
}

static struct sockaddr_l2tpip address(const char *host, const char *id)
{
	struct sockaddr_l2tpip a = { .l2tp_family = AF_INET, .l2tp_conn_id = strtoul(id, NULL, 0) };

	if (inet_pton(AF_INET, host, &a.l2tp_addr) != 1) {
		fprintf(stderr, "l2tpv3: %s is not an address\n", host);
		exit(2);
	}
	return a;
}

int main(int argc, char **argv)
{
	struct sockaddr_l2tpip local, peer;
	struct pollfd wait[2];
	struct request r;
	int tunnel, nl, family;
	__u16 ns = 0;

	if (argc != 8) {
		fprintf(stderr, "usage: l2tpv3 <device> <address> <tunnel> <session> <peer's address, tunnel, session>\n");
		return 2;
	}
	local = address(argv[2], argv[3]);
	peer = address(argv[5], argv[6]);

	/* The tunnel's socket, which control messages are sent and received with. */
	tunnel = check(socket(AF_INET, SOCK_DGRAM, IPPROTO_L2TP), "socket(L2TP)");
	check(bind(tunnel, (struct sockaddr *)&local, sizeof(local)), "bind");
	check(connect(tunnel, (struct sockaddr *)&peer, sizeof(peer)), "connect");

	nl = check(socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC), "socket(netlink)");
	begin(&r, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	add(&r, CTRL_ATTR_FAMILY_NAME, L2TP_GENL_NAME, sizeof(L2TP_GENL_NAME));
	family = submit(nl, &r, CTRL_ATTR_FAMILY_ID, "the netlink family l2tp");

	begin(&r, family, L2TP_CMD_TUNNEL_CREATE);
	add32(&r, L2TP_ATTR_CONN_ID, local.l2tp_conn_id);
	add32(&r, L2TP_ATTR_PEER_CONN_ID, peer.l2tp_conn_id);
	add8(&r, L2TP_ATTR_PROTO_VERSION, 3);
	add16(&r, L2TP_ATTR_ENCAP_TYPE, L2TP_ENCAPTYPE_IP);
	add32(&r, L2TP_ATTR_FD, tunnel);
	submit(nl, &r, 0, "TUNNEL_CREATE");

	begin(&r, family, L2TP_CMD_SESSION_CREATE);
	add32(&r, L2TP_ATTR_CONN_ID, local.l2tp_conn_id);
	add32(&r, L2TP_ATTR_SESSION_ID, strtoul(argv[4], NULL, 0));
	add32(&r, L2TP_ATTR_PEER_SESSION_ID, strtoul(argv[7], NULL, 0));
	add16(&r, L2TP_ATTR_PW_TYPE, L2TP_PWTYPE_ETH);
	add(&r, L2TP_ATTR_IFNAME, argv[1], strlen(argv[1]) + 1);
	add(&r, L2TP_ATTR_COOKIE, cookie, sizeof(cookie));
	add(&r, L2TP_ATTR_PEER_COOKIE, cookie, sizeof(cookie));
	submit(nl, &r, 0, "SESSION_CREATE");
	printf("ready\n");
	fflush(stdout);

	wait[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	wait[1] = (struct pollfd){ .fd = tunnel, .events = POLLIN };
	while (check(poll(wait, 2, -1), "poll")) {
		struct { struct control header; char text[1400]; } message = { 0 };
		const int header = sizeof(message.header);
		int length;

		if (wait[1].revents) {
			length = check(recv(tunnel, &message, sizeof(message), 0), "recv");
			if (length > header)
				printf("%.*s", length - header, message.text);
			fflush(stdout);
		}
		if (wait[0].revents) {
			length = check(read(STDIN_FILENO, message.text, sizeof(message.text)), "read");
			if (!length)
				break;
			message.header.flags = htons(0xc803); /* T, L and S, version 3 */
			message.header.length = htons(header + length);
			message.header.connection = htonl(peer.l2tp_conn_id);
			message.header.ns = htons(ns++);
			check(send(tunnel, &message, header + length, 0), "send");
		}
	}

	/* Closing the tunnel's last descriptor deletes it with its sessions; a daemon that goes on would ask for it. */
	begin(&r, family, L2TP_CMD_TUNNEL_DELETE);
	add32(&r, L2TP_ATTR_CONN_ID, local.l2tp_conn_id);
	submit(nl, &r, 0, "TUNNEL_DELETE");
	return 0;
}
