// SPDX-License-Identifier: GPL-2.0
/*
 * execute <program>: performs the operations of a program, one per line, and writes down all that can be seen of each: result,
 * errno, answers, notifications, frames. It judges nothing; program.py and the files that it names make the operations.
 *
 * execute --collide <processes> <program>: what follows a line "collide" is performed by several processes at the same time, each
 * beginning elsewhere, with descriptors and namespace in common, and now and then with an allocation that fails. Nothing of it is
 * written down but how many operations that were, and what does not come to an end.
 *
 * A descriptor is known by its number, 100 and above, which the program chooses: it can then be part of a message.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "execute.h"

#define FIRST 100
#define LAST 163
#define VNET 10 /* bytes of struct virtio_net_hdr in front of each frame of the wire */
#define SHOWN 400 /* bytes of which all are written down */
#define L2TP_TUNNEL_DELETE 2
#define L2TP_TUNNEL_GET 4
#define L2TP_CONN_ID 9
#define PLACEHOLDER 0xffff /* stands for the number of the family */

static char kind[LAST + 1]; /* 0: closed, 'n' notifications, 'w' wire, 'p' packet socket, 'i' nothing to read, '+' all else */
static unsigned int quiet[LAST + 1]; /* interface that a packet socket does not report */
static uint16_t family;
static uint32_t group;
int unending;
static uint8_t buffer[1 << 18], bytes[3][1 << 17];
static char text[1 << 18];

void die(const char *what)
{
	fprintf(stderr, "execute: %s: %m\n", what);
	exit(2);
}

/* ---- what is written ---------------------------------------------------------------------------------------------------------- */

static void hex(const uint8_t *data, size_t length)
{
	static const char digit[] = "0123456789abcdef";
	size_t i, shown = length <= SHOWN ? length : SHOWN / 2;
	uint32_t sum = 2166136261u;
	char *to = text;

	for (i = 0; i < shown; i++) {
		*to++ = digit[data[i] >> 4];
		*to++ = digit[data[i] & 15];
	}
	*to = 0;
	putchar(' ');
	fputs(length ? text : "-", stdout);
	if (shown == length)
		return;
	for (; i < length; i++)
		sum = (sum ^ data[i]) * 16777619u;
	printf("+%zu:%08x", length, sum);
}

static void result(long value)
{
	if (value < 0)
		fputs(strerrorname_np(errno) ?: "?", stdout);
	else
		printf("%ld", value);
}

/* ---- what is read ------------------------------------------------------------------------------------------------------------- */

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Hexadecimal into one of the buffers; what follows is zero. */
static size_t unhex(int which, const char *from)
{
	size_t length = 0;

	if (*from != '-')
		for (; from[0] && from[1] && length < sizeof(bytes[0]) - 256; from += 2)
			bytes[which][length++] = nibble(from[0]) << 4 | nibble(from[1]);
	memset(bytes[which] + length, 0, 256);
	return length;
}

static long number(const char *from)
{
	return strtol(from, NULL, 0);
}

/* The last one is never open: it stands for those that the program cannot have. */
static int slot(const char *from)
{
	long fd = number(from);

	return fd >= FIRST && fd < LAST ? fd : LAST;
}

/* ---- deletions that are on their way ------------------------------------------------------------------------------------------ */

/*
 * Tunnels and sessions end some time after they were told to. The trace events of both moments are counted; when the counts agree,
 * nothing is on its way. An object that fails to be made is only freed, with ours a grace period of RCU later, when it could be taken
 * for another one that has been deleted meanwhile: see await_failed().
 */
static const char *const events[] = { "delete_tunnel", "free_tunnel", "delete_session", "free_session" };
static int counter[4][64], processors;
static int64_t base[2];
static bool failed; /* something that may have made an object */

static void count_events(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	int event, cpu;
	FILE *file;

	processors = sysconf(_SC_NPROCESSORS_ONLN);
	for (event = 0; event < 4; event++) {
		snprintf(text, sizeof(text), "/sys/kernel/tracing/events/l2tp/%s/id", events[event]);
		file = fopen(text, "r");
		if (!file || fscanf(file, "%llu", &attr.config) != 1)
			die(text);
		fclose(file);
		for (cpu = 0; cpu < processors && cpu < 64; cpu++) {
			counter[event][cpu] = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
			if (counter[event][cpu] < 0)
				die("perf_event_open");
		}
	}
}

static int64_t happened(int event)
{
	int64_t sum = 0, value;
	int cpu;

	for (cpu = 0; cpu < processors; cpu++)
		if (read(counter[event][cpu], &value, sizeof(value)) == sizeof(value))
			sum += value;
	return sum;
}

static void settle(void)
{
	const struct timespec pause = { .tv_nsec = 200000 };
	time_t end = time(NULL) + 30;
	int64_t pending;
	int what;

	for (what = 0; what < 2; what++)
		for (;;) {
			pending = happened(2 * what) - happened(2 * what + 1) - base[what];
			if (pending < 0)
				base[what] += pending;
			if (pending <= 0)
				break;
			if (time(NULL) > end) {
				printf(" unsettled %s %lld\n", events[2 * what], (long long)pending);
				base[what] += pending;
				unending++;
				break;
			}
			nanosleep(&pause, NULL);
		}
}

/* ---- netlink ------------------------------------------------------------------------------------------------------------------ */

static ssize_t nl_send(int fd, uint16_t type, uint16_t flags, const uint8_t *body, size_t length)
{
	struct nlmsghdr *head = (void *)buffer;
	static uint32_t sequence;

	*head = (struct nlmsghdr){ .nlmsg_len = NLMSG_HDRLEN + length, .nlmsg_flags = flags, .nlmsg_seq = ++sequence,
				   .nlmsg_type = type == PLACEHOLDER ? family : type };
	memcpy(NLMSG_DATA(head), body, length);
	return send(fd, buffer, head->nlmsg_len, 0);
}

static bool is_end(int error)
{
	return error == EAGAIN || error == EBADF || error == ENOTSOCK;
}

/* Messages of one datagram, without sequence numbers, ports and what an error repeats of its request (see NETLINK_CAP_ACK). */
static void show_messages(const char *word, size_t length)
{
	struct nlmsghdr *head = (void *)buffer;

	for (; NLMSG_OK(head, length); head = NLMSG_NEXT(head, length)) {
		uint8_t *data = NLMSG_DATA(head);
		size_t size = NLMSG_PAYLOAD(head, 0);

		printf(" %s ", word);
		if (head->nlmsg_type == NLMSG_ERROR && size >= 20) {
			errno = -*(int *)data;
			failed |= errno != 0;
			fputs(errno ? strerrorname_np(errno) ?: "?" : "ok", stdout);
			data += 20, size -= 20;
		} else if (head->nlmsg_type == NLMSG_DONE && size >= 4) {
			printf("done %d", *(int *)data);
			data += 4, size -= 4;
		} else {
			printf("%x/%x", head->nlmsg_type == family ? PLACEHOLDER : head->nlmsg_type, head->nlmsg_flags);
		}
		hex(data, size);
		putchar('\n');
	}
}

static void nl_receive(const char *word, int fd)
{
	ssize_t length;

	while ((length = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC)) >= 0 || !is_end(errno)) {
		if (length < 0)
			printf(" %s %s\n", word, strerrorname_np(errno));
		else
			show_messages(word, length);
	}
}

/* An attribute of that type among those in the buffer, or NULL. */
static uint8_t *find(uint8_t *at, uint8_t *end, int type)
{
	for (; at + 4 <= end && *(uint16_t *)at >= 4; at += (*(uint16_t *)at + 3) & ~3)
		if ((*(uint16_t *)(at + 2) & NLA_TYPE_MASK) == type)
			return at;
	return NULL;
}

static void find_family(void)
{
	static const uint8_t request[] = { CTRL_CMD_GETFAMILY, 1, 0, 0, 9, 0, CTRL_ATTR_FAMILY_NAME, 0, 'l', '2', 't', 'p' };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	uint8_t *id, *groups, *first;
	ssize_t length;

	unhex(0, "-");
	memcpy(bytes[0], request, sizeof(request));
	if (nl_send(fd, GENL_ID_CTRL, NLM_F_REQUEST, bytes[0], sizeof(request) + 4) < 0 ||
	    (length = recv(fd, buffer, sizeof(buffer), 0)) < 0)
		die("family l2tp");
	close(fd);
	id = find(buffer + 20, buffer + length, CTRL_ATTR_FAMILY_ID);
	groups = find(buffer + 20, buffer + length, CTRL_ATTR_MCAST_GROUPS);
	if (!id || !groups)
		die("no family l2tp");
	family = *(uint16_t *)(id + 4);
	first = find(groups + 8, groups + *(uint16_t *)groups, CTRL_ATTR_MCAST_GRP_ID);
	group = *(uint32_t *)(first + 4);
}

/* Asks a namespace for its tunnels; deletes them too if told so. Returns how many there are. */
static int tunnels(bool end)
{
	static const uint8_t dump[] = { L2TP_TUNNEL_GET, 1, 0, 0 };
	static uint32_t ids[4096];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), count = 0, i;
	ssize_t length;

	nl_send(fd, family, NLM_F_REQUEST | NLM_F_DUMP, dump, sizeof(dump));
	while ((length = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
		struct nlmsghdr *head = (void *)buffer;

		for (; NLMSG_OK(head, length); head = NLMSG_NEXT(head, length)) {
			uint8_t *id = find(NLMSG_DATA(head) + 4, (uint8_t *)head + head->nlmsg_len, L2TP_CONN_ID);

			if (head->nlmsg_type == family && id && count < 4096)
				ids[count++] = *(uint32_t *)(id + 4);
		}
	}
	for (i = 0; end && i < count; i++) {
		uint8_t request[12] = { L2TP_TUNNEL_DELETE, 1, 0, 0, 8, 0, L2TP_CONN_ID, 0 };

		memcpy(request + 8, &ids[i], 4);
		nl_send(fd, family, NLM_F_REQUEST, request, sizeof(request));
	}
	close(fd);
	return count;
}

/* ---- operations --------------------------------------------------------------------------------------------------------------- */

static void end(int fd)
{
	if (kind[fd])
		close(fd);
	kind[fd] = 0;
}

/* Gives a descriptor the number that the program wants. */
static long adopt(int fd, int wanted)
{
	if (fd < 0)
		return -1;
	end(wanted);
	dup3(fd, wanted, O_CLOEXEC);
	close(fd);
	kind[wanted] = '+';
	return 0;
}

/* A new namespace. The tunnels of the old one are deleted before, or with it. */
void begin(const char *how)
{
	int64_t before = happened(1), left;
	time_t limit = time(NULL) + 60;
	int fd;

	for (fd = FIRST; fd <= LAST; fd++)
		end(fd);
	settle();
	before = happened(1);
	left = tunnels(how[0] == 'w');
	if (unshare(CLONE_NEWNET))
		die("unshare");
	while (happened(1) < before + left) {
		if (time(NULL) > limit) {
			printf(" %lld tunnels outlive their namespace\n", (long long)(before + left - happened(1)));
			unending++;
			break;
		}
		usleep(1000);
	}
	settle();
}

static ssize_t receive(int fd, int flags, size_t room, size_t control)
{
	struct iovec vector = { bytes[0], room };
	struct msghdr message = { .msg_name = bytes[1], .msg_namelen = 128, .msg_iov = &vector, .msg_iovlen = 1,
				  .msg_control = bytes[2], .msg_controllen = control };
	ssize_t length;

	memset(bytes[1], 0xaa, 128);
	length = recvmsg(fd, &message, flags | MSG_DONTWAIT);
	if (length < 0 && errno == ENOTSOCK)
		length = read(fd, bytes[0], room), message.msg_flags = 0, message.msg_namelen = 0, message.msg_controllen = 0;
	result(length);
	if (length < 0)
		return length;
	printf(" %x", message.msg_flags);
	hex(bytes[1], message.msg_namelen < 128 ? message.msg_namelen : 128);
	hex(bytes[2], message.msg_controllen);
	hex(bytes[0], (size_t)length < room ? (size_t)length : room);
	return length;
}

static long transmit(int fd, int flags, const char *data, const char *name, const char *control)
{
	struct iovec vector = { bytes[0], unhex(0, data) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

	message.msg_namelen = unhex(1, name);
	message.msg_name = message.msg_namelen ? bytes[1] : NULL;
	message.msg_controllen = unhex(2, control);
	message.msg_control = message.msg_controllen ? bytes[2] : NULL;
	return sendmsg(fd, &message, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A frame through a device, with a struct virtio_net_hdr that says what is left to those below: see PACKET_VNET_HDR. */
static long send_frame(int fd, const char *device, const char *header, const char *data)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(device) };
	struct iovec vector[2] = { { bytes[0], unhex(0, header) }, { bytes[1], unhex(1, data) } };
	struct msghdr message = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = vector, .msg_iovlen = 2 };

	return sendmsg(fd, &message, MSG_DONTWAIT);
}

/* Everything that waits in ordinary descriptors, of each up to its end or first error. */
static void drain(void)
{
	struct pollfd polled[LAST - FIRST + 1];
	int count = 0, fd, i, tries;

	for (fd = FIRST; fd <= LAST; fd++)
		if (kind[fd] == '+')
			polled[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	for (tries = 0; tries < 300 && poll(polled, count, 0) > 0; tries++)
		for (i = 0; i < count; i++)
			if (polled[i].revents & (POLLIN | POLLERR)) {
				printf(" %d ", polled[i].fd);
				if (receive(polled[i].fd, 0, 65536, 512) <= 0)
					polled[i].fd = -1;
				putchar('\n');
			} else if (polled[i].revents) {
				polled[i].fd = -1; /* hung up */
			}
}

static long show_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *line, *rest = text;
	size_t have = 0;
	ssize_t got;

	if (fd < 0)
		return -1;
	while ((got = read(fd, text + have, sizeof(text) - 1 - have)) > 0)
		have += got;
	close(fd);
	text[have] = 0;
	putchar('0');
	while ((line = strsep(&rest, "\n")) && rest)
		printf("\n | %s", line);
	return 0;
}

/* Until a file has a word in it. */
static long await_file(const char *path, const char *word)
{
	time_t limit = time(NULL) + 30;
	ssize_t got, have;
	int fd;

	do {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -1;
		for (have = 0; (got = read(fd, text + have, sizeof(text) - 1 - have)) > 0; have += got)
			;
		close(fd);
		text[have] = 0;
		if (strstr(text, word))
			return 0;
		usleep(1000);
	} while (time(NULL) < limit);
	errno = ETIMEDOUT;
	return -1;
}

static long put_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long got;

	if (fd < 0)
		return -1;
	got = write(fd, value, strlen(value));
	close(fd);
	return got;
}

/* getsockname() and the like: what came back of a buffer of that size. */
static void get_name(long (*get)(int, void *, socklen_t *), int fd, socklen_t room)
{
	socklen_t length = room;
	long got;

	memset(bytes[0], 0xaa, 256);
	got = get(fd, bytes[0], &length);
	result(got);
	if (got >= 0) {
		printf(" %d", (int)length);
		hex(bytes[0], length < room ? length : room);
	}
}

static long own_name(int fd, void *to, socklen_t *length)
{
	return getsockname(fd, to, length);
}

static long peer_name(int fd, void *to, socklen_t *length)
{
	return getpeername(fd, to, length);
}

static void get_option(int fd, int level, int option, socklen_t length)
{
	long got;

	memset(bytes[0], 0xaa, 256);
	got = getsockopt(fd, level, option, bytes[0], &length);
	result(got);
	if (got >= 0) {
		printf(" %d", (int)length);
		hex(bytes[0], length < 256 ? length : 256);
	}
}

static void control(int fd, unsigned long request, const char *argument)
{
	size_t length = unhex(0, argument);
	long got = ioctl(fd, request, bytes[0]);

	result(got);
	if (got >= 0)
		hex(bytes[0], length);
}

/* Options and addresses may claim another length than they have, and a null pointer is written 0. */
static void *pointer(int which, const char *from, size_t *length, const char *claimed)
{
	*length = *from == '0' && !from[1] ? 0 : unhex(which, from);
	if (claimed)
		*length = number(claimed);
	return *from == '0' && !from[1] ? NULL : bytes[which];
}

/* Requests, by the first byte of their hexadecimal text. */
static const char *const creations[] = { "01", "05", NULL }, *const deletions[] = { "02", "06", NULL };

static bool is_one_of(const char *word, const char *const *beginnings)
{
	while (*beginnings && strncmp(word, *beginnings, strlen(*beginnings)))
		beginnings++;
	return *beginnings;
}

void perform(int count, char **word)
{
	const char *op = word[0];
	const bool before = failed;
	int fd = count > 1 ? slot(word[1]) : 0;
	size_t length;
	void *data;
	long got;

#define IS(name, arguments) (!strcmp(op, name) && count > (arguments))
	if (IS("nl", 4)) {
		length = unhex(0, word[4]);
		result(nl_send(fd, number(word[2]), number(word[3]), bytes[0], length));
		putchar('\n');
		nl_receive("answer", fd);
		failed = before || (failed && is_one_of(word[4], creations));
		return;
	} else if (IS("send", 5)) {
		result(transmit(fd, number(word[2]), word[3], word[4], word[5]));
	} else if (IS("frame", 4)) {
		result(send_frame(fd, word[2], word[3], word[4]));
	} else if (IS("recv", 4)) {
		receive(fd, number(word[2]), number(word[3]), number(word[4]));
	} else if (IS("write", 2)) {
		length = unhex(0, word[2]);
		result(write(fd, bytes[0], length));
	} else if (IS("socket", 4)) {
		result(adopt(socket(number(word[2]), number(word[3]) | SOCK_CLOEXEC, number(word[4])), fd));
	} else if (IS("connect", 2)) {
		data = pointer(0, word[2], &length, count > 3 ? word[3] : NULL);
		got = connect(fd, data, length);
		failed |= got < 0;
		result(got);
	} else if (IS("bind", 2)) {
		data = pointer(0, word[2], &length, count > 3 ? word[3] : NULL);
		result(bind(fd, data, length));
	} else if (IS("set", 4) && !strcmp(word[4], "group")) {
		result(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)));
	} else if (IS("set", 4)) {
		data = pointer(0, word[4], &length, count > 5 ? word[5] : NULL);
		result(setsockopt(fd, number(word[2]), number(word[3]), data, length));
	} else if (IS("get", 4)) {
		get_option(fd, number(word[2]), number(word[3]), number(word[4]));
	} else if (IS("name", 2)) {
		get_name(own_name, fd, number(word[2]));
	} else if (IS("peer", 2)) {
		get_name(peer_name, fd, number(word[2]));
	} else if (IS("ioctl", 3)) {
		control(fd, strtoul(word[2], NULL, 0), word[3]);
	} else if (IS("ioctl-value", 3)) {
		result(ioctl(fd, strtoul(word[2], NULL, 0), number(word[3])));
	} else if (IS("listen", 1)) {
		result(listen(fd, 1));
	} else if (IS("accept", 1)) {
		result(accept(fd, NULL, NULL));
	} else if (IS("shutdown", 2)) {
		result(shutdown(fd, number(word[2])));
	} else if (IS("open", 3)) {
		result(adopt(open(word[3], number(word[2]) | O_CLOEXEC), fd));
	} else if (IS("dup", 2)) {
		result(adopt(dup(fd), slot(word[2])));
	} else if (IS("close", 1)) {
		result(kind[fd] ? close(fd) : (errno = EBADF, -1));
		kind[fd] = 0;
	} else if (IS("watch", 2)) {
		kind[fd] = word[2][0];
		quiet[fd] = count > 3 ? number(word[3]) : 0;
		result(0);
	} else if (IS("drain", 0)) {
		putchar('\n');
		drain();
		return;
	} else if (IS("cat", 1)) {
		if (show_file(word[1]))
			result(-1);
	} else if (IS("await", 2)) {
		result(await_file(word[1], word[2]));
	} else if (IS("put", 2)) {
		result(put_file(word[1], word[2]));
	} else if (IS("collide", 0)) {
		result(0);
	} else if (IS("netns", 1)) {
		result(adopt(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd));
		kind[fd] = 'i';
	} else if (IS("unshare", 0)) {
		result(unshare(CLONE_NEWNET));
	} else if (IS("setns", 1)) {
		result(setns(fd, CLONE_NEWNET));
	} else if (IS("new", 1)) {
		putchar('\n');
		begin(word[1]);
		return;
	} else {
		fputs("no such operation", stdout);
	}
	putchar('\n');
}

/* ---- what happened meanwhile -------------------------------------------------------------------------------------------------- */

static void show_wire(int fd)
{
	ssize_t length;

	while ((length = read(fd, buffer, sizeof(buffer))) > VNET) {
		if (buffer[VNET] & 1)
			continue; /* multicast: the namespace's own business */
		fputs(" wire", stdout);
		hex(buffer + VNET, length - VNET);
		putchar('\n');
	}
}

static void show_packets(int fd)
{
	struct sockaddr_ll from;
	socklen_t size = sizeof(from);
	ssize_t length;

	while ((length = recvfrom(fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC, (void *)&from, &size)) >= 0 || !is_end(errno)) {
		if (length >= 0 && (unsigned int)from.sll_ifindex != quiet[fd]) {
			printf(" device %d %d", from.sll_ifindex, from.sll_pkttype);
			hex(buffer, length < (ssize_t)sizeof(buffer) ? length : (ssize_t)sizeof(buffer));
			putchar('\n');
		}
		size = sizeof(from);
	}
}

static void meanwhile(void)
{
	struct pollfd polled[LAST - FIRST + 1];
	int count = 0, fd, i;

	settle();
	for (fd = FIRST; fd <= LAST; fd++)
		if (kind[fd] && !strchr("+i", kind[fd]))
			polled[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	if (!count || poll(polled, count, 0) <= 0)
		return;
	for (i = 0; i < count; i++) {
		if (!polled[i].revents)
			continue;
		fd = polled[i].fd;
		if (kind[fd] == 'n')
			nl_receive("heard", fd);
		else if (kind[fd] == 'w')
			show_wire(fd);
		else
			show_packets(fd);
	}
}

/* Takes every descriptor for open: closing one that is not does no harm. */
void all_open(void)
{
	memset(kind + FIRST, '+', LAST - FIRST + 1);
}

/*
 * Closing a packet socket waits for RCU: for a callback, as things are set in the guest, which on one processor comes after those that
 * were asked for before.
 */
static void await_failed(void)
{
	if (!failed)
		return;
	failed = false;
	if (put_file("/sys/kernel/rcu_normal", "1") < 0)
		die("rcu_normal");
	close(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
	put_file("/sys/kernel/rcu_normal", "0");
	settle();
}

/* Whether an operation may delete tunnels or sessions: by closing a socket or leaving a namespace, for instance. */
static bool may_delete(int count, char **word)
{
	static const char *const others[] = { "close", "socket", "open", "dup", "netns", "unshare", "setns", "new", NULL };

	return !strcmp(word[0], "nl") && count > 4 ? is_one_of(word[4], deletions) : is_one_of(word[0], others);
}

/* ---- main --------------------------------------------------------------------------------------------------------------------- */

int split(char *line, char **word)
{
	int count = 0;

	line[strcspn(line, "#\n")] = 0;
	while (count < WORDS && (word[count] = strsep(&line, " ")))
		count += *word[count] != 0;
	return count;
}

/* What is interrupted goes on with the next operation. */
void alarm_every(int seconds)
{
	const struct itimerval interval = { { seconds, 0 }, { seconds, 0 } };

	setitimer(ITIMER_REAL, &interval, NULL);
}

static void interrupted(int signal)
{
	(void)signal;
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = interrupted };
	bool collides = argc == 4 && !strcmp(argv[1], "--collide");
	FILE *program = argc == 2 || collides ? fopen(argv[argc - 1], "re") : NULL;
	char *line = NULL, *word[WORDS];
	unsigned long row = 0;
	size_t room = 0;
	int count;

	if (!program)
		die("usage: execute [--collide <processes>] <program>");
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	sigaction(SIGALRM, &action, NULL); /* whatever blocks, does so for some time only */
	alarm_every(20);
	find_family();
	count_events();
	if (collides)
		return collide_program(program, atoi(argv[2]));
	while (getline(&line, &room, program) > 0) {
		row++;
		count = split(line, word);
		if (!count)
			continue;
		if (may_delete(count, word))
			await_failed();
		printf("%lu ", row);
		perform(count, word);
		meanwhile();
	}
	if (fflush(stdout))
		die("standard output");
	return 0;
}
