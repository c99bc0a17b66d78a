// SPDX-License-Identifier: GPL-2.0

//! The socket options of level `SOL_PPPOL2TP`.
//!
//! Those of other levels, which the UDP socket of the tunnel would know, are none of ours.

use crate::socket::{
    is_management,
    PppSocket, //
};
use kernel::prelude::*;
use l2tp_core::{
    log,
    RcuArc,
    Session, //
};
use net::{
    error::{
        ENOPROTOOPT,
        ENOTCONN, //
    },
    sockopt::{
        OptionBuffer,
        OptionValue, //
    }, //
};

const SOL_PPPOL2TP: c_int = 273;

/// Mask of `L2TP_MSG_*`: of the session, or of the tunnel if it is a management socket, which has no other options.
const DEBUG: c_int = 1;
/// Whether received frames must have sequence numbers.
const RECVSEQ: c_int = 2;
/// Whether transmitted frames have sequence numbers.
const SENDSEQ: c_int = 3;
/// Whether this end decides about sequence numbers.
const LNSMODE: c_int = 4;
/// How long a frame waits for those before it, in milliseconds; 0 for no reordering.
const REORDERTO: c_int = 5;

/// The session that the socket is attached to.
fn session(socket: &PppSocket) -> Result<RcuArc<Session>> {
    socket.session.get_ref().ok_or(ENOTCONN)
}

fn switch(value: c_int) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(EINVAL),
    }
}

/// `setsockopt()`.
pub(crate) fn set(socket: &PppSocket, level: c_int, option: c_int, value: &OptionValue) -> Result {
    if level != SOL_PPPOL2TP {
        return Err(EINVAL);
    }
    let value = value.int()?;
    let session = session(socket)?;
    // It would let anybody fill the kernel's log with what others receive. For them it has no effect, as for all with the C modules.
    if option == DEBUG && !socket.namespace().has_net_admin() {
        return Ok(());
    }
    if is_management(&session) {
        match option {
            DEBUG => {
                let tunnel = session.tunnel();
                // CAST: A mask.
                tunnel.set_debug(value as u32);
                log!(tunnel, Control, info, "{}: set debug={:x}\n", value as u32);
            }
            _ => return Err(ENOPROTOOPT),
        }
        return Ok(());
    }
    match option {
        DEBUG => {
            // CAST: A mask.
            session.set_debug(value as u32);
            log!(session, Control, info, "{}: set debug={:x}\n", value as u32);
        }
        RECVSEQ => {
            session.set_recv_seq(switch(value)?);
            log!(session, Control, info, "{}: set recv_seq={}\n", value);
        }
        SENDSEQ => {
            session.set_send_seq(switch(value)?);
            log!(session, Control, info, "{}: set send_seq={}\n", value);
        }
        LNSMODE => {
            session.set_lns_mode(switch(value)?);
            log!(session, Control, info, "{}: set lns_mode={}\n", value);
        }
        REORDERTO => {
            // CAST: A negative time is a very long one.
            session.set_reorder_timeout_ms(u64::from(value as u32));
            log!(
                session,
                Control,
                info,
                "{}: set reorder_timeout={}\n",
                value
            );
        }
        _ => return Err(ENOPROTOOPT),
    }
    Ok(())
}

/// `getsockopt()`.
pub(crate) fn get(
    socket: &PppSocket,
    level: c_int,
    option: c_int,
    buffer: &mut OptionBuffer<'_>,
) -> Result {
    if level != SOL_PPPOL2TP || buffer.room() < 0 {
        return Err(EINVAL);
    }
    let session = session(socket)?;
    if is_management(&session) {
        let tunnel = session.tunnel();
        if option != DEBUG {
            return Err(ENOPROTOOPT);
        }
        let mask = tunnel.debug();
        log!(tunnel, Control, info, "{}: get debug={:x}\n", mask);
        // CAST: A mask.
        return buffer.put_int(mask as c_int);
    }
    let (name, value) = match option {
        // CAST: A mask.
        DEBUG => ("debug", session.debug() as c_int),
        RECVSEQ => ("recv_seq", session.recv_seq().into()),
        SENDSEQ => ("send_seq", session.send_seq().into()),
        LNSMODE => ("lns_mode", session.lns_mode().into()),
        // CAST: As it was set.
        REORDERTO => ("reorder_timeout", session.reorder_timeout_ms() as c_int),
        _ => return Err(ENOPROTOOPT),
    };
    log!(session, Control, info, "{}: get {}={}\n", name, value);
    buffer.put_int(value)
}
