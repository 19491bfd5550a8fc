# SPDX-License-Identifier: BSD-3-Clause
"""Boots small guests through libvirt and runs commands in them: see Lab, and the program scripts/guests."""
from .guest import Guest, Result
from .lab import Lab, LabError, is_running

__all__ = ['Guest', 'Lab', 'LabError', 'Result', 'is_running']
