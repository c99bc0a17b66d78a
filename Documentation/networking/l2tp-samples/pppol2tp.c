// SPDX-License-Identifier: GPL-2.0
/*
 * One end of an L2TPv2 tunnel with a PPP session, made with PPPoL2TP sockets.
 *
 *	pppol2tp <address> <port> <tunnel> <session>  <peer's address, port, tunnel, session>
 *
 * Prints the name of the PPP device, and on end of input the statistics of the session. There is no control protocol: the other
 * end is to be told the same the other way round. Neither is there LCP or IPCP, as pppd speaks it: the device passes IP packets
 * as soon as it is up. Example, with the addresses of two machines or namespaces:
 *
 *	pppol2tp 10.0.0.1 1701 1 10  10.0.0.2 1701 2 20
 *	pppol2tp 10.0.0.2 1701 2 20  10.0.0.1 1701 1 10
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_pppox.h>
#include <linux/ppp-ioctl.h>
#include <linux/ppp_defs.h>

static int check(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "pppol2tp: %s: %s\n", what, strerror(errno));
		exit(1);
	}
	return result;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, host, &a.sin_addr) != 1) {
		fprintf(stderr, "pppol2tp: %s is not an address\n", host);
		exit(2);
	}
	return a;
}

/* A PPPoX socket for a session, or with both session ids 0 for the tunnel itself. */
static int pppox(int tunnel, struct sockaddr_in peer, int tid, int sid, int ptid, int psid)
{
	struct sockaddr_pppol2tp a = {
		.sa_family = AF_PPPOX,
		.sa_protocol = PX_PROTO_OL2TP,
		.pppol2tp = {
			.fd = tunnel,
			.addr = peer,
			.s_tunnel = tid, .s_session = sid,
			.d_tunnel = ptid, .d_session = psid,
		},
	};
	int s = check(socket(AF_PPPOX, SOCK_DGRAM, PX_PROTO_OL2TP), "socket(PPPoL2TP)");

	check(connect(s, (struct sockaddr *)&a, sizeof(a)), "connect(PPPoL2TP)");
	return s;
}

int main(int argc, char **argv)
{
	struct npioctl ip = { .protocol = PPP_IP, .mode = NPMODE_PASS };
	struct pppol2tp_ioc_stats stats = { 0 };
	struct sockaddr_in local, peer;
	int tunnel, management, session, channel, unit, index, number = -1;
	int tid, sid, ptid, psid;

	if (argc != 9) {
		fprintf(stderr, "usage: pppol2tp <address> <port> <tunnel> <session> <the same of the peer>\n");
		return 2;
	}
	local = address(argv[1], argv[2]);
	tid = atoi(argv[3]);
	sid = atoi(argv[4]);
	peer = address(argv[5], argv[6]);
	ptid = atoi(argv[7]);
	psid = atoi(argv[8]);

	/* The tunnel's UDP socket. Control messages would be sent and received with it. */
	tunnel = check(socket(AF_INET, SOCK_DGRAM, 0), "socket(UDP)");
	check(bind(tunnel, (struct sockaddr *)&local, sizeof(local)), "bind");
	check(connect(tunnel, (struct sockaddr *)&peer, sizeof(peer)), "connect(UDP)");

	/* The first socket makes the tunnel, the second the session. */
	management = pppox(tunnel, peer, tid, 0, ptid, 0);
	session = pppox(tunnel, peer, tid, sid, ptid, psid);

	/* The session's PPP channel. LCP frames would be read from and written to it. */
	check(ioctl(session, PPPIOCGCHAN, &index), "PPPIOCGCHAN");
	channel = check(open("/dev/ppp", O_RDWR), "/dev/ppp");
	check(ioctl(channel, PPPIOCATTCHAN, &index), "PPPIOCATTCHAN");

	/* A PPP device that sends through it. */
	unit = check(open("/dev/ppp", O_RDWR), "/dev/ppp");
	check(ioctl(unit, PPPIOCNEWUNIT, &number), "PPPIOCNEWUNIT");
	check(ioctl(channel, PPPIOCCONNECT, &number), "PPPIOCCONNECT");
	check(ioctl(unit, PPPIOCSNPMODE, &ip), "PPPIOCSNPMODE");
	printf("ppp%d\n", number);
	fflush(stdout);

	while (getchar() != EOF)
		;

	/* The management socket could ask for any session: here for ours. */
	stats.session_id = sid;
	check(ioctl(management, PPPIOCGL2TPSTATS, &stats), "PPPIOCGL2TPSTATS");
	printf("sent %llu packets, %llu bytes; received %llu packets, %llu bytes\n",
	       (unsigned long long)stats.tx_packets, (unsigned long long)stats.tx_bytes,
	       (unsigned long long)stats.rx_packets, (unsigned long long)stats.rx_bytes);

	/* Device and session go with their descriptors, the tunnel with the UDP socket. */
	close(unit);
	close(channel);
	close(session);
	close(management);
	close(tunnel);
	return 0;
}
