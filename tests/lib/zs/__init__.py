# SPDX-License-Identifier: GPL-2.0-or-later
"""Real servers, real clients and zs-load in a world of their own, for tests, demo and measurements."""
