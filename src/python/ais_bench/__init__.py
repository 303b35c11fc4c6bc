# SPDX-License-Identifier: MIT
"""The older tool's names, on aispipe: `ais_bench.infer.interface`, `ais_bench.infer.summary`, `python3 -m ais_bench`."""
