// SPDX-License-Identifier: GPL-2.0

//! What is printed of tunnels and sessions. Scripts read it: the text is that of the C module.

use kernel::{
    fmt,
    seq_file::SeqFile,
    seq_print, //
};
use l2tp_core::{
    Encap,
    PwType,
    Session,
    Shared,
    Tunnel, //
};
use net::{
    seq_file::{
        write_ipv4,
        write_ipv6, //
    },
    sock::Addresses,
};
use wire::Cookie;

/// Says what the lines of a record mean.
pub(crate) fn header(m: &SeqFile) {
    seq_print!(
        m,
        "TUNNEL ID, peer ID from IP to IP\n \
         L2TPv2/L2TPv3, UDP/IP\n \
         sessions session-count, refcnt refcnt/sk->refcnt\n \
         debug tx-pkts/bytes/errs rx-pkts/bytes/errs\n  \
         SESSION ID, peer ID, PWTYPE\n   \
         refcnt cnt\n   \
         offset OFFSET l2specific TYPE/LEN\n   \
         [ cookie ]\n   \
         [ peer cookie ]\n   \
         config mtu/mru/rcvseq/sendseq/dataseq/lns debug reorderto\n   \
         nr/ns tx-pkts/bytes/errs rx-pkts/bytes/errs\n"
    );
}

/// References to a tunnel, as the C module had them: one for being registered, however many indices it is in; one for each of
/// its sessions; ours, and other users'.
fn tunnel_references(tunnel: &Shared<Tunnel>) -> u32 {
    // By id and by socket.
    const INDICES: u32 = 2;
    tunnel.refcount().saturating_sub(INDICES).saturating_add(1)
}

/// References to a session, as the C module had them: one for being registered; one for a PPP socket; one if its id collided
/// with that of another tunnel's session; ours, and other users'.
fn session_references(session: &Shared<Session>) -> u32 {
    // The tunnel's list and that of the receive path.
    const INDICES: u32 = 2;
    let device = u32::from(session.pw_type() == PwType::ETH);
    let collision = u32::from(session.has_collided());
    session
        .refcount()
        .saturating_sub(INDICES.saturating_add(device))
        .saturating_add(1)
        .saturating_add(collision)
}

/// Prints a tunnel.
pub(crate) fn tunnel(tunnel: &Shared<Tunnel>, m: &SeqFile) {
    seq_print!(m, "\nTUNNEL {} peer {}", tunnel.id(), tunnel.peer_id());
    let ports = match tunnel.addresses() {
        Addresses::V4(ends) => {
            seq_print!(m, " from ");
            write_ipv4(m, &ends.local);
            seq_print!(m, " to ");
            write_ipv4(m, &ends.peer);
            seq_print!(m, "\n");
            Some((ends.local_port, ends.peer_port))
        }
        Addresses::V6(ends) => {
            seq_print!(m, " from ");
            write_ipv6(m, &ends.local);
            seq_print!(m, " to ");
            write_ipv6(m, &ends.peer);
            seq_print!(m, "\n");
            Some((ends.local_port, ends.peer_port))
        }
        Addresses::Other => None,
    };
    let encap = match tunnel.encap() {
        Encap::Udp => "UDP",
        Encap::Ip => "IP",
    };
    if let (Encap::Udp, Some((source, destination))) = (tunnel.encap(), ports) {
        seq_print!(m, " source port {}, dest port {}\n", source, destination);
    }
    seq_print!(m, " L2TPv{}, {}\n", tunnel.version(), encap);
    seq_print!(
        m,
        " {} sessions, refcnt {}/{}\n",
        tunnel.session_count(),
        tunnel.socket().refcount(),
        tunnel_references(tunnel)
    );
    let stats = tunnel.stats();
    seq_print!(
        m,
        " {:08x} tx {} rx {}\n",
        tunnel.debug(),
        stats.tx(),
        stats.rx()
    );
}

/// Prints a cookie as four bytes or eight: one of another length cut off or filled up with zeroes.
struct Hex<'a>(&'a Cookie);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.0.len() == 8 { 8 } else { 4 };
        let bytes = self.0.as_bytes().iter().chain(core::iter::repeat(&0));
        for byte in bytes.take(shown) {
            write!(f, "{:02x}", byte)?;
        }
        Ok(())
    }
}

/// Prints a session.
pub(crate) fn session(session: &Shared<Session>, m: &SeqFile) {
    let kind = match session.pw_type() {
        PwType::ETH => "ETH",
        PwType::PPP => "PPP",
        _ => "",
    };
    seq_print!(
        m,
        "  SESSION {}, peer {}, {}\n",
        session.id(),
        session.peer_id(),
        kind
    );
    let (nr, ns) = (session.nr(), session.ns());
    if session.send_seq() || session.recv_seq() {
        seq_print!(m, "   nr {}, ns {}\n", nr, ns);
    }
    seq_print!(m, "   refcnt {}\n", session_references(session));
    seq_print!(
        m,
        "   config 0/0/{}/{}/-/{} {:08x} {}\n",
        if session.recv_seq() { 'R' } else { '-' },
        if session.send_seq() { 'S' } else { '-' },
        if session.lns_mode() { "LNS" } else { "LAC" },
        session.debug(),
        session.reorder_timeout_ms()
    );
    let l2spec = session.l2spec();
    seq_print!(
        m,
        "   offset 0 l2specific {}/{}\n",
        l2spec as u8,
        l2spec.len()
    );
    for (label, cookie) in [
        ("cookie", session.cookie()),
        ("peer cookie", *session.peer_cookie()),
    ] {
        if !cookie.is_empty() {
            seq_print!(m, "   {} {}\n", label, Hex(&cookie));
        }
    }
    let stats = session.stats();
    seq_print!(m, "   {}/{} tx {} rx {}\n", nr, ns, stats.tx(), stats.rx());
    session.pseudowire().show(session, m);
}
