# SPDX-License-Identifier: Apache-2.0
"""Fleets: a mission of many robots for weeks, simulated event by event from measured outcomes of their skills."""
