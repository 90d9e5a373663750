# SPDX-License-Identifier: Apache-2.0
"""Reports, plots and pictures: view draws what lower floors hold and decides nothing."""
