/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trace events of L2TP: /sys/kernel/tracing/events/l2tp/.
 *
 * Names, fields and output are those that the events have always had. The arguments are plain values, because C knows nothing of
 * the layout of a tunnel or session: trace.rs declares the same prototypes. Tunnels and sessions are named after their ids.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM l2tp

#if !defined(_TRACE_L2TP_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_L2TP_H

#include <linux/l2tp.h>
#include <linux/tracepoint.h>

#define L2TP_TUNNEL_NAME_MAX 20
#define L2TP_SESSION_NAME_MAX 32

/* The whole array is written: all of it is in the trace. */
#define assign_name(name, ...) \
	do { \
		memset(name, 0, sizeof(name)); \
		snprintf(name, sizeof(name), __VA_ARGS__); \
	} while (0)

#define encap_type_name(e) { L2TP_ENCAPTYPE_##e, #e }
#define show_encap_type_name(val) \
	__print_symbolic(val, \
			encap_type_name(UDP), \
			encap_type_name(IP))

#define pw_type_name(p) { L2TP_PWTYPE_##p, #p }
#define show_pw_type_name(val) \
	__print_symbolic(val, \
	pw_type_name(ETH_VLAN), \
	pw_type_name(ETH), \
	pw_type_name(PPP), \
	pw_type_name(PPP_AC), \
	pw_type_name(IP))

DECLARE_EVENT_CLASS(tunnel_only_evt,
	TP_PROTO(u32 tid),
	TP_ARGS(tid),
	TP_STRUCT__entry(
		__array(char, name, L2TP_TUNNEL_NAME_MAX)
	),
	TP_fast_assign(
		assign_name(__entry->name, "tunl %u", tid);
	),
	TP_printk("%s", __entry->name)
);

DECLARE_EVENT_CLASS(session_only_evt,
	TP_PROTO(u32 tid, u32 sid),
	TP_ARGS(tid, sid),
	TP_STRUCT__entry(
		__array(char, name, L2TP_SESSION_NAME_MAX)
	),
	TP_fast_assign(
		assign_name(__entry->name, "sess %u/%u", tid, sid);
	),
	TP_printk("%s", __entry->name)
);

TRACE_EVENT(register_tunnel,
	TP_PROTO(int fd, u32 tid, u32 ptid, int version, u32 encap),
	TP_ARGS(fd, tid, ptid, version, encap),
	TP_STRUCT__entry(
		__array(char, name, L2TP_TUNNEL_NAME_MAX)
		__field(int, fd)
		__field(u32, tid)
		__field(u32, ptid)
		__field(int, version)
		__field(enum l2tp_encap_type, encap)
	),
	TP_fast_assign(
		assign_name(__entry->name, "tunl %u", tid);
		__entry->fd = fd;
		__entry->tid = tid;
		__entry->ptid = ptid;
		__entry->version = version;
		__entry->encap = encap;
	),
	TP_printk("%s: type=%s encap=%s version=L2TPv%d tid=%u ptid=%u fd=%d",
		__entry->name,
		__entry->fd > 0 ? "managed" : "unmanaged",
		show_encap_type_name(__entry->encap),
		__entry->version,
		__entry->tid,
		__entry->ptid,
		__entry->fd)
);

DEFINE_EVENT(tunnel_only_evt, delete_tunnel,
	TP_PROTO(u32 tid),
	TP_ARGS(tid)
);

DEFINE_EVENT(tunnel_only_evt, free_tunnel,
	TP_PROTO(u32 tid),
	TP_ARGS(tid)
);

/* The output ends with the session's ids where it says the tunnel's: readers of the text rely on what it has always been. */
TRACE_EVENT(register_session,
	TP_PROTO(u32 tid, u32 ptid, u32 sid, u32 psid, u32 pwtype),
	TP_ARGS(tid, ptid, sid, psid, pwtype),
	TP_STRUCT__entry(
		__array(char, name, L2TP_SESSION_NAME_MAX)
		__field(u32, tid)
		__field(u32, ptid)
		__field(u32, sid)
		__field(u32, psid)
		__field(enum l2tp_pwtype, pwtype)
	),
	TP_fast_assign(
		assign_name(__entry->name, "sess %u/%u", tid, sid);
		__entry->tid = tid;
		__entry->ptid = ptid;
		__entry->sid = sid;
		__entry->psid = psid;
		__entry->pwtype = pwtype;
	),
	TP_printk("%s: pseudowire=%s sid=%u psid=%u tid=%u ptid=%u",
		__entry->name,
		show_pw_type_name(__entry->pwtype),
		__entry->sid,
		__entry->psid,
		__entry->sid,
		__entry->psid)
);

DEFINE_EVENT(session_only_evt, delete_session,
	TP_PROTO(u32 tid, u32 sid),
	TP_ARGS(tid, sid)
);

DEFINE_EVENT(session_only_evt, free_session,
	TP_PROTO(u32 tid, u32 sid),
	TP_ARGS(tid, sid)
);

DEFINE_EVENT(session_only_evt, session_seqnum_lns_enable,
	TP_PROTO(u32 tid, u32 sid),
	TP_ARGS(tid, sid)
);

DEFINE_EVENT(session_only_evt, session_seqnum_lns_disable,
	TP_PROTO(u32 tid, u32 sid),
	TP_ARGS(tid, sid)
);

DECLARE_EVENT_CLASS(session_seqnum_evt,
	TP_PROTO(u32 tid, u32 sid, u32 ns, u32 nr),
	TP_ARGS(tid, sid, ns, nr),
	TP_STRUCT__entry(
		__array(char, name, L2TP_SESSION_NAME_MAX)
		__field(u32, ns)
		__field(u32, nr)
	),
	TP_fast_assign(
		assign_name(__entry->name, "sess %u/%u", tid, sid);
		__entry->ns = ns;
		__entry->nr = nr;
	),
	TP_printk("%s: ns=%u nr=%u",
		__entry->name,
		__entry->ns,
		__entry->nr)
);

DEFINE_EVENT(session_seqnum_evt, session_seqnum_update,
	TP_PROTO(u32 tid, u32 sid, u32 ns, u32 nr),
	TP_ARGS(tid, sid, ns, nr)
);

DEFINE_EVENT(session_seqnum_evt, session_seqnum_reset,
	TP_PROTO(u32 tid, u32 sid, u32 ns, u32 nr),
	TP_ARGS(tid, sid, ns, nr)
);

DECLARE_EVENT_CLASS(session_pkt_discard_evt,
	TP_PROTO(u32 tid, u32 sid, u32 pkt_ns, u32 my_nr, u32 reorder_q_len),
	TP_ARGS(tid, sid, pkt_ns, my_nr, reorder_q_len),
	TP_STRUCT__entry(
		__array(char, name, L2TP_SESSION_NAME_MAX)
		__field(u32, pkt_ns)
		__field(u32, my_nr)
		__field(u32, reorder_q_len)
	),
	TP_fast_assign(
		assign_name(__entry->name, "sess %u/%u", tid, sid);
		__entry->pkt_ns = pkt_ns;
		__entry->my_nr = my_nr;
		__entry->reorder_q_len = reorder_q_len;
	),
	TP_printk("%s: pkt_ns=%u my_nr=%u reorder_q_len=%u",
		__entry->name,
		__entry->pkt_ns,
		__entry->my_nr,
		__entry->reorder_q_len)
);

DEFINE_EVENT(session_pkt_discard_evt, session_pkt_expired,
	TP_PROTO(u32 tid, u32 sid, u32 pkt_ns, u32 my_nr, u32 reorder_q_len),
	TP_ARGS(tid, sid, pkt_ns, my_nr, reorder_q_len)
);

DEFINE_EVENT(session_pkt_discard_evt, session_pkt_outside_rx_window,
	TP_PROTO(u32 tid, u32 sid, u32 pkt_ns, u32 my_nr, u32 reorder_q_len),
	TP_ARGS(tid, sid, pkt_ns, my_nr, reorder_q_len)
);

DEFINE_EVENT(session_pkt_discard_evt, session_pkt_oos,
	TP_PROTO(u32 tid, u32 sid, u32 pkt_ns, u32 my_nr, u32 reorder_q_len),
	TP_ARGS(tid, sid, pkt_ns, my_nr, reorder_q_len)
);

#endif /* _TRACE_L2TP_H */

/* This part must be outside protection */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
