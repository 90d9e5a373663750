# SPDX-License-Identifier: Apache-2.0
"""Robots: one TOML each; `load_robot` reads a shipped name or a user's file."""

from __future__ import annotations

from stope.world.robots.robot import Robot, Sensors, load_robot, robot_names

__all__ = ["Robot", "Sensors", "load_robot", "robot_names"]
