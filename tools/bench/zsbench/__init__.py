# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark: contestants, scenes, accounts and their report; tools/bench/README.md."""
