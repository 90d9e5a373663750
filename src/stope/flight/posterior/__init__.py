# SPDX-License-Identifier: Apache-2.0
"""Posteriors: one file per method from flights and a prior to a belief."""

from __future__ import annotations

from stope.flight.posterior.coordinates import TotalCoordinates
from stope.flight.posterior.laplace import laplace, linearise
from stope.flight.posterior.smc import SmcConfig, SmcResult, anneal, tempered_smc

__all__ = ["SmcConfig", "SmcResult", "TotalCoordinates", "anneal", "laplace", "linearise", "tempered_smc"]
