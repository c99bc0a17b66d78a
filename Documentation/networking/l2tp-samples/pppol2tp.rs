// SPDX-License-Identifier: GPL-2.0

//! One end of an L2TPv2 tunnel with a PPP session, made with PPPoL2TP sockets: what pppol2tp.c does, in Rust.
//!
//! ```text
//! pppol2tp <address> <port> <tunnel> <session>  <peer's address, port, tunnel, session>
//! ```

mod system;

use std::{
    env,
    error::Error,
    fs::{File, OpenOptions},
    io::{self, Write},
    net::{SocketAddrV4, UdpSocket},
    os::fd::{AsRawFd, OwnedFd},
    process::ExitCode,
};
use system::{connect_to, control, new_socket};

const AF_INET: u16 = 2;
const AF_PPPOX: u16 = 24;
const SOCK_DGRAM: i32 = 2;
const PX_PROTO_OL2TP: u32 = 1;

const PPPIOCGCHAN: u32 = 0x80047437;
const PPPIOCATTCHAN: u32 = 0x40047438;
const PPPIOCNEWUNIT: u32 = 0xc004743e;
const PPPIOCCONNECT: u32 = 0x4004743a;
const PPPIOCSNPMODE: u32 = 0x4008744b;
const PPPIOCGL2TPSTATS: u32 = 0x80487436;
const PPP_IP: u32 = 0x21;
const NPMODE_PASS: u32 = 0;

/// What one end is called.
struct End {
    address: SocketAddrV4,
    tunnel: u16,
    session: u16,
}

impl End {
    fn parse(words: &[String]) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            address: SocketAddrV4::new(words[0].parse()?, words[1].parse()?),
            tunnel: words[2].parse()?,
            session: words[3].parse()?,
        })
    }
}

/// `struct sockaddr_pppol2tp`, which is packed.
fn address(tunnel: &UdpSocket, local: &End, peer: &End, management: bool) -> Vec<u8> {
    let session = |end: &End| if management { 0 } else { end.session };
    let mut raw = Vec::new();
    raw.extend(AF_PPPOX.to_ne_bytes());
    raw.extend(PX_PROTO_OL2TP.to_ne_bytes());
    raw.extend(0u32.to_ne_bytes()); // pid
    raw.extend(tunnel.as_raw_fd().to_ne_bytes());
    raw.extend(AF_INET.to_ne_bytes());
    raw.extend(peer.address.port().to_be_bytes());
    raw.extend(peer.address.ip().octets());
    raw.extend([0; 8]);
    for id in [local.tunnel, session(local), peer.tunnel, session(peer)] {
        raw.extend(id.to_ne_bytes());
    }
    raw
}

/// A PPPoX socket for the session, or for the tunnel itself.
fn pppox(tunnel: &UdpSocket, local: &End, peer: &End, management: bool) -> io::Result<OwnedFd> {
    let socket = new_socket(AF_PPPOX.into(), SOCK_DGRAM, PX_PROTO_OL2TP as i32)?;
    connect_to(&socket, &address(tunnel, local, peer, management))?;
    Ok(socket)
}

fn dev_ppp() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/ppp")
}

/// `PPPIOCGL2TPSTATS` of a session, asked of the management socket: the eight counters.
fn statistics(management: &OwnedFd, session: u16) -> io::Result<[u64; 8]> {
    let mut raw = [0; 72];
    raw[2..4].copy_from_slice(&session.to_ne_bytes());
    control(management, PPPIOCGL2TPSTATS, &mut raw)?;
    let mut counters = [0; 8];
    for (counter, bytes) in counters.iter_mut().zip(raw[8..].chunks_exact(8)) {
        *counter = u64::from_ne_bytes(bytes.try_into().unwrap());
    }
    Ok(counters)
}

fn run(local: &End, peer: &End) -> Result<(), Box<dyn Error>> {
    // The tunnel's UDP socket. Control messages would be sent and received with it.
    let tunnel = UdpSocket::bind(local.address)?;
    tunnel.connect(peer.address)?;

    // The first socket makes the tunnel, the second the session.
    let management = pppox(&tunnel, local, peer, true)?;
    let session = pppox(&tunnel, local, peer, false)?;

    // The session's PPP channel. LCP frames would be read from and written to it.
    let mut index = [0; 4];
    control(&session, PPPIOCGCHAN, &mut index)?;
    let channel = dev_ppp()?;
    control(&channel, PPPIOCATTCHAN, &mut index)?;

    // A PPP device that sends through it.
    let unit = dev_ppp()?;
    let mut number = (-1i32).to_ne_bytes();
    control(&unit, PPPIOCNEWUNIT, &mut number)?;
    control(&channel, PPPIOCCONNECT, &mut number)?;
    let mut ip = [0; 8];
    ip[..4].copy_from_slice(&PPP_IP.to_ne_bytes());
    ip[4..].copy_from_slice(&NPMODE_PASS.to_ne_bytes());
    control(&unit, PPPIOCSNPMODE, &mut ip)?;
    println!("ppp{}", i32::from_ne_bytes(number));
    io::stdout().flush()?;

    io::copy(&mut io::stdin(), &mut io::sink())?;

    let [tx_packets, tx_bytes, _, rx_packets, rx_bytes, ..] =
        statistics(&management, local.session)?;
    println!(
        "sent {tx_packets} packets, {tx_bytes} bytes; received {rx_packets} packets, {rx_bytes} bytes"
    );
    // Device and session go with their descriptors, the tunnel with the UDP socket.
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if words.len() != 8 {
        eprintln!("usage: pppol2tp <address> <port> <tunnel> <session> <the same of the peer>");
        return ExitCode::from(2);
    }
    let result = End::parse(&words[..4])
        .and_then(|local| End::parse(&words[4..]).and_then(|peer| run(&local, &peer)));
    if let Err(error) = result {
        eprintln!("pppol2tp: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
