# SPDX-License-Identifier: Apache-2.0
"""Kernels of power, light and contact: batteries over a whole activity, waits for light, for cool ground, for Earth.

Sunlight at a pit is a table over one turn of the body, interpolated and integrated; the draw is constant over an
activity. So a battery is settled once, when an activity ends. It is cut off at full and at empty then, not in between:
what could not be stored is booked as curtailed, what could not be drawn as shed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.inner import inner, outer

__all__ = ["answer_time", "cool_time", "gathered", "light_time", "settle"]


@outer
def gathered(table: Any, spin: Any, t: Any) -> Any:
    """Sunlight since the start [J/m2], of a pit's table over one turn of `spin` seconds."""
    bins = table.shape[0] - 1
    turns = math.floor(t / spin)
    x = (t - turns * spin) / spin * bins
    i = min(int(x), bins - 1)
    return turns * table[bins] + table[i] + (x - i) * (table[i + 1] - table[i])


@outer
def light_time(table: Any, spin: Any, wanted: Any) -> Any:
    """When the sunlight since the start [J/m2] reaches what is wanted [s]; infinite where it never shines."""
    bins = table.shape[0] - 1
    whole = table[bins]
    if whole <= 0.0:
        return np.inf
    turns = math.floor(wanted / whole)
    rest = wanted - turns * whole
    low, high = 0, bins
    while high - low > 1:
        middle = (low + high) >> 1
        if table[middle] <= rest:
            low = middle
        else:
            high = middle
    step = table[low + 1] - table[low]
    share = (rest - table[low]) / step if step > 0.0 else 0.0
    return (turns + (low + share) / bins) * spin


@outer
def settle(w: Any, robot: Any, t: Any, energy: Any) -> None:
    """Bring a battery to time t, given what was drawn since it was last settled [J]."""
    row, c = w.real[robot], w.constants
    table, spin = w.sunlight[w.whole[robot, k.PIT]], c[k.SPIN]
    solar = c[k.ARRAY] * c[k.DUST] * (gathered(table, spin, t) - gathered(table, spin, row[k.T_BATTERY]))
    there = row[k.BATTERY] + solar
    used = min(energy, there)
    left = there - used
    kept = min(left, c[k.CAPACITY])
    row[k.BATTERY], row[k.T_BATTERY] = kept, t
    row[k.SOLAR] += solar
    row[k.USED] += used
    row[k.SHED] += energy - used
    row[k.CURTAILED] += left - kept


@inner
def cool_time(w: Any, pit: Any, t: Any) -> Any:
    """How long it stays too hot to work at a pit [s]."""
    spin, bins = w.constants[k.SPIN], w.cool_bins.shape[1]
    x = (t / spin - math.floor(t / spin)) * bins
    i = min(int(x), bins - 1)
    wait = w.cool_bins[pit, i]
    return 0.0 if wait == 0 else (wait - (x - i)) * spin / bins


@outer
def answer_time(contact: Any, t: Any, light: Any, decision: Any) -> Any:
    """When the answer of Earth to a question of time t is there [s]; infinite where no contact is left.

    The question leaves at the first time of contact; the answer leaves Earth `decision` seconds after it came, or so
    much later that it arrives during a contact.
    """
    leaves = next_contact(contact, t)
    arrives = next_contact(contact, leaves + 2.0 * light + decision)
    return arrives


@inner
def next_contact(contact: Any, t: Any) -> Any:
    """First time of contact not before t [s]."""
    low, high = 0, contact.shape[0]
    while low < high:
        middle = (low + high) >> 1
        if contact[middle, 1] <= t:
            low = middle + 1
        else:
            high = middle
    return max(t, contact[low, 0]) if low < contact.shape[0] else np.inf
