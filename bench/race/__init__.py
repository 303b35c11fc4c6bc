# SPDX-License-Identifier: MIT
"""The race track; bench/compare starts it."""
