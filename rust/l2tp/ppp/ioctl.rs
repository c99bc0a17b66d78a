// SPDX-License-Identifier: GPL-2.0

//! The socket's ioctls, but for `PPPIOCGCHAN`, which the socket family does itself.

use crate::socket::{
    is_management,
    PppSocket, //
};
use kernel::{
    ioctl::{
        _IOR,
        _IOW, //
    },
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};
use l2tp_core::{
    PwType,
    Session,
    Stats, //
};
use net::{
    error::{
        EBADR,
        ENOSYS,
        ENOTCONN, //
    },
    sockopt::may_be_user_space, //
};

/// The letter of PPP's ioctls.
const PPP: u32 = b't' as u32;

/// The largest frame that can be received.
const PPPIOCGMRU: u32 = _IOR::<c_int>(PPP, 83);
const PPPIOCSMRU: u32 = _IOW::<c_int>(PPP, 82);
const PPPIOCGFLAGS: u32 = _IOR::<c_int>(PPP, 90);
const PPPIOCSFLAGS: u32 = _IOW::<c_int>(PPP, 89);
/// Statistics: of the session; through a management socket, of a session that the caller names, or of the tunnel.
const PPPIOCGL2TPSTATS: u32 = _IOR::<StatsRecord>(PPP, 54);

/// `struct pppol2tp_ioc_stats`: tunnel id and session id (16 bits each), flags (32 bits, of which the lowest says that the tunnel
/// uses IPsec), and eight counters of 64 bits.
type StatsRecord = [u8; 72];

/// `ioctl()`.
pub(crate) fn ioctl(socket: &PppSocket, command: u32, argument: usize) -> Result {
    match command {
        PPPIOCGMRU | PPPIOCGFLAGS | PPPIOCSMRU | PPPIOCSFLAGS | PPPIOCGL2TPSTATS => {}
        _ => return Err(ENOIOCTLCMD),
    }
    let session = socket.session.get_ref().ok_or(ENOTCONN)?;
    if command == PPPIOCGL2TPSTATS {
        return stats(&session, argument);
    }
    // pppd asks for these, and they must succeed. The unit has what they are about.
    if is_management(&session) {
        return Err(ENOSYS);
    }
    match command {
        PPPIOCGMRU | PPPIOCGFLAGS => {
            UserSlice::new(UserPtr::from_addr(argument), size_of::<c_int>())
                .writer()
                .write_slice(&c_int::to_ne_bytes(0))
        }
        // The value is not looked at.
        _ if may_be_user_space(argument, size_of::<c_int>()) => Ok(()),
        _ => Err(EFAULT),
    }
}

/// `PPPIOCGL2TPSTATS`.
fn stats(session: &Session, argument: usize) -> Result {
    let tunnel = session.tunnel();
    let (id, stats) = if is_management(session) {
        let mut asked: StatsRecord = [0; 72];
        UserSlice::new(UserPtr::from_addr(argument), asked.len())
            .reader()
            .read_slice(&mut asked)?;
        let [_, _, low, high, ..] = asked;
        let id = u16::from_ne_bytes([low, high]);
        let stats = if id == 0 {
            tunnel.stats()
        } else {
            let session = tunnel.net().session(tunnel, id.into()).ok_or(EBADR)?;
            if session.pw_type() != PwType::PPP {
                return Err(EBADR);
            }
            session.stats()
        };
        (id, stats)
    } else {
        // CAST: So many bits of the id are told.
        (session.id() as u16, session.stats())
    };
    // CAST: As above.
    let record = record(
        tunnel.id() as u16,
        id,
        tunnel.socket().has_ipsec_policy(),
        &stats,
    );
    UserSlice::new(UserPtr::from_addr(argument), record.len())
        .writer()
        .write_slice(&record)
}

fn record(tunnel: u16, session: u16, using_ipsec: bool, stats: &Stats) -> StatsRecord {
    let mut record: StatsRecord = [0; 72];
    let counters = [
        stats.tx_packets,
        stats.tx_bytes,
        stats.tx_errors,
        stats.rx_packets,
        stats.rx_bytes,
        stats.rx_seq_discards,
        stats.rx_oos_packets,
        stats.rx_errors,
    ];
    let mut rest = record.as_mut_slice();
    let mut put = |bytes: &[u8]| {
        if let Some((place, after)) = core::mem::take(&mut rest).split_at_mut_checked(bytes.len()) {
            place.copy_from_slice(bytes);
            rest = after;
        }
    };
    put(&tunnel.to_ne_bytes());
    put(&session.to_ne_bytes());
    put(&u32::from(using_ipsec).to_ne_bytes());
    for counter in counters {
        put(&counter.to_ne_bytes());
    }
    record
}
