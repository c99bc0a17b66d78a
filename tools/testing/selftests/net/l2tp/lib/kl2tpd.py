# SPDX-License-Identifier: GPL-2.0
"""kl2tpd of go-l2tp as LAC: it makes tunnel and sessions through netlink, and runs pppd on a socket for each."""
from . import program


def start(space, where, options, sessions=1, seqnum=False, port=1701, name="kl2tpd"):
    """The running daemon, which calls 10.0.0.2 in one tunnel with so many sessions."""
    arguments = program.write(f"{where}/{name}.options", options)
    text = f"""[tunnel.t1]
peer = "10.0.0.2:1701"
local = "10.0.0.1:{port}"
version = "l2tpv2"
encap = "udp"
max_retries = 8
window_size = 32
"""
    for number in range(sessions):
        text += f"""
[tunnel.t1.session.s{number}]
pseudowire = "ppp"
seqnum = {str(seqnum).lower()}
pppd_args = "{arguments}"
"""
    path = program.write(f"{where}/{name}.toml", text)
    return program.Program(["kl2tpd", "-config", path, "-verbose"], space)
