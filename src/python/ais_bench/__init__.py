# SPDX-License-Identifier: MIT
"""The older tool's names: `ais_bench.infer.interface`, `ais_bench.infer.summary`, `python3 -m ais_bench`."""
