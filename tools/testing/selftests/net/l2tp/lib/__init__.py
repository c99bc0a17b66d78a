# SPDX-License-Identifier: GPL-2.0
"""Shared library of the L2TP self tests; standard library only."""
